// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	file, link, deep := filepath.Join(dir, "report"), filepath.Join(dir, "link"), filepath.Join(dir, "deep")
	for from, to := range map[string]string{link: "report", deep: "."} {
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, path, want string // want is in the file
		err              error
		says             string
	}{
		{"a new file", file, "one", nil, ""},
		{"in place of the last", file, "2", nil, ""},
		{"through a link", link, "2", syscall.ELOOP, "name the file itself"},
		{"through a link of our own to the directory", filepath.Join(deep, "report"), "four", nil, ""},
		{"with dots", filepath.Clean(dir) + "/./deep/../" + filepath.Base(dir) + "/report", "five", nil, ""},
		{"no directory", filepath.Join(dir, "none", "report"), "five", os.ErrNotExist, "make it first"},
		{"a file as directory", filepath.Join(file, "xml"), "five", syscall.ENOTDIR, "no directory"},
		{"a directory", dir, "five", syscall.EISDIR, "name a file in it"},
		{"a directory by its slash", dir + "/", "five", syscall.EISDIR, "name a file in it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checked := CheckFile(tt.path)
			err := WriteFile(t.Context(), tt.path, []byte(tt.want))
			if !errors.Is(err, tt.err) || !errors.Is(checked, tt.err) {
				t.Errorf("error %v, before that %v, want %v", err, checked, tt.err)
			}
			if err != nil && (!strings.Contains(err.Error(), tt.path) || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("the error is %v", err)
			}
			if got := read(t, file); got != tt.want {
				t.Errorf("the file has %q, want %q", got, tt.want)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 3 {
				t.Errorf("the directory has %v, %v", entries, err)
			}
		})
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is one no more: %v, %v", info, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the report has the mode %v, %v", info.Mode(), err)
	}
}

// Links that another user put into a directory of everybody's do not choose what is overwritten.
func TestWriteFileWithLinksOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it takes root to make links of another user's")
	}
	dir := t.TempDir()
	shared, private := filepath.Join(dir, "shared"), filepath.Join(dir, "private")
	victim := filepath.Join(private, "report")
	for _, d := range []string{shared, private} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(shared, 0o1777), os.WriteFile(victim, []byte("precious"), 0o600)); err != nil {
		t.Fatal(err)
	}
	const other = 65534
	for name, to := range map[string]string{"file": victim, "dir": private, "mine": private} {
		link := filepath.Join(shared, name)
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
		if name != "mine" {
			if err := os.Lchown(link, other, other); err != nil {
				t.Fatal(err)
			}
		}
	}
	fifo := filepath.Join(shared, "fifo")
	if err := errors.Join(syscall.Mkfifo(fifo, 0o666), os.Lchown(fifo, other, other)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"file", "dir/report", "fifo"} {
		file := filepath.Join(shared, path)
		if err := CheckFile(file); err == nil {
			t.Errorf("%s would be written", path)
		}
		if err := WriteFile(t.Context(), file, []byte("overwritten")); err == nil {
			t.Errorf("%s was written", path)
		}
	}
	if got := read(t, victim); got != "precious" {
		t.Errorf("the file has %q", got)
	}
	if err := WriteFile(t.Context(), filepath.Join(shared, "mine", "report"), []byte("ours")); err != nil || read(t, victim) != "ours" {
		t.Errorf("through our own link: %v", err)
	}
}

// A pipe is written into: a rename would put a file in its place.
func TestWriteFileIntoAPipe(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	got := make(chan string)
	go func() {
		b, err := os.ReadFile(fifo)
		if err != nil {
			b = []byte(err.Error())
		}
		got <- string(b)
	}()
	if err := WriteFile(t.Context(), fifo, []byte("through")); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != "through" {
		t.Errorf("the reader got %q", s)
	}
	if info, err := os.Lstat(fifo); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the pipe is one no more: %v, %v", info, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := WriteFile(ctx, fifo, []byte("x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with nobody to read it: %v", err)
	}
	// The writer that was left behind is let go.
	if f, err := os.OpenFile(fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0); err == nil {
		_ = f.Close()
	}
}

func TestWriteFileToADescriptor(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	name := filepath.Join("/dev/fd", strconv.Itoa(int(w.Fd())))
	if err := errors.Join(CheckFile(name), WriteFile(t.Context(), name, []byte("through")), w.Close()); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64)
	if n, err := r.Read(b); err != nil || string(b[:n]) != "through" {
		t.Errorf("the reader got %q, %v", b[:n], err)
	}
	for name, want := range map[string]int{"/dev/stdout": 1, "/dev/stderr": 2, "/dev/fd/7": 7, "/dev/fd/": -1, "/dev/fd/x": -1, "/dev/null": -1, "7": -1} {
		if fd, ok := descriptor(name); ok != (want >= 0) || ok && fd != want {
			t.Errorf("%s: %d, %t", name, fd, ok)
		}
	}
	if err := WriteFile(t.Context(), "/dev/null", []byte("x")); err != nil {
		t.Error(err)
	}
}
