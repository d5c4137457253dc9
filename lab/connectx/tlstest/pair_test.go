// SPDX-License-Identifier: Apache-2.0

// Package tlstest has the scenarios of the kernel's TLS self-test that apply
// to device offload, over a pair of VFs of the emulated card. It sets keys on
// plain TCP sockets by itself and uses nothing of nicwright.
package tlstest

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
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

// of include/uapi/linux/tls.h and include/linux/socket.h
const (
	solTLS           = 282
	tlsTX, tlsRX     = 1, 2
	tlsSetRecordType = 1
	tlsGetRecordType = 2
	version12        = 0x0303
	gcm128, gcm256   = 51, 52
)

const pf = "/sys/bus/pci/devices/0001:3b:00.0"

func ip(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

var vfs sync.Once

// namespaces puts two VFs into the namespaces a (10.7.0.1) and b (10.7.0.2),
// with TLS offload on in both directions.
func namespaces(t *testing.T) {
	t.Helper()
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test")
	}
	vfs.Do(func() {
		pfs, err := os.ReadDir(pf + "/net")
		if err != nil || len(pfs) == 0 {
			t.Fatalf("the card's netdev: %v", err)
		}
		ip(t, "link", "set", pfs[0].Name(), "up")
		if err := os.WriteFile(pf+"/sriov_numvfs", []byte("2"), 0); err != nil {
			t.Fatal(err)
		}
		for i, ns := range []string{"a", "b"} {
			found, err := filepath.Glob(fmt.Sprintf("%s/virtfn%d/net/*", pf, i))
			if err != nil || len(found) != 1 {
				t.Fatalf("the netdev of VF %d: %v, %v", i, found, err)
			}
			ip(t, "netns", "add", ns)
			ip(t, "link", "set", filepath.Base(found[0]), "netns", ns, "name", "vf0")
			ip(t, "-n", ns, "addr", "add", fmt.Sprintf("10.7.0.%d/24", i+1), "dev", "vf0")
			ip(t, "-n", ns, "link", "set", "vf0", "up")
			ip(t, "netns", "exec", ns, "ethtool", "-K", "vf0", "tls-hw-tx-offload", "on", "tls-hw-rx-offload", "on")
		}
		ip(t, "netns", "exec", "a", "ping", "-c", "3", "-w", "20", "-q", "10.7.0.2")
	})
}

// in runs f on a thread of the namespace.
func in[T any](t *testing.T, ns string, f func() (T, error)) T {
	t.Helper()
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
	if r.err != nil {
		t.Fatalf("in namespace %s: %v", ns, r.err)
	}
	return r.v
}

func listen() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{10, 7, 0, 1}})
	}
	if err == nil {
		err = unix.Listen(fd, 4)
	}
	return fd, err
}

// tcp returns a TCP connection from b to a.
func tcp(t *testing.T) (a, b int) {
	t.Helper()
	namespaces(t)
	l := in(t, "a", listen)
	defer func() { _ = unix.Close(l) }()
	addr, err := unix.Getsockname(l)
	if err != nil {
		t.Fatal(err)
	}
	b = in(t, "b", func() (int, error) {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(fd, addr)
		}
		return fd, err
	})
	if a, _, err = unix.Accept4(l, unix.SOCK_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	for _, fd := range []int{a, b} {
		t.Cleanup(func() { _ = unix.Close(fd) })
		// No SO_RCVTIMEO: with it Go's own signals interrupt calls. What hangs meets the test's time limit.
		if err := unix.SetsockoptString(fd, unix.SOL_TCP, unix.TCP_ULP, "tls"); err != nil {
			t.Fatal(err)
		}
	}
	return a, b
}

// info is a tls12_crypto_info_aes_gcm_128 or _256 with random keys.
func info(cipher uint16) string {
	n := 8 + 16 + 4
	if cipher == gcm256 {
		n += 16
	}
	b := make([]byte, 4+n+8)
	binary.NativeEndian.PutUint16(b, version12)
	binary.NativeEndian.PutUint16(b[2:], cipher)
	_, _ = rand.Read(b[4 : 4+n])
	return string(b)
}

func setKey(t *testing.T, fd, direction int, key string) {
	t.Helper()
	if err := unix.SetsockoptString(fd, solTLS, direction, key); err != nil {
		t.Fatalf("key for direction %d: %v", direction, err)
	}
}

// counter is one of /proc/net/tls_stat.
func counter(t *testing.T, ns, name string) int {
	t.Helper()
	var v int
	for line := range strings.Lines(ip(t, "netns", "exec", ns, "cat", "/proc/net/tls_stat")) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			if _, err := fmt.Sscan(f[1], &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("tls_stat has no %s", name)
	return 0
}

// pair returns two ends with TLS 1.2 in both directions, all of it the card's.
func pair(t *testing.T, cipher uint16) (a, b int) {
	t.Helper()
	a, b = tcp(t)
	names := []string{"TlsTxDevice", "TlsRxDevice"}
	before := map[string]int{}
	for _, ns := range []string{"a", "b"} {
		for _, n := range names {
			before[ns+n] = counter(t, ns, n)
		}
	}
	ab, ba := info(cipher), info(cipher)
	setKey(t, a, tlsTX, ab)
	setKey(t, b, tlsRX, ab)
	setKey(t, b, tlsTX, ba)
	setKey(t, a, tlsRX, ba)
	for _, ns := range []string{"a", "b"} {
		for _, n := range names {
			if got := counter(t, ns, n); got != before[ns+n]+1 {
				t.Fatalf("%s in %s is %d after %d: the card has not taken the connection", n, ns, got, before[ns+n])
			}
		}
	}
	return a, b
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func send(t *testing.T, fd int, b []byte, flags int) {
	t.Helper()
	for len(b) > 0 {
		n, err := unix.SendmsgN(fd, b, nil, nil, flags)
		if err != nil {
			t.Fatalf("send: %v", err)
		}
		b = b[n:]
	}
}

func recv(t *testing.T, fd, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	for got := 0; got < n; {
		k, _, err := unix.Recvfrom(fd, b[got:], 0)
		if err != nil || k == 0 {
			t.Fatalf("receive after %d of %d bytes: %d, %v", got, n, k, err)
		}
		got += k
	}
	return b
}

func same(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("other bytes: %d for %d", len(got), len(want))
	}
}

// eventually waits, for what the other side does has no event on this one.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("%s does not happen", what)
}
