// SPDX-License-Identifier: Apache-2.0

package hostkernel

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// host makes a root directory with these files.
func host(t *testing.T, files ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, f := range files {
		path := filepath.Join(root, f)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func releases(all []Kernel) string {
	var names []string
	for _, k := range all {
		names = append(names, k.Release)
	}
	return strings.Join(names, " ")
}

func TestFind(t *testing.T) {
	root := host(t,
		"lib/modules/6.12.117+deb13-amd64/modules.dep", "boot/vmlinuz-6.12.117+deb13-amd64",
		"lib/modules/6.9.7-amd64/modules.dep", "boot/vmlinuz-6.9.7-amd64",
		"lib/modules/7.3.4+deb13-amd64/vmlinuz",
		"lib/modules/6.1.0-40-amd64/modules.dep", // its image was removed
	)
	all, err := Find(root)
	if err != nil {
		t.Fatal(err)
	}
	if got := releases(all); got != "6.9.7-amd64 6.12.117+deb13-amd64 7.3.4+deb13-amd64" {
		t.Errorf("found %s", got)
	}
	if want := filepath.Join(root, "lib/modules/7.3.4+deb13-amd64/vmlinuz"); all[2].Image != want {
		t.Errorf("image %s, want %s", all[2].Image, want)
	}
	if all, err := Find(t.TempDir()); err != nil || len(all) != 0 {
		t.Errorf("a root without kernels: %v, %v", all, err)
	}
}

func TestChoose(t *testing.T) {
	all := []Kernel{{Release: "6.1.0-50-amd64"}, {Release: "6.12.9-amd64"}, {Release: "6.12.117+deb13-amd64"}, {Release: "7.3.4+deb13-amd64"}}
	for _, c := range []struct {
		what, against string
		want          string
		err           error
	}{
		{"latest", "6.12.9-amd64", "7.3.4+deb13-amd64", nil},
		{"latest", "7.3.4+deb13-amd64", "", ErrOnly},
		{"installed", "6.12.9-amd64", "6.1.0-50-amd64 6.12.117+deb13-amd64 7.3.4+deb13-amd64", nil},
		{"7.3.4+deb13-amd64", "7.3.4+deb13-amd64", "7.3.4+deb13-amd64", nil},
		{"7.3", "6.12.9-amd64", "7.3.4+deb13-amd64", nil},
		{"6.12", "6.12.9-amd64", "6.12.117+deb13-amd64", nil},
		{"6.12.11", "6.12.9-amd64", "", ErrNone},
		{"7", "", "7.3.4+deb13-amd64", nil},
		{"5.10", "", "", ErrNone},
		{"", "", "", ErrNone},
	} {
		got, err := Choose(all, c.what, c.against)
		if releases(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q against %q: %q, %v; want %q, %v", c.what, c.against, releases(got), err, c.want, c.err)
		}
		if errors.Is(c.err, ErrNone) && !strings.Contains(err.Error(), "7.3.4+deb13-amd64") {
			t.Errorf("%v: it does not say which there are", err)
		}
	}
	if _, err := Choose(nil, "latest", ""); !errors.Is(err, ErrNone) {
		t.Errorf("no kernel at all: %v", err)
	}
	if _, err := Choose(all[:1], "installed", "6.1.0-50-amd64"); !errors.Is(err, ErrOnly) {
		t.Errorf("no other kernel: %v", err)
	}
}

func TestCompare(t *testing.T) {
	in := []string{"5.10.0-9-amd64", "6.1", "6.1.0-50-amd64", "6.9.7-amd64", "6.12.9-amd64", "6.12.117+deb13-amd64", "7.3.4+deb13-amd64"}
	for i := range in {
		for j := range in {
			if got := Compare(in[i], in[j]); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%s and %s: %d", in[i], in[j], got)
			}
		}
	}
}
