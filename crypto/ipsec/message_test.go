// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

var testKey = bytes.Repeat([]byte{0xa5}, 36)

func testSA(t testing.TB, p Params, in bool) *sa {
	t.Helper()
	if err := p.check(); err != nil {
		t.Fatal(err)
	}
	s := &sa{src: p.Local, dst: p.Remote, spi: 0x1234, reqID: ReqIDMark<<16 | 7, in: in, key: testKey, params: &p}
	if in {
		s.src, s.dst = s.dst, s.src
	}
	return s
}

// What is asked for and what is listed are the same structures, so one has to
// read the other.
func TestWhatIsSentReadsBack(t *testing.T) {
	aes := &Algorithm{Name: aead, Bits: 256, ICV: 128}
	low6, high6 := netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
	for _, c := range []struct {
		name string
		p    Params
		in   bool
		want State
	}{
		{
			name: "out, transport, software",
			p:    Params{Local: low, Remote: high},
			want: State{Src: low, Dst: high, Encryption: aes},
		},
		{
			name: "in, IPv6 tunnel, ESN, packet offload, limits",
			p: Params{
				Local: low6, Remote: high6, Mode: Tunnel, Offload: Packet, Netdev: 7, ESN: true, ReplayWindow: 256,
				Limits: Limits{SoftPackets: 10, HardPackets: 1 << 33, SoftBytes: 3, HardBytes: 4, SoftSeconds: 5, HardSeconds: 6, SoftUseSeconds: 7, HardUseSeconds: 8},
			},
			in: true,
			want: State{
				Src: high6, Dst: low6, Mode: Tunnel, Direction: "in", ESN: true, ReplayWindow: 256, Encryption: aes,
				Offload: OffloadState{Mode: Packet, Index: 7},
				Limits:  Limits{SoftPackets: 10, HardPackets: 1 << 33, SoftBytes: 3, HardBytes: 4, SoftSeconds: 5, HardSeconds: 6, SoftUseSeconds: 7, HardUseSeconds: 8},
			},
		},
		{
			name: "out, ESN, crypto offload",
			p:    Params{Local: high, Remote: low, Offload: Crypto, Netdev: 1 << 20, ESN: true},
			want: State{
				Src: high, Dst: low, Direction: "out", ESN: true, ReplayWindow: DefaultReplayWindow, Encryption: aes,
				Offload: OffloadState{Mode: Crypto, Index: 1 << 20},
			},
		},
		{
			name: "in, a window that is no multiple of 32, IPv4 in IPv6's clothes",
			p:    Params{Local: netip.AddrFrom16(low.As16()), Remote: high, ReplayWindow: 33},
			in:   true,
			want: State{Src: high, Dst: low, ReplayWindow: 33, Encryption: aes},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := testSA(t, c.p, c.in)
			b, err := s.newSA()
			if err != nil {
				t.Fatal(err)
			}
			got, err := parseState(b)
			if err != nil {
				t.Fatal(err)
			}
			c.want.Proto, c.want.SPI, c.want.ReqID, c.want.Ours = esp, 0x1234, ReqIDMark<<16|7, true
			if d := cmp.Diff(c.want, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
				t.Errorf("want -, got +:\n%s", d)
			}
			text, err := json.Marshal(got)
			if err != nil || bytes.Contains(text, []byte("a5a5")) || !bytes.Contains(text, []byte(`"spi":"0x00001234"`)) {
				t.Errorf("%v: %s", err, text)
			}

			if b, err = s.newPolicy(); err != nil {
				t.Fatal(err)
			}
			p, err := parsePolicy(b)
			if err != nil {
				t.Fatal(err)
			}
			tmpl := Template{Proto: esp, ReqID: s.reqID, Mode: c.p.Mode}
			if c.p.Mode == Tunnel {
				tmpl.Src, tmpl.Dst = s.src, s.dst
			}
			want := Policy{
				Src: netip.PrefixFrom(s.src, s.src.BitLen()), Dst: netip.PrefixFrom(s.dst, s.dst.BitLen()),
				Direction: policyDirections[s.direction()], Ours: true, Templates: []Template{tmpl},
			}
			if c.p.Offload == Packet {
				want.Offload = OffloadState{Mode: Packet, Index: c.p.Netdev}
			}
			if d := cmp.Diff(want, p, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.IgnoreUnexported(Policy{})); d != "" {
				t.Errorf("policy: want -, got +:\n%s", d)
			}
		})
	}
}

