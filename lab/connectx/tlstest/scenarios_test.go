// SPDX-License-Identifier: Apache-2.0

package tlstest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// each runs a scenario with both ciphers.
func each(t *testing.T, f func(t *testing.T, a, b int)) {
	t.Helper()
	for name, cipher := range map[string]uint16{"aes-gcm-128": gcm128, "aes-gcm-256": gcm256} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, cipher)
			f(t, a, b)
			for _, ns := range []string{"a", "b"} {
				if n := counter(t, ns, "TlsDecryptError"); n != decryptErrors[ns] {
					t.Errorf("TlsDecryptError in %s: %d", ns, n)
				}
			}
		})
	}
}

// decryptErrors are those that a scenario has made on purpose.
var decryptErrors = map[string]int{}

func TestSizes(t *testing.T) {
	each(t, func(t *testing.T, a, b int) {
		for _, n := range []int{1, 2, 15, 16, 17, 1000, 1447, 1448, 1449, 16383, 16384, 16385, 40000, 200001} {
			data := random(n)
			done := make(chan struct{})
			go func() { defer close(done); send(t, a, data, 0) }()
			same(t, recv(t, b, n), data)
			<-done
			send(t, b, data[:min(n, 5000)], 0)
			same(t, recv(t, a, min(n, 5000)), data[:min(n, 5000)])
		}
	})
}

func TestManySendsOneReceive(t *testing.T) {
	each(t, func(t *testing.T, a, b int) {
		data := random(5000)
		for i := 0; i < len(data); i += 7 {
			send(t, a, data[i:min(i+7, len(data))], 0)
		}
		same(t, recv(t, b, len(data)), data)
	})
}

func TestPartialReceive(t *testing.T) {
	each(t, func(t *testing.T, a, b int) {
		data := random(20000)
		send(t, a, data, 0)
		var got []byte
		for i := 0; len(got) < len(data); i++ {
			got = append(got, recv(t, b, min(1+i*13%977, len(data)-len(got)))...)
		}
		same(t, got, data)
	})
}

func TestPeek(t *testing.T) {
	each(t, func(t *testing.T, a, b int) {
		data := random(3000)
		send(t, a, data, 0)
		for range 3 {
			p := make([]byte, len(data))
			n, _, err := unix.Recvfrom(b, p, unix.MSG_PEEK)
			if err != nil {
				t.Fatal(err)
			}
			same(t, p[:n], data[:n])
		}
		same(t, recv(t, b, len(data)), data)
	})
}

func TestMore(t *testing.T) {
	each(t, func(t *testing.T, a, b int) {
		data := random(1000)
		for i := 0; i < 900; i += 100 {
			send(t, a, data[i:i+100], unix.MSG_MORE)
		}
		// The record is open: nothing of it is sent.
		if n, _, err := unix.Recvfrom(b, make([]byte, 10), unix.MSG_DONTWAIT); !errors.Is(err, unix.EAGAIN) {
			t.Fatalf("received %d bytes of an open record, %v", n, err)
		}
		send(t, a, data[900:], 0)
		same(t, recv(t, b, len(data)), data)
		// A full record does not wait for more.
		big := random(16384 + 10)
		send(t, a, big, unix.MSG_MORE)
		same(t, recv(t, b, 16384), big[:16384])
		send(t, a, data[:1], 0)
		same(t, recv(t, b, 11), append(append([]byte{}, big[16384:]...), data[0]))
	})
}

func file(t *testing.T, data []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func sendfile(t *testing.T, fd int, f *os.File, n int) {
	t.Helper()
	for n > 0 {
		k, err := unix.Sendfile(fd, int(f.Fd()), nil, n)
		if err != nil || k == 0 {
			t.Fatalf("sendfile: %d, %v", k, err)
		}
		n -= k
	}
}

func TestSendfile(t *testing.T) {
	each(t, func(t *testing.T, a, b int) {
		data := random(1_000_003)
		f := file(t, data)
		done := make(chan struct{})
		go func() {
			defer close(done)
			// Odd pieces, with sends between them.
			for at, n := 0, 1; at < len(data); n = n*3 + 1 {
				n = min(n, len(data)-at)
				sendfile(t, a, f, n)
				at += n
				send(t, a, []byte("between"), 0)
			}
		}()
		for at, n := 0, 1; at < len(data); n = n*3 + 1 {
			n = min(n, len(data)-at)
			same(t, recv(t, b, n), data[at:at+n])
			same(t, recv(t, b, 7), []byte("between"))
			at += n
		}
		<-done
	})
}

func pipe(t *testing.T) (r, w int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(p[0]); _ = unix.Close(p[1]) })
	return p[0], p[1]
}

