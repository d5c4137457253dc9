// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/hostkernel"
)

func installedKernels(releases ...string) (all []hostkernel.Kernel) {
	for _, r := range releases {
		all = append(all, hostkernel.Kernel{Release: r})
	}
	return all
}

func releasesOf(row []kernelChoice) string {
	var names []string
	for _, k := range row {
		name := k.release
		if len(k.packages) > 0 {
			name += "*"
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func TestChooseKernels(t *testing.T) {
	all := installedKernels("6.1.0-50-amd64", "6.12.117+deb13-amd64", "7.3.4+deb13-amd64")
	got, err := choose(all, []string{"latest", "6.1", "./a.deb", "/x/b.deb"}, "6.12.117+deb13-amd64")
	if err != nil {
		t.Fatal(err)
	}
	here, _ := os.Getwd()
	if s := releasesOf(got); s != "7.3.4+deb13-amd64 6.1.0-50-amd64 *" || !slices.Equal(got[2].packages, []string{filepath.Join(here, "a.deb"), "/x/b.deb"}) {
		t.Errorf("%s, %q", s, got[2].packages)
	}
	if _, err := choose(all, []string{"latest", "5.10"}, ""); !errors.Is(err, hostkernel.ErrNone) {
		t.Errorf("a kernel that is not there: %v", err)
	}
	if _, err := choose(all, []string{"latest"}, "7.3.4+deb13-amd64"); !errors.Is(err, hostkernel.ErrOnly) {
		t.Errorf("the latest runs: %v", err)
	}
}

func TestKernelsBetween(t *testing.T) {
	all := installedKernels("6.1.0-50-amd64", "6.12.117+deb13-amd64", "7.3.4+deb13-amd64")
	files := []string{"linux-image-6.16.3-amd64_6.16.3-1_amd64.deb,linux-headers-6.16.3-amd64_6.16.3-1_amd64.deb", "linux-image-6.12.117+deb13-amd64_6.12.117-1_amd64.deb"}
	for _, c := range []struct{ good, bad, want, err string }{
		{"6.1", "7.3", "6.1.0-50-amd64 6.12.117+deb13-amd64 6.16.3-amd64* 7.3.4+deb13-amd64", ""},
		{"6.12", "6.16", "6.12.117+deb13-amd64 6.16.3-amd64*", ""},
		{"7.3", "6.12", "", "not older"},
		{"7.3", "7.3", "", "not older"},
		{"5.10", "7.3", "", "--good"},
		{"6.1", "8", "", "--bad"},
	} {
		got, err := kernelsBetween(all, c.good, c.bad, files)
		if s := releasesOf(got); s != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s to %s: %q, %v", c.good, c.bad, s, err)
		}
	}
	if _, err := kernelsBetween(all, "6.1", "7.3", []string{"kernel.deb"}); err == nil || !strings.Contains(err.Error(), "kernel.deb") {
		t.Errorf("a package without a release: %v", err)
	}
}

func TestRehearsalCache(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "")
	if got := rehearsalCache(""); got != "/var/cache/nicwright" {
		t.Error(got)
	}
	t.Setenv("XDG_CACHE_HOME", "/x")
	if got := rehearsalCache(""); got != "/x/nicwright" {
		t.Error(got)
	}
	if got := rehearsalCache("/y"); got != "/y" {
		t.Error(got)
	}
}

// The program of a test is not called nicwright: the machine would not find it.
func TestRehearsalNeedsItsName(t *testing.T) {
	if _, _, err := rehearsalPrograms(); err == nil || !strings.Contains(err.Error(), "nicwright") {
		t.Errorf("%v", err)
	}
}
