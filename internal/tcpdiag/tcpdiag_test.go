// SPDX-License-Identifier: Apache-2.0

package tcpdiag

import (
	"encoding/binary"
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
	return append(make([]byte, diagMsgSize), attrs...)
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
		"software, card":      {m: message(t, 232, confs(2, 3)), want: Session{Sent: 1000, Received: 2000, TxSoftware: true}, is: true},
		"card, software":      {m: message(t, 232, confs(3, 2)), want: Session{Sent: 1000, Received: 2000, RxSoftware: true}, is: true},
		"one direction alone": {m: message(t, 232, confs(2, 1)), want: Session{Sent: 1000, Received: 2000, TxSoftware: true}, is: true},
		"an old kernel":       {m: message(t, 192, confs(2, 2)), want: Session{Received: 2000, TxSoftware: true, RxSoftware: true}, is: true},
		"cut short":           {m: make([]byte, diagMsgSize-1), bad: true},
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
