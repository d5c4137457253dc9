// SPDX-License-Identifier: Apache-2.0

package web

import (
	"crypto/tls"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/site"
)

func TestConfig(t *testing.T) {
	place := &site.Place{V4: netip.MustParsePrefix("198.18.0.1/32")}
	listeners := []Listener{
		{Sendfile: true},
		{TLS: "1.2", Cipher: "AES-256-GCM"},
		{TLS: "1.2", Cipher: "AES-128-GCM", Kernel: true, Sendfile: true},
		{TLS: "1.3", Cipher: "ChaCha20-Poly1305", Kernel: true, Resumption: true},
	}
	ports := map[Listener]uint16{}
	for i, l := range listeners {
		ports[l] = uint16(20000 + i)
	}
	b, err := config(Input{Place: place, Listeners: listeners, Clients: 500, Workers: 2}, "/run/x", ports)
	if err != nil {
		t.Fatal(err)
	}
	golden.Text(t, filepath.Join("testdata", "nginx.conf"), string(b))
	for _, bad := range []Listener{{TLS: "1.1", Cipher: "AES-128-GCM"}, {TLS: "1.2", Cipher: "x; include /etc/passwd"}, {Cipher: "AES-128-GCM"}, {TLS: "1.3"}} {
		if _, err := config(Input{Place: place, Listeners: []Listener{bad}}, "/run/x", ports); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, tt := range []struct{ text, nginx, openssl, why string }{
		{"nginx version: nginx/1.26.3\nbuilt with OpenSSL 3.5.7 9 Jun 2026 (running with OpenSSL 3.5.9 29 Sep 2026)\n", "1.26.3", "3.5.9", ""},
		{"nginx version: nginx/1.22.1\nbuilt with OpenSSL 3.0.11 19 Sep 2023\nTLS SNI support enabled\n", "1.22.1", "3.0.11", ""},
		{"nginx version: nginx/1.18.0 (Ubuntu)\nbuilt with OpenSSL 3.0.2 15 Mar 2022\n", "1.18.0", "3.0.2", "1.21.4"},
		{"nginx version: openresty/1.21.4.1\nbuilt with OpenSSL 1.1.1n  15 Mar 2022\n", "1.21.4.1", "1.1.1", "3.0 and later"},
		{"nginx version: nginx/1.25.0\nbuilt with BoringSSL\n", "1.25.0", "", "OpenSSL"},
	} {
		v, err := parseVersion(tt.text)
		why := v.NoKernelTLS()
		if err != nil || v.Nginx != tt.nginx || v.OpenSSL != tt.openssl || (why == "") != (tt.why == "") || !strings.Contains(why, tt.why) {
			t.Errorf("%q: %+v, %v, %q", tt.text, v, err, why)
		}
	}
	if _, err := parseVersion("Apache/2.4"); err == nil {
		t.Error("Apache was taken for nginx")
	}
}

func FuzzVersion(f *testing.F) {
	f.Add("nginx version: nginx/1.26.3\nbuilt with OpenSSL 3.5.7 9 Jun 2026 (running with OpenSSL 3.5.9 29 Sep 2026)\n")
	f.Fuzz(func(_ *testing.T, text string) {
		v, _ := parseVersion(text)
		_ = v.NoKernelTLS()
	})
}

func TestCertificate(t *testing.T) {
	cert, key, err := Certificate()
	if err != nil {
		t.Fatal(err)
	}
	c, err := tls.X509KeyPair(cert, key)
	if err != nil || c.Leaf.VerifyHostname(Name) != nil {
		t.Errorf("%v, for %v", err, c.Leaf.DNSNames)
	}
}

func TestFilesMayTakeHalfOfTheMemory(t *testing.T) {
	n, err := enough([]uint64{1, 1_000_000_000}, 4_000_000_000)
	if err != nil || n < 1_000_004_096 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := enough([]uint64{1_000_000_000}, 2_000_000_000); err == nil || !strings.Contains(err.Error(), "--sizes") {
		t.Errorf("more than half: %v", err)
	}
	if _, err := roomFor([]uint64{1000}); err != nil {
		t.Errorf("1 kB does not fit here: %v", err)
	}
}

// A file is in memory when it was written, and not when the kernel has dropped it.
func TestResident(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := fill(path, 1<<20+1); err != nil {
		t.Fatal(err)
	}
	if r, err := resident(path); r != 1 || err != nil {
		t.Errorf("a new file: %v, %v", r, err)
	}
	if err := fill(path, 1); err == nil {
		t.Error("a file that was there was written")
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &s); err != nil || s.Type == unix.TMPFS_MAGIC {
		t.Skip("here files are in memory alone")
	}
	if err := unix.Fsync(int(f.Fd())); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
	if r, err := resident(path); r > 0.5 || err != nil {
		t.Errorf("a dropped file: %v, %v", r, err)
	}
}

func TestWhoNginxRunsAs(t *testing.T) {
	if uid, gid, err := lookUp(nobody); err != nil || uid == 0 || gid == 0 {
		t.Errorf("%d, %d, %v", uid, gid, err)
	}
	for name, want := range map[string]string{"root": "must not be root's", "no-such-user": "unknown user"} {
		if _, _, err := lookUp(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
