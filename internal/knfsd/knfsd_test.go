// SPDX-License-Identifier: Apache-2.0

package knfsd

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func TestCacheLines(t *testing.T) {
	c := Config{Client: netip.MustParseAddr("198.18.0.2"), Path: "/run/a b\\", TLS: true}
	got := cacheLines(c, time.Unix(1000, 0))
	want := [][2]string{
		{"auth.unix.ip", "nfsd 198.18.0.2 1000 nicwright\n"},
		{"nfsd.export", "nicwright /run/a\\040b\\134 1000 9218 65534 65534 0 xprtsec 2 1 2\n"},
		{"nfsd.fh", "nicwright 1 \\x00000000 1000 /run/a\\040b\\134\n"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	c.TLS = false
	if got := cacheLines(c, time.Unix(1000, 0))[1][1]; got != "nicwright /run/a\\040b\\134 1000 9218 65534 65534 0\n" {
		t.Errorf("without TLS, which older kernels do not know: %q", got)
	}
}

func TestKernelThreads(t *testing.T) {
	dir := t.TempDir()
	for pid, p := range map[string][2]string{"7": {"nfsd\n", ""}, "8": {"nfsd\n", "/usr/sbin/nfsd\x00"}, "9": {"nfsiod\n", ""}, "self": {"nfsd\n", ""}} {
		if err := os.Mkdir(filepath.Join(dir, pid), 0o755); err != nil {
			t.Fatal(err)
		}
		for i, name := range []string{"comm", "cmdline"} {
			if err := os.WriteFile(filepath.Join(dir, pid, name), []byte(p[i]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := kernelThreads(dir)
	if err != nil || !reflect.DeepEqual(got, []int{7}) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := kernelThreads(filepath.Join(dir, "none")); err == nil {
		t.Error("no /proc is no error")
	}
}

func TestSchedstat(t *testing.T) {
	if s, err := parseSchedstat("2500000000 17 3\n"); s != 2.5 || err != nil {
		t.Errorf("%v, %v", s, err)
	}
	for _, bad := range []string{"", "x 1 2", "-1 0 0"} {
		if _, err := parseSchedstat(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// A server is stopped where there is one, also one that has sockets and no threads yet.
func TestStop(t *testing.T) {
	for _, tt := range []struct{ threads, ports, want string }{
		{"0\n", "", "0\n"},
		{"4\n", "tcp 2049\n", "0\n"},
		{"0\n", "tcp 2049\n", "0\n"},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"threads": tt.threads, "portlist": tt.ports} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		before, err := os.Stat(filepath.Join(dir, "threads"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(dir, "threads"), time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if err := stop(dir); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, "threads"))
		after, statErr := os.Stat(filepath.Join(dir, "threads"))
		if err != nil || statErr != nil || string(got) != tt.want || !os.SameFile(before, after) {
			t.Errorf("%q, %q: threads are %q, %v", tt.threads, tt.ports, got, err)
		}
		if written := after.ModTime().After(time.Unix(1, 0)); written == (tt.threads == "0\n" && tt.ports == "") {
			t.Errorf("%q, %q: written: %v", tt.threads, tt.ports, written)
		}
	}
	if err := stop(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no nfsd is no error")
	}
}
