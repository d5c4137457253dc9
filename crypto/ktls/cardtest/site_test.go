// SPDX-License-Identifier: Apache-2.0

// Package cardtest tests package ktls between two VFs of the emulated card, against
// nginx and curl as well. It uses nothing of nicwright but that package.
package cardtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	pf       = "/sys/bus/pci/devices/0001:3b:00.0"
	here     = "10.8.0.1" // in namespace a
	peerName = "peer.test"
)

// suites, and whether a card takes them.
var suites = []struct {
	name    string // as openssl calls it
	id      uint16
	version uint16
	kernel  uint16
	card    bool
}{
	{"ECDHE-ECDSA-AES128-GCM-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.VersionTLS12, 51, true},
	{"ECDHE-ECDSA-AES256-GCM-SHA384", tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.VersionTLS12, 52, true},
	{"ECDHE-ECDSA-CHACHA20-POLY1305", tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.VersionTLS12, 54, false},
	{"TLS_AES_128_GCM_SHA256", tls.TLS_AES_128_GCM_SHA256, tls.VersionTLS13, 51, false},
	{"TLS_AES_256_GCM_SHA384", tls.TLS_AES_256_GCM_SHA384, tls.VersionTLS13, 52, false},
	{"TLS_CHACHA20_POLY1305_SHA256", tls.TLS_CHACHA20_POLY1305_SHA256, tls.VersionTLS13, 54, false},
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// inNS is a command in a namespace.
func inNS(ns, name string, args ...string) []string {
	return append([]string{"netns", "exec", ns, name}, args...)
}

var made sync.Once

// namespaces puts two VFs into the namespaces a (10.8.0.1) and b (10.8.0.2), with TLS
// offload on in both directions.
func namespaces(t *testing.T) {
	t.Helper()
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	made.Do(func() {
		_ = exec.Command("modprobe", "-a", "tls", "gcm", "ctr", "ghash-generic", "chacha20poly1305", "tcp_diag").Run()
		pfs, err := os.ReadDir(pf + "/net")
		if err != nil || len(pfs) == 0 {
			t.Fatalf("the card's netdev: %v", err)
		}
		run(t, "ip", "link", "set", pfs[0].Name(), "up")
		if err := os.WriteFile(pf+"/sriov_numvfs", []byte("2"), 0); err != nil {
			t.Fatal(err)
		}
		for i, ns := range []string{"a", "b"} {
			found, err := filepath.Glob(fmt.Sprintf("%s/virtfn%d/net/*", pf, i))
			if err != nil || len(found) != 1 {
				t.Fatalf("the netdev of VF %d: %v, %v", i, found, err)
			}
			run(t, "ip", "netns", "add", ns)
			run(t, "ip", "link", "set", filepath.Base(found[0]), "netns", ns, "name", "vf0")
			run(t, "ip", "-n", ns, "addr", "add", fmt.Sprintf("10.8.0.%d/24", i+1), "dev", "vf0")
			run(t, "ip", "-n", ns, "link", "set", "lo", "up")
			run(t, "ip", "-n", ns, "link", "set", "vf0", "up")
			run(t, "ip", inNS(ns, "ethtool", "-K", "vf0", "tls-hw-tx-offload", "on", "tls-hw-rx-offload", "on")...)
		}
		run(t, "ip", inNS("a", "ping", "-c", "3", "-w", "20", "-q", "10.8.0.2")...)
	})
}

// in runs f on a thread of the namespace.
func in[T any](ns string, f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		var r result
		fd, err := unix.Open("/run/netns/"+ns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			_ = unix.Close(fd)
		}
		if err == nil {
			r.v, err = f()
		}
		r.err = err
		done <- r
	}()
	r := <-done
	return r.v, r.err
}

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := in("a", func() (*net.TCPListener, error) { return net.ListenTCP("tcp4", &net.TCPAddr{IP: net.ParseIP(here)}) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func dial(address string) (*net.TCPConn, error) {
	return in("b", func() (*net.TCPConn, error) {
		c, err := net.DialTimeout("tcp4", address, 20*time.Second)
		if err != nil {
			return nil, err
		}
		return c.(*net.TCPConn), nil
	})
}

// identity is a self-signed certificate, for us and in files.
type identity struct {
	cert              tls.Certificate
	roots             *x509.CertPool
	certFile, keyFile string
}

func newIdentity(t *testing.T) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{peerName}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	id := &identity{
		cert:     tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		roots:    x509.NewCertPool(),
		certFile: filepath.Join(dir, "cert.pem"), keyFile: filepath.Join(dir, "key.pem"),
	}
	id.roots.AddCert(leaf)
	for path, block := range map[string]*pem.Block{id.certFile: {Type: "CERTIFICATE", Bytes: der}, id.keyFile: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return id
}

func (id *identity) client(suite uint16) *tls.Config {
	return &tls.Config{RootCAs: id.roots, ServerName: peerName, CipherSuites: []uint16{suite}}
}

func (id *identity) server(suites ...uint16) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{id.cert}, CipherSuites: suites}
}

// counter is one of a VF's (ethtool -S).
func counter(t *testing.T, ns, name string) (n int) {
	t.Helper()
	for line := range strings.Lines(run(t, "ip", inNS(ns, "ethtool", "-S", "vf0")...)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && k == name {
			if _, err := fmt.Sscan(v, &n); err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("vf0 in %s has no counter %s", ns, name)
	return 0
}

// files are what is served: odd sizes about the length of a record, and a long one.
func files(t *testing.T) (dir string, contents map[string][]byte) {
	t.Helper()
	dir, contents = t.TempDir(), map[string][]byte{}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 16383, 16385, 1000003} {
		b := make([]byte, size)
		if _, err := rand.Read(b); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint(size)
		contents[name] = b
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, contents
}

func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: other bytes: %d for %d", what, len(got), len(want))
	}
}
