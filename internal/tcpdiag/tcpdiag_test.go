// SPDX-License-Identifier: Apache-2.0

package tcpdiag

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The offsets are those of the kernel's header, as x/sys has it.
func TestOffsetsOfTCPInfo(t *testing.T) {
	var info unix.TCPInfo
	if unsafe.Offsetof(info.Bytes_received) != offReceived || unsafe.Offsetof(info.Bytes_sent) != offSent {
		t.Errorf("received at %d, sent at %d", unsafe.Offsetof(info.Bytes_received), unsafe.Offsetof(info.Bytes_sent))
	}
}

func message(t testing.TB, info int, conf func(*netlink.AttributeEncoder) error) []byte {
	t.Helper()
	ae := netlink.NewAttributeEncoder()
	b := make([]byte, info)
	if info >= offSent+8 {
		binary.NativeEndian.PutUint64(b[offSent:], 1000)
	}
	if info >= offReceived+8 {
		binary.NativeEndian.PutUint64(b[offReceived:], 2000)
	}
	ae.Bytes(diagInfo, b)
	if conf != nil {
		ae.Nested(diagULP, func(ae *netlink.AttributeEncoder) error {
			ae.String(1, "tls")
			ae.Nested(ulpTLS, conf)
			return nil
		})
	}
	attrs, err := ae.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return append(socket(unix.AF_INET), attrs...)
}

// socket is from 192.0.2.1:443 to 198.51.100.2:40000, bound to netdev 7.
func socket(family byte) []byte {
	b := make([]byte, diagMsgSize)
	b[0] = family
	binary.BigEndian.PutUint16(b[4:], 443)
	binary.BigEndian.PutUint16(b[6:], 40000)
	local, remote := []byte{192, 0, 2, 1}, []byte{198, 51, 100, 2}
	if family == unix.AF_INET6 { // of a socket that IPv4 comes to
		mapped := make([]byte, 10, 16)
		mapped = append(mapped, 0xff, 0xff)
		local, remote = append(mapped[:12:12], local...), append(mapped[:12:12], remote...)
	}
	copy(b[8:], local)
	copy(b[24:], remote)
	binary.NativeEndian.PutUint32(b[40:], 7)
	return b
}

func of(s Session) Session {
	s.Local, s.Remote, s.Bound = netip.MustParseAddrPort("192.0.2.1:443"), netip.MustParseAddrPort("198.51.100.2:40000"), 7
	return s
}

func with(conf func(*netlink.AttributeEncoder) error, version, cipher uint16) func(*netlink.AttributeEncoder) error {
	return func(ae *netlink.AttributeEncoder) error {
		ae.Uint16(tlsCipher, cipher)
		if err := conf(ae); err != nil {
			return err
		}
		ae.Uint16(tlsVersion, version) // the last counts
		return nil
	}
}

func confs(tx, rx uint16) func(*netlink.AttributeEncoder) error {
	return func(ae *netlink.AttributeEncoder) error {
		ae.Uint16(1, 0x303)
		ae.Uint16(tlsTxConf, tx)
		ae.Uint16(tlsRxConf, rx)
		return nil
	}
}

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		m    []byte
		want Session
		is   bool
		bad  bool
	}{
		"no TLS":              {m: message(t, 232, nil), want: Session{Sent: 1000, Received: 2000}},
		"software, card":      {m: message(t, 232, confs(2, 3)), want: of(Session{Version: "1.2", Sent: 1000, Received: 2000, Tx: Kernel, Rx: Card}), is: true},
		"card, software":      {m: message(t, 232, confs(3, 2)), want: of(Session{Version: "1.2", Sent: 1000, Received: 2000, Tx: Card, Rx: Kernel}), is: true},
		"one direction alone": {m: message(t, 232, confs(2, 1)), want: of(Session{Version: "1.2", Sent: 1000, Received: 2000, Tx: Kernel}), is: true},
		"all of it":           {m: message(t, 232, confs(4, 0)), want: of(Session{Version: "1.2", Sent: 1000, Received: 2000, Tx: Card}), is: true},
		"an old kernel":       {m: message(t, 192, confs(2, 2)), want: of(Session{Version: "1.2", Received: 2000, Tx: Kernel, Rx: Kernel}), is: true},
		"IPv6":                {m: append(socket(unix.AF_INET6), message(t, 8, confs(2, 2))[diagMsgSize:]...), want: of(Session{Version: "1.2", Tx: Kernel, Rx: Kernel}), is: true},
		"TLS 1.3": {
			m: message(t, 232, with(confs(2, 2), 0x304, 54)), is: true,
			want: of(Session{Version: "1.3", Cipher: "ChaCha20-Poly1305", Sent: 1000, Received: 2000, Tx: Kernel, Rx: Kernel}),
		},
		"of tomorrow": {
			m: message(t, 232, with(confs(2, 9), 0x305, 99)), is: true,
			want: of(Session{Version: "0x305", Cipher: "0x63", Sent: 1000, Received: 2000, Tx: Kernel}),
		},
		"cut short": {m: make([]byte, diagMsgSize-1), bad: true},
		"a number of another size": {m: message(t, 232, func(ae *netlink.AttributeEncoder) error {
			ae.Uint32(tlsTxConf, 2)
			return nil
		}), bad: true},
	} {
		got, is, err := parse(c.m)
		if (err != nil) != c.bad {
			t.Errorf("%s: %v", name, err)
		} else if err == nil && (got != c.want || is != c.is) {
			t.Errorf("%s: got %+v, %v", name, got, is)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(message(f, 232, confs(2, 3)))
	f.Add(message(f, 8, nil))
	f.Fuzz(func(t *testing.T, m []byte) {
		_, _, _ = parse(m)
	})
}

// The kernel that runs this answers, with whatever it has.
func TestTLSSessionsOfThisHost(t *testing.T) {
	if _, err := TLSSessions(t.Context()); err != nil {
		t.Error(err)
	}
}
