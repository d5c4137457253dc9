// SPDX-License-Identifier: Apache-2.0

package report

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/crypto/ipsec"
)

func TestIPsecIsPrintedOneSAALine(t *testing.T) {
	p := IPsec{States: []ipsec.State{
		{
			Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"), Proto: "esp", SPI: 0xc0ffee, Mode: ipsec.Transport, Direction: "out",
			Encryption: &ipsec.Algorithm{Name: "rfc4106(gcm(aes))", Bits: 256, ICV: 128}, ESN: true, ReplayWindow: 128,
			Offload: ipsec.OffloadState{Mode: ipsec.Crypto, Index: 4, Netdev: "p0"}, Bytes: 12345, Packets: 67,
			Limits: ipsec.Limits{SoftPackets: 10, HardPackets: 20, HardSeconds: 3600},
		},
		{
			Src: netip.MustParseAddr("fd00::2"), Dst: netip.MustParseAddr("fd00::1"), Proto: "ah", SPI: 1, Mode: ipsec.Tunnel,
			Authentication: &ipsec.Algorithm{Name: "hmac(sha256)", Bits: 256, ICV: 128}, ReplayWindow: 32,
			Offload: ipsec.OffloadState{Mode: ipsec.Packet, Index: 9}, Failures: ipsec.Failures{Integrity: 2, Window: 1},
			Encapsulation: &ipsec.Encapsulation{Type: "espinudp"},
		},
	}}
	var b strings.Builder
	if err := p.Print(&b); err != nil {
		t.Fatal(err)
	}
	want := `SRC        DST        SPI         MODE                DIR  ALGORITHM              ESN  WINDOW  OFFLOAD                     BYTES  PACKETS  FAILED           LIMITS
192.0.2.1  192.0.2.2  0x00c0ffee  transport           out  rfc4106(gcm(aes)) 256  yes  128     crypto on p0                12345  67       -                10/20 packets, -/3600 s
fd00::2    fd00::1    0x00000001  ah tunnel espinudp  -    hmac(sha256) 256       no   32      packet on netdev 9 elsewhere  0      0        2 ICV, 1 window  -
`
	if d := cmp.Diff(strings.Fields(want), strings.Fields(b.String())); d != "" {
		t.Errorf("want -, got +:\n%s\n%s", d, b.String())
	}
	lines := strings.Split(b.String(), "\n")
	if i := strings.Index(lines[0], "OFFLOAD"); !strings.HasPrefix(lines[1][i:], "crypto on p0") || !strings.HasPrefix(lines[2][i:], "packet on") {
		t.Errorf("the columns do not line up:\n%s", b.String())
	}
	b.Reset()
	if err := (IPsec{}).Print(&b); err != nil || b.String() != "no IPsec SAs in this network namespace\n" {
		t.Errorf("%v: %q", err, b.String())
	}
}
