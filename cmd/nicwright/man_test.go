// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestEveryVerbHasAManualPage(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1795834512")
	dir := t.TempDir()
	if out, err := ran(t, "man", dir); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := map[string]bool{}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-")
		want[name+".1"] = true
		text, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil {
			t.Error(err)
			return
		}
		for _, has := range []string{`.TH "`, ".SH NAME\n" + strings.ReplaceAll(name, "-", `-`), ".SH DESCRIPTION", "Nov 2026", ".SH OPTIONS"} {
			if !bytes.Contains(text, []byte(has)) {
				t.Errorf("%s.1 has no %q", name, has)
			}
		}
		for _, sub := range c.Commands() {
			if !sub.Hidden && sub.Name() != "help" {
				walk(sub)
			}
		}
	}
	walk(newRoot())
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !want[e.Name()] && !strings.HasPrefix(e.Name(), "nicwright-completion") {
			t.Errorf("%s is the page of no verb", e.Name())
		}
		if info, err := e.Info(); err != nil || info.Mode() != 0o644 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
}

// A page says what --help says: nothing of it is taken for markup.
func TestManualPagesSayWhatIsWritten(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1795834512")
	dir := t.TempDir()
	if _, err := ran(t, "man", dir); err != nil {
		t.Fatal(err)
	}
	for name, has := range map[string]string{
		"nicwright-profile": "NICWRIGHT_CARDS__NIC0__PORTS__P0__ESWITCH_MODE=legacy",
		"nicwright":         "`path=value`",
		"nicwright-apply":   "`pci/0000:3b:00.0/vf/3`",
	} {
		text, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil {
			t.Fatal(err)
		}
		// troff writes a backquote and a hyphen with a backslash.
		plain := strings.NewReplacer(`\`+"`", "`", `\(ga`, "`", `\-`, "-", `\&`, "").Replace(string(text))
		if !strings.Contains(plain, has) {
			t.Errorf("%s.1 does not say %s:\n%s", name, has, text)
		}
	}
}

func TestManualPagesAreReproducible(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1795834512")
	one, other := t.TempDir(), t.TempDir()
	if _, err := ran(t, "man", one); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TZ", "Pacific/Auckland")
	if _, err := ran(t, "man", other); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(one, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, f := range files {
		a, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(other, filepath.Base(f))); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs from one run to the next: %v", filepath.Base(f), err)
		}
	}
}

// Root makes the pages of a package: what lies in their place is not followed.
func TestManualPagesReplaceALink(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(t.TempDir(), "victim")
	if err := errors.Join(os.WriteFile(victim, []byte("mine"), 0o600), os.Symlink(victim, filepath.Join(dir, "nicwright.1"))); err != nil {
		t.Fatal(err)
	}
	if _, err := ran(t, "man", dir); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "mine" {
		t.Errorf("what the link named is now %q, %v", b, err)
	}
	if info, err := os.Lstat(filepath.Join(dir, "nicwright.1")); err != nil || info.Mode().Type() != 0 {
		t.Errorf("the page is %v, %v", info, err)
	}
}

func TestManualPagesThatCannotBe(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	_, err := ran(t, "man", t.TempDir())
	var status exitStatus
	if !errors.As(err, &status) || status.code != exitUsage || !strings.Contains(err.Error(), "seconds since 1970") {
		t.Errorf("a date that is none: %v", err)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var path *fs.PathError
	if _, err := ran(t, "man", filepath.Join(file, "man1")); !errors.As(err, &path) || !strings.Contains(err.Error(), "directory of the manual pages") {
		t.Errorf("a directory in a file: %v", err)
	}
}