func TestSplice(t *testing.T) {
	each(t, func(t *testing.T, a, b int) {
		data := random(16000)
		r, w := pipe(t)
		if _, err := unix.Write(w, data); err != nil {
			t.Fatal(err)
		}
		for sent := 0; sent < len(data); {
			n, err := unix.Splice(r, nil, a, nil, len(data)-sent, 0)
			if err != nil || n == 0 {
				t.Fatalf("splice to the socket: %d, %v", n, err)
			}
			sent += int(n)
		}
		same(t, recv(t, b, len(data)), data)

		send(t, b, data, 0)
		var got []byte
		for len(got) < len(data) {
			n, err := unix.Splice(a, nil, w, nil, len(data)-len(got), 0)
			if err != nil || n == 0 {
				t.Fatalf("splice from the socket: %d, %v", n, err)
			}
			part := make([]byte, n)
			if _, err := unix.Read(r, part); err != nil {
				t.Fatal(err)
			}
			got = append(got, part...)
		}
		same(t, got, data)
	})
}

// cmsg is a control message for the TLS layer.
func cmsg(typ int, data []byte) []byte {
	b := make([]byte, unix.CmsgSpace(len(data)))
	h := (*unix.Cmsghdr)(ptr(b))
	h.Level, h.Type = solTLS, int32(typ)
	h.SetLen(unix.CmsgLen(len(data)))
	copy(b[unix.CmsgLen(0):], data)
	return b
}

func TestControlRecord(t *testing.T) {
	each(t, func(t *testing.T, a, b int) {
		send(t, a, []byte("before"), 0)
		if _, err := unix.SendmsgN(a, []byte{1, 0}, cmsg(tlsSetRecordType, []byte{21}), nil, 0); err != nil {
			t.Fatalf("send an alert: %v", err)
		}
		send(t, a, []byte("after"), 0)
		same(t, recv(t, b, 6), []byte("before"))
		// Without room for its type a record that is no data is not given out.
		if n, _, err := unix.Recvfrom(b, make([]byte, 10), 0); !errors.Is(err, unix.EIO) {
			t.Fatalf("received %d bytes of an alert as data, %v", n, err)
		}
		p, oob := make([]byte, 100), make([]byte, 100)
		n, on, _, _, err := unix.Recvmsg(b, p, oob, 0)
		if err != nil {
			t.Fatalf("receive an alert: %v", err)
		}
		ms, err := unix.ParseSocketControlMessage(oob[:on])
		if err != nil || len(ms) != 1 || ms[0].Header.Level != solTLS || ms[0].Header.Type != tlsGetRecordType || ms[0].Data[0] != 21 {
			t.Fatalf("type of the alert: %v, %v", ms, err)
		}
		same(t, p[:n], []byte{1, 0})
		same(t, recv(t, b, 5), []byte("after"))
	})
}

