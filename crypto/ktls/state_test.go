// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/mdlayher/netlink"
)

// ulpInfo is INET_ULP_INFO of a TLS socket, as the kernel lays it out.
func ulpInfo(t testing.TB, conf func(tls *netlink.AttributeEncoder)) []byte {
	t.Helper()
	ae := netlink.NewAttributeEncoder()
	ae.Uint8(8, 1) // INET_DIAG_SHUTDOWN
	ae.Nested(inetDiagULPInfo, func(ulp *netlink.AttributeEncoder) error {
		ulp.String(1, "tls") // INET_ULP_INFO_NAME
		ulp.Nested(ulpInfoTLS, func(tls *netlink.AttributeEncoder) error { conf(tls); return nil })
		return nil
	})
	b, err := ae.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func whole(tls *netlink.AttributeEncoder) {
	tls.Uint16(tlsInfoVersion, 0x0304)
	tls.Uint16(tlsInfoCipher, 54)
	tls.Uint16(tlsInfoTxConf, 2)
	tls.Uint16(tlsInfoRxConf, 3)
	tls.Flag(5, true) // TLS_INFO_ZC_RO_TX
}

func TestParseDiag(t *testing.T) {
	got, err := parseDiag(ulpInfo(t, whole))
	if want := (State{Version: tls.VersionTLS13, Cipher: 54, Tx: Software, Rx: Hardware}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := parseDiag(ulpInfo(t, func(tls *netlink.AttributeEncoder) { tls.Uint16(tlsInfoVersion, 0x0304) })); !errors.Is(err, ErrNoState) {
		t.Errorf("without conf: %v", err)
	}
	if _, err := parseDiag(nil); !errors.Is(err, ErrNoState) {
		t.Errorf("without anything: %v", err)
	}
	for name, bad := range map[string][]byte{
		"a conf of one byte": ulpInfo(t, func(tls *netlink.AttributeEncoder) { tls.Uint8(tlsInfoTxConf, 2) }),
		"cut short":          ulpInfo(t, whole)[:20],
	} {
		if _, err := parseDiag(bad); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestModeText(t *testing.T) {
	for _, m := range []Mode{Base, Software, Hardware, HardwareRecord} {
		text, err := m.MarshalText()
		var back Mode
		if err != nil || back.UnmarshalText(text) != nil || back != m {
			t.Errorf("%v came back as %v, %v", m, back, err)
		}
	}
	var m Mode
	if err := m.UnmarshalText([]byte("soft")); err == nil || Mode(9).String() != "mode(9)" {
		t.Error("a mode that there is not was taken")
	}
}

func FuzzParseDiag(f *testing.F) {
	f.Add(ulpInfo(f, whole))
	f.Add(binary.NativeEndian.AppendUint32(nil, 4|inetDiagULPInfo<<16))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := parseDiag(data); err == nil && (s.Tx == 0 || s.Rx == 0) {
			t.Errorf("a state without a mode: %+v", s)
		}
	})
}
