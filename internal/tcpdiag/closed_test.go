// SPDX-License-Identifier: Apache-2.0

package tcpdiag

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

func closedMessage(t testing.TB, size int) []byte {
	t.Helper()
	info := unix.TCPInfo{Bytes_sent: 5000, Bytes_retrans: 1000, Bytes_received: 300, Segs_out: 12, Total_retrans: 2}
	ae := netlink.NewAttributeEncoder()
	ae.Bytes(diagInfo, unsafe.Slice((*byte)(unsafe.Pointer(&info)), unsafe.Sizeof(info))[:size])
	b, err := ae.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return append(socket(unix.AF_INET), b...)
}

func TestAConnectionThatEnded(t *testing.T) {
	want := Connection{netip.MustParseAddrPort("192.0.2.1:443"), netip.MustParseAddrPort("198.51.100.2:40000"), 4000, 300, 12, 2}
	if got, ok := parseClosed(closedMessage(t, int(unsafe.Sizeof(unix.TCPInfo{})))); !ok || got != want {
		t.Errorf("%+v, %v", got, ok)
	}
	for name, m := range map[string][]byte{"nothing": nil, "no figures": socket(unix.AF_INET), "of an old kernel": closedMessage(t, offSent)} {
		if got, ok := parseClosed(m); ok {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func FuzzClosed(f *testing.F) {
	f.Add(closedMessage(f, offSent+16))
	f.Fuzz(func(t *testing.T, m []byte) {
		if c, ok := parseClosed(m); ok && len(m) < diagMsgSize {
			t.Errorf("%+v of %d bytes", c, len(m))
		}
	})
}

// The kernel tells what a real connection sent. Only root is told.
func TestTheKernelTellsWhatEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write(make([]byte, 12_345))
			_ = c.Close()
		}
	}()
	connect := func() {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
		if err != nil {
			return // the test has ended
		}
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	}
	// One after the other until one is told: what ended before the subscription is not.
	go func() {
		for ctx.Err() == nil {
			connect()
		}
	}()
	var got Connection
	if _, err := Closed(ctx, func(c Connection) {
		if c.Local.Port() == port && got.Sent == 0 {
			got = c
			cancel()
		}
	}); errors.Is(err, unix.EPERM) {
		t.Skip("only root is told")
	} else if err != nil {
		t.Fatal(err)
	}
	if got.Sent != 12_345 || got.Segments == 0 {
		t.Errorf("%+v", got)
	}
}