func TestBadControl(t *testing.T) {
	each(t, func(t *testing.T, a, b int) {
		for name, oob := range map[string][]byte{
			"unknown type": cmsg(99, []byte{21}),
			"no type":      cmsg(tlsSetRecordType, nil),
		} {
			if _, err := unix.SendmsgN(a, []byte("x"), oob, nil, 0); !errors.Is(err, unix.EINVAL) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := unix.SendmsgN(a, []byte("x"), cmsg(tlsSetRecordType, []byte{21}), nil, unix.MSG_MORE); !errors.Is(err, unix.EINVAL) {
			t.Errorf("a control record with MSG_MORE: %v", err)
		}
		send(t, a, []byte("still alive"), 0)
		same(t, recv(t, b, 11), []byte("still alive"))
	})
}

func TestRekeyRefused(t *testing.T) {
	each(t, func(t *testing.T, a, b int) {
		for _, direction := range []int{tlsTX, tlsRX} {
			if err := unix.SetsockoptString(a, solTLS, direction, info(gcm128)); !errors.Is(err, unix.EBUSY) {
				t.Errorf("another key for direction %d on TLS 1.2: %v", direction, err)
			}
		}
		send(t, a, []byte("old key"), 0)
		same(t, recv(t, b, 7), []byte("old key"))
	})
}

func TestVectors(t *testing.T) {
	each(t, func(t *testing.T, a, b int) {
		var parts [][]byte
		var data []byte
		for i := range 64 {
			parts = append(parts, random(1+i*i%301))
			data = append(data, parts[i]...)
		}
		if n, err := unix.SendmsgBuffers(a, parts, nil, nil, 0); err != nil || n != len(data) {
			t.Fatalf("sendmsg of 64 parts: %d of %d, %v", n, len(data), err)
		}
		same(t, recv(t, b, len(data)), data)
	})
}

func TestBothWaysAtOnce(t *testing.T) {
	each(t, func(t *testing.T, a, b int) {
		x, y := random(700_000), random(700_000)
		var wg sync.WaitGroup
		for _, f := range []func(){
			func() { send(t, a, x, 0) }, func() { same(t, recv(t, b, len(x)), x) },
			func() { send(t, b, y, 0) }, func() { same(t, recv(t, a, len(y)), y) },
		} {
			wg.Go(f)
		}
		wg.Wait()
	})
}

func TestNonBlocking(t *testing.T) {
	each(t, func(t *testing.T, a, b int) {
		if _, _, err := unix.Recvfrom(b, make([]byte, 1), unix.MSG_DONTWAIT); !errors.Is(err, unix.EAGAIN) {
			t.Fatalf("nothing to receive: %v", err)
		}
		// Sent until the buffers are full, then received: what was taken arrives.
		data := random(50_000)
		var taken []byte
		for range 200 {
			n, err := unix.SendmsgN(a, data, nil, nil, unix.MSG_DONTWAIT)
			if errors.Is(err, unix.EAGAIN) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			taken = append(taken, data[:n]...)
		}
		if len(taken) == 200*len(data) {
			t.Fatal("the buffers are never full")
		}
		done := make(chan struct{})
		go func() { defer close(done); send(t, a, []byte("end"), 0) }()
		same(t, recv(t, b, len(taken)), taken)
		same(t, recv(t, b, 3), []byte("end"))
		<-done
	})
}

func TestPoll(t *testing.T) {
	each(t, func(t *testing.T, a, b int) {
		p := []unix.PollFd{{Fd: int32(b), Events: unix.POLLIN}}
		if n, err := unix.Poll(p, 0); err != nil || n != 0 {
			t.Fatalf("readable without data: %d, %v", n, err)
		}
		send(t, a, []byte("x"), 0)
		eventually(t, "readable with data", func() bool {
			n, err := unix.Poll(p, 0)
			return err == nil && n == 1
		})
		same(t, recv(t, b, 1), []byte("x"))
	})
}

func TestShutdown(t *testing.T) {
	each(t, func(t *testing.T, a, b int) {
		data := random(30000)
		send(t, a, data, 0)
		if err := unix.Shutdown(a, unix.SHUT_WR); err != nil {
			t.Fatal(err)
		}
		same(t, recv(t, b, len(data)), data)
		if n, _, err := unix.Recvfrom(b, make([]byte, 1), 0); n != 0 || err != nil {
			t.Fatalf("after the end: %d, %v", n, err)
		}
		send(t, b, data[:100], 0)
		same(t, recv(t, a, 100), data[:100])
	})
}

func TestInfo(t *testing.T) {
	a, b := tcp(t)
	key := info(gcm128)
	setKey(t, a, tlsTX, key)
	setKey(t, b, tlsRX, key)
	got := make([]byte, len(key))
	if err := getsockopt(a, solTLS, tlsTX, got); err != nil {
		t.Fatal(err)
	}
	if string(got[:4]) != key[:4] || string(got[12:28]) != key[12:28] {
		t.Error("getsockopt gives back another version, cipher or key")
	}
}

func TestRefusedKeys(t *testing.T) {
	a, _ := tcp(t)
	bad := []byte(info(gcm128))
	bad[0], bad[1] = 0x02, 0x03 // TLS 1.1
	for name, key := range map[string]string{"TLS 1.1": string(bad), "cipher 0": string(append([]byte{3, 3, 0, 0}, bad[4:]...)), "too short": string(bad[:10])} {
		if err := unix.SetsockoptString(a, solTLS, tlsTX, key); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// The receiver has another key: the card does not decrypt, the kernel tries
// and says so.
func TestWrongKey(t *testing.T) {
	a, b := tcp(t)
	setKey(t, a, tlsTX, info(gcm128))
	setKey(t, b, tlsRX, info(gcm128))
	send(t, a, []byte("for somebody else"), 0)
	if n, _, err := unix.Recvfrom(b, make([]byte, 100), 0); !errors.Is(err, unix.EBADMSG) {
		t.Fatalf("received %d bytes with a wrong key, %v", n, err)
	}
	eventually(t, "TlsDecryptError", func() bool { return counter(t, "b", "TlsDecryptError") > decryptErrors["b"] })
	decryptErrors["b"] = counter(t, "b", "TlsDecryptError")
}

// One connection after another, more than the driver keeps contexts for.
func TestManyConnections(t *testing.T) {
	namespaces(t)
	for i := range 40 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			a, b := pair(t, gcm128)
			data := random(1000 + i)
			send(t, a, data, 0)
			same(t, recv(t, b, len(data)), data)
		})
	}
	for _, ns := range []string{"a", "b"} {
		for _, n := range []string{"TlsCurrTxDevice", "TlsCurrRxDevice"} {
			eventually(t, n+" of "+ns+" at 0", func() bool { return counter(t, ns, n) == 0 })
		}
	}
}
