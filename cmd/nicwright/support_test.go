// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An archive is not written without somebody having looked at what is in it, or
// having said that nobody needs to.
func TestSupportIsNotWrittenUnasked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.tar.gz")
	_, err := ran(t, "support", "-o", file) // the test's standard input is no terminal
	var status exitStatus
	if !errors.As(err, &status) || status.code != exitUsage || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("%v", err)
	}
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was written: %v", err)
	}
}

func TestSupportAsks(t *testing.T) {
	for answer, yes := range map[string]bool{"y\n": true, "YES\n": true, "n\n": false, "\n": false, "": false, "yess\n": false} {
		var out strings.Builder
		err := ask(t.Context(), strings.NewReader(answer), &out, "write it? ")
		if (err == nil) != yes || out.String() != "write it? " {
			t.Errorf("%q: %v, %q", answer, err, out.String())
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ask(ctx, r, &strings.Builder{}, "?"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestSupportIsWritten(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "s.tar.gz")
	if err := os.WriteFile(file, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := ran(t, "support", "--yes", "-o", file)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"README.txt", "versions.txt", "missing: report: no report is kept", "missing: journal: there is none", "written: " + file} {
		if !strings.Contains(out, part) {
			t.Errorf("%q is not in\n%s", part, out)
		}
	}
	info, err := os.Lstat(file)
	if err != nil || info.Mode() != 0o600 || info.Size() < 100 {
		t.Errorf("%v, %v", info, err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if _, err := ran(t, "support", "--yes", "-o", link); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("it is written through a link: %v", err)
	}
}

// The journal goes in as it is on the disk, also what cannot be read of it.
func TestSupportTakesABrokenJournal(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "operations"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "operations", "20261128T035512.123Z-apply.json"), []byte("{torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := documents(dir, "journal", "operations/*.json", "*.json")
	if err != nil || len(files) != 1 || files[0].Name != "journal/20261128T035512.123Z-apply.json" || string(files[0].Text) != "{torn" {
		t.Errorf("%v, %v", files, err)
	}
}