// What IKE daemons set up and Add does not.
func TestStatesOfOthers(t *testing.T) {
	alg := func(name string, bits int, more ...byte) []byte {
		b := make([]byte, algoName, algoName+8)
		copy(b, name)
		b = native.AppendUint32(b, uint32(bits))
		return append(append(b, more...), make([]byte, bits/8)...)
	}
	trunc := native.AppendUint32(nil, 128)
	header := nl.XfrmUsersaInfo{
		Id: nl.XfrmId{Proto: unix.IPPROTO_ESP, Spi: hton(1)}, Family: unix.AF_INET, Mode: 4, ReplayWindow: 32, Reqid: 1,
		Stats: nl.XfrmStats{ReplayWindow: 1, Replay: 2, IntegrityFailed: 3}, Curlft: nl.XfrmLifetimeCur{Bytes: 4, Packets: 5, AddTime: 6, UseTime: 7},
	}
	b, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: nl.XFRMA_ALG_AUTH_TRUNC, Data: alg("hmac(sha256)", 256, trunc...)},
		{Type: nl.XFRMA_ALG_AUTH, Data: alg("hmac(sha256)", 256)},
		{Type: nl.XFRMA_ALG_CRYPT, Data: alg("cbc(aes)", 192)},
		{Type: nl.XFRMA_ENCAP, Data: append(native.AppendUint16(nil, unix.UDP_ENCAP_ESPINUDP), 0x11, 0x94, 0x11, 0x95, 0, 0)},
		{Type: nl.XFRMA_MARK, Data: native.AppendUint32(native.AppendUint32(nil, 8), 9)},
		{Type: nl.XFRMA_IF_ID, Data: native.AppendUint32(nil, 10)},
		{Type: nl.XFRMA_SA_DIR, Data: []byte{dirOut}},
		{Type: nl.XFRMA_REPLAY_VAL, Data: native.AppendUint32(native.AppendUint32(native.AppendUint32(nil, 11), 12), 0)},
		{Type: 999, Data: []byte{1, 2, 3}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseState(append(header.Serialize(), b...))
	if err != nil {
		t.Fatal(err)
	}
	any4 := netip.AddrFrom4([4]byte{})
	want := State{
		Src: any4, Dst: any4, Proto: esp, SPI: 1, Mode: 4, Direction: "out", ReqID: 1,
		Encryption: &Algorithm{Name: "cbc(aes)", Bits: 192}, Authentication: &Algorithm{Name: "hmac(sha256)", Bits: 256, ICV: 128},
		Encapsulation: &Encapsulation{Type: "espinudp", SrcPort: 4500, DstPort: 4501},
		ReplayWindow:  32, Bytes: 4, Packets: 5, Sent: 11, Received: 12, Failures: Failures{1, 2, 3}, Added: 6, Used: 7,
		Mark: &Mark{8, 9}, IfID: 10,
	}
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Errorf("want -, got +:\n%s", d)
	}
	if got.Mode.String() != "beet" || Mode(77).String() != "mode 77" || Offload(9).String() != "offload 9" {
		t.Errorf("%v", got.Mode)
	}
}

func TestAddRefusesNonsense(t *testing.T) {
	v6 := netip.MustParseAddr("fe80::1")
	for want, p := range map[string]Params{
		"two IPv4 or two IPv6":   {Local: low, Remote: v6},
		"without zones":          {Local: v6.WithZone("eth0"), Remote: netip.MustParseAddr("fe80::2%eth0")},
		"different addresses":    {Local: low, Remote: low},
		"only transport and":     {Local: low, Remote: high, Mode: 4},
		"none, crypto or packet": {Local: low, Remote: high, Offload: 3},
		"no netdev is named":     {Local: low, Remote: high, Offload: Packet},
		"it is 1 to 4096":        {Local: low, Remote: high, ReplayWindow: 4097},
		"invalid IP":             {},
	} {
		if _, err := Add(t.Context(), p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", p, err, want)
		}
	}
}

func TestParseStat(t *testing.T) {
	got, err := parseStat("XfrmInError             \t0\nXfrmInStateSeqError     \t12\n")
	if d := cmp.Diff(map[string]uint64{"XfrmInError": 0, "XfrmInStateSeqError": 12}, got); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
	for _, bad := range []string{"one\n", "a b\n", "a -1\n", "a 1 2\n"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range []Params{{Local: low, Remote: high, ESN: true, Offload: Crypto, Netdev: 3}, {Local: low, Remote: high, Mode: Tunnel, Offload: Packet, Netdev: 3}} {
		s := testSA(f, p, true)
		for _, encode := range []func() ([]byte, error){s.newSA, s.newPolicy} {
			b, err := encode()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
			f.Add(b[:len(b)-1])
			f.Add(b[:nl.SizeofXfrmUserpolicyInfo-1])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseState(b); err == nil {
			if _, err := json.Marshal(s); err != nil {
				t.Errorf("%+v: %v", s, err)
			}
		}
		if p, err := parsePolicy(b); err == nil {
			if _, err := json.Marshal(p); err != nil {
				t.Errorf("%+v: %v", p, err)
			}
		} else if len(b) < nl.SizeofXfrmUserpolicyInfo && !errors.Is(err, errShort) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	})
}
