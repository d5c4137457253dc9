// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestWriteAndRemove(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nicwright.conf")
	one, err := For(Nginx, profile(t, "tls-server"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := For(Nginx, profile(t, "tls-server"), Options{TLS12: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		what    *Settings // nil: taken away
		changed bool
	}{{nil, false}, {one, true}, {one, false}, {other, true}, {nil, true}, {nil, false}} {
		var changed bool
		if step.what == nil {
			changed, err = Remove(file)
		} else {
			changed, err = Write(t.Context(), file, step.what)
		}
		if err != nil || changed != step.changed {
			t.Fatalf("%d: %v, changed %t, want %t", i, err, changed, step.changed)
		}
		text, err := os.ReadFile(file)
		if step.what == nil {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%d: it is still there: %v", i, err)
			}
			continue
		}
		info, statErr := os.Stat(file)
		if err != nil || statErr != nil || string(text) != step.what.Text || info.Mode() != 0o644 {
			t.Errorf("%d: %v, %v, mode %v:\n%s", i, err, statErr, info.Mode(), text)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// What is not ours is neither written over nor taken away.
func TestForeignFilesAreLeft(t *testing.T) {
	s, err := For(OpenSSL, profile(t, "tls-server"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string]func(path string) error{
		"somebody's":        func(path string) error { return os.WriteFile(path, []byte("Options = KTLS\n"), 0o600) },
		"marked later":      func(path string) error { return os.WriteFile(path, []byte("\n"+Mark+"\n"), 0o600) },
		"empty":             func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"a directory":       func(path string) error { return os.Mkdir(path, 0o755) },
		"a link to nowhere": func(path string) error { return os.Symlink(path+".target", path) },
		"a link to one of ours": func(path string) error {
			return errors.Join(os.WriteFile(path+".target", []byte(Mark+"\n"), 0o600), os.Symlink(path+".target", path))
		},
	} {
		path := filepath.Join(t.TempDir(), "openssl.cnf")
		if err := put(path); err != nil {
			t.Fatal(err)
		}
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		var foreign *ForeignError
		if _, err := Write(t.Context(), path, s); !errors.As(err, &foreign) || foreign.Path != path {
			t.Errorf("%s, written: %v", name, err)
		}
		if _, err := Remove(path); !errors.As(err, &foreign) {
			t.Errorf("%s, taken away: %v", name, err)
		}
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) || after.Size() != before.Size() {
			t.Errorf("%s: it is not as it was: %v, %v", name, after, err)
		}
	}
	if _, err := Write(t.Context(), filepath.Join(t.TempDir(), "no", "openssl.cnf"), s); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into a directory that is not there: %v", err)
	}
}
