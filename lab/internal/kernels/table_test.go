// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Table() {
		if seen[r.Name] {
			t.Errorf("%s is there twice", r.Name)
		}
		seen[r.Name] = true
		if r.Name == "" || r.Suite == "" || r.Compiler == "" {
			t.Errorf("%+v is not filled in", r)
		}
		if got, err := Find(r.Name); err != nil || got != r {
			t.Errorf("Find(%q) = %+v, %v", r.Name, got, err)
		}
	}
	if _, err := Find(Default); err != nil {
		t.Errorf("the default: %v", err)
	}
	if _, err := Find("2.4"); err == nil || !strings.Contains(err.Error(), Default) {
		t.Errorf("an unknown name gives %v, which does not say what there is", err)
	}
}

func TestNewest(t *testing.T) {
	for _, tt := range []struct {
		name, packages, want string
	}{
		{"6.12", "linux-image-6.12.9+deb13-amd64 linux-image-6.12.117+deb13-amd64 linux-image-6.12.48+deb13-amd64", "6.12.117+deb13-amd64"},
		{"6.12", "linux-image-6.12.117+deb13-cloud-amd64 linux-image-6.12.117+deb13-rt-amd64 linux-image-6.12.117+deb13-amd64-unsigned linux-image-6.12.117+deb13-amd64-dbg", ""},
		{"6.1", "linux-image-6.12.117+deb13-amd64 linux-image-6.1.0-9-amd64 linux-image-6.1.0-40-amd64", "6.1.0-40-amd64"},
		{"7.3", "linux-image-7.3.4+deb13-amd64 linux-image-amd64 linux-image-7.3.10+deb13+1-amd64", "7.3.10+deb13+1-amd64"},
		{"6.12", "linux-image-6.12.9+deb13-arm64 linux-headers-6.12.9+deb13-amd64", ""},
	} {
		if got := (Row{Name: tt.name}).Newest(strings.Fields(tt.packages)); got != tt.want {
			t.Errorf("the newest %s of %s is %q, want %q", tt.name, tt.packages, got, tt.want)
		}
	}
}

// TestMoveKbuild has the links of both layouts that Debian has had.
func TestMoveKbuild(t *testing.T) {
	for _, link := range []string{"../../lib/linux-kbuild-6.12/scripts", "/usr/lib/linux-kbuild-6.12/scripts"} {
		tree := t.TempDir()
		headers := filepath.Join(tree, "usr/src/linux-headers-6.12-amd64")
		for _, d := range []string{filepath.Join(tree, "usr/lib/linux-kbuild-6.12/scripts"), headers} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(
			os.Symlink(link, filepath.Join(headers, "scripts")),
			os.Symlink("../lib/linux-kbuild-6.12", filepath.Join(tree, "usr/src/linux-kbuild-6.12")),
		); err != nil {
			t.Fatal(err)
		}
		if err := moveKbuild(tree); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink(filepath.Join(headers, "scripts")); err != nil || got != "/usr/src/linux-kbuild-6.12/scripts" {
			t.Errorf("the link %s became %q, %v", link, got, err)
		}
		if info, err := os.Lstat(filepath.Join(tree, "usr/src/linux-kbuild-6.12/scripts")); err != nil || !info.IsDir() {
			t.Errorf("kbuild was not moved: %v", err)
		}
	}
}
