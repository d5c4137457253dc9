// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/viper"

	"github.com/nicwright/nicwright/provision/report"
)

// What cannot be rendered leaves the last report, and what is not asked for is not rendered.
func TestWriteReport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report")
	broken := errors.New("cannot render")
	text := func(w io.Writer) error { _, err := io.WriteString(w, "one"); return err }
	fails := func(io.Writer) error { return broken }
	for _, tt := range []struct {
		name, path string
		render     func(io.Writer) error
		err        error
	}{{"a file", file, text, nil}, {"what cannot be rendered", file, fails, broken}, {"none asked for", "", fails, nil}} {
		if err := writeForms(t.Context(), []form{{file: tt.path, render: tt.render}}); !errors.Is(err, tt.err) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != "one" {
			t.Errorf("%s: the file has %q, %v", tt.name, got, err)
		}
	}
}

// A baseline has what root alone may read; and what was found out is written although the time is over.
func TestWritePrivateForm(t *testing.T) {
	file := filepath.Join(t.TempDir(), "baseline")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := writeForms(ctx, []form{{file: file, private: true, render: func(w io.Writer) error { _, err := io.WriteString(w, "one"); return err }}}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 || info.Size() != 3 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestReportFilesAreCheckedBeforeTheProofsRun(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
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
		{"a link", reports{html: link}, "name the file itself"},
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
	r := &report.Report{Profile: "vm-host", OK: true}
	if err := o.write(t.Context(), a, r); !errors.Is(err, os.ErrNotExist) {
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
	if err := (&reports{}).write(t.Context(), a, r); err != nil || !json.Valid(out.Bytes()) {
		t.Errorf("printed: %v, %s", err, out.String())
	}
}
