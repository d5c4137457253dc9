// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/viper"

	"github.com/nicwright/nicwright/provision"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func TestWriteReport(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "report"), filepath.Join(dir, "link")
	if err := os.Symlink("report", link); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("cannot render")
	for _, tt := range []struct {
		name, path string
		render     func(io.Writer) error
		want       string // in the file
		err        error
	}{
		{"a new file", file, text("one"), "one", nil},
		{"in place of the last", file, text("2"), "2", nil},
		{"what a link names", link, text("three"), "three", nil},
		{"what cannot be rendered leaves the last", file, func(io.Writer) error { return broken }, "three", broken},
		{"none asked for", "", func(io.Writer) error { return broken }, "three", nil},
		{"no directory", filepath.Join(dir, "none", "report"), text("x"), "three", os.ErrNotExist},
		{"a directory", dir, text("x"), "three", syscall.EISDIR},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := writeReport(tt.path, tt.render)
			if !errors.Is(err, tt.err) || (err != nil && tt.path != file && !strings.Contains(err.Error(), tt.path)) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if got, err := os.ReadFile(file); err != nil || string(got) != tt.want {
				t.Errorf("the file has %q, %v; want %q", got, err, tt.want)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
				t.Errorf("the directory has %v, %v", entries, err)
			}
		})
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is one no more: %v, %v", info, err)
	}
}

// A pipe is written into: a rename would put a file in its place, and /dev/stdout is one.
func TestWriteReportIntoAPipe(t *testing.T) {
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
	if err := writeReport(fifo, text("through")); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != "through" {
		t.Errorf("the reader got %q", s)
	}
	if info, err := os.Lstat(fifo); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the pipe is one no more: %v, %v", info, err)
	}
}

func TestReportFilesAreCheckedBeforeTheProofsRun(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		o    reports
		want string // in the error; "": none
	}{
		{"none", reports{}, ""},
		{"two files", reports{junit: file, html: filepath.Join(dir, "html")}, ""},
		{"one for both", reports{junit: file, html: file}, "the same file"},
		{"no directory", reports{html: filepath.Join(dir, "none", "html")}, "make it first"},
		{"a file as directory", reports{junit: filepath.Join(file, "xml")}, "no directory"},
		{"a directory", reports{junit: dir}, "name a file in it"},
	} {
		err := tt.o.check()
		if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// The report is printed, and every file is written, also where another cannot be.
func TestReportsAreIndependent(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	a := &app{settings: viper.New(), out: &out, raw: &out}
	o := reports{junit: filepath.Join(dir, "none", "xml"), html: filepath.Join(dir, "html")}
	r := &provision.VerifyReport{Profile: "vm-host", OK: true}
	if err := o.write(a, r); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if b, err := os.ReadFile(o.html); err != nil || !strings.Contains(string(b), "vm-host") {
		t.Errorf("the page: %v, %s", err, b)
	}
	if !strings.Contains(out.String(), "vm-host") {
		t.Errorf("printed: %s", out.String())
	}
	out.Reset()
	a.settings.Set("json", true)
	if err := (&reports{}).write(a, r); err != nil || !json.Valid(out.Bytes()) {
		t.Errorf("printed: %v, %s", err, out.String())
	}
}
