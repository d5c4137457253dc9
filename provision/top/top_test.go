// SPDX-License-Identifier: Apache-2.0

package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/probe"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/tcpdiag"
	"github.com/nicwright/nicwright/provision/facts"
	"github.com/nicwright/nicwright/provision/watch"
)

const (
	pf0 = pci.Address("0000:3b:00.0")
	pf1 = pci.Address("0000:3b:00.1")
	// ifindexes
	lo, p0, p1, bond0, v0, v1, vlan, eth = 1, 2, 3, 4, 5, 6, 7, 8
)

func ptr[T any](v T) *T { return &v }

// host has a card whose PFs are in a bond that hands TLS down, a VF on which all is
// on, one on which TLS is off, a VLAN on the bond, and another card.
func host() *Host {
	yes := probe.Told(probe.Yes("it has it"))
	on := crypto.Feature{Hardware: true, Wanted: true, Active: true}
	device := func(fn pci.Function, name string, index int) crypto.Device {
		return crypto.Device{
			Function: fn, Netdev: name, Index: index, Driver: "mlx5_core", Up: true, Carrier: true,
			Features: map[string]crypto.Feature{
				"tls-hw-tx-offload": on, "tls-hw-rx-offload": on, "rx-checksum": on, "tx-checksum-ip-generic": on,
				"esp-hw-offload": {Active: true, Fixed: true},
			},
		}
	}
	off := device(pci.VF(pf0, 1), "v1", v1)
	off.Features["tls-hw-tx-offload"], off.Features["tls-hw-rx-offload"] = crypto.Feature{Hardware: true}, crypto.Feature{Hardware: true}
	off.Features["esp-hw-offload"] = crypto.Feature{Fixed: true}
	port := func(a pci.Address, netdev string) eswitch.Port {
		return eswitch.Port{Address: a, Driver: "mlx5_core", Netdev: netdev, Mode: "legacy", EncapMode: "basic", Steering: "dmfs"}
	}
	granted := eswitch.Grant{Port: "pci/0000:3b:00.0/1", Caps: map[string]bool{"ipsec_crypto": true, "ipsec_packet": true}}
	return &Host{
		Facts: facts.Facts{
			Host: facts.Host{
				Cards: []eswitch.Card{{Model: "ConnectX-6 Dx", Ports: []eswitch.Port{port(pf0, "p0"), port(pf1, "p1")}}},
				Bonds: bond.State{Bonds: []bond.Bond{{Name: "bond0", Mode: "802.3ad", XmitHashPolicy: "layer3+4", Members: []bond.Member{{Netdev: "p0"}, {Netdev: "p1"}}}}},
			},
			Build: crypto.Build{
				Release: "6.12.0-x", Kernel: kconfig.Version{Major: 6, Minor: 12}, TLSDevice: yes, XFRMOffload: yes, PacketOffload: yes,
				DriverTLS: yes, DriverIPsec: yes, DriverTC: yes, AES256: yes,
				Modules: map[string]kconfig.ModuleState{"tls": kconfig.Loaded, "esp4_offload": kconfig.Loaded, "esp6_offload": kconfig.Loaded},
			},
			Tunnels: yes,
			Devices: []crypto.Device{device(pci.PF(pf0), "p0", p0), device(pci.PF(pf1), "p1", p1), device(pci.VF(pf0, 0), "v0", v0), off},
			Grants:  map[pci.Function]eswitch.Grant{pci.VF(pf0, 0): granted, pci.VF(pf0, 1): granted},
		},
		Sight: watch.Sight{Netdevs: map[int]watch.Netdev{
			p0: {ID: resource.OfNetdev(pci.PF(pf0)), Name: "p0", Offloads: true},
			p1: {ID: resource.OfNetdev(pci.PF(pf1)), Name: "p1"},
			v0: {ID: resource.OfNetdev(pci.VF(pf0, 0)), Name: "v0", Offloads: true},
		}},
		Links: []rtlink.Link{
			{Index: lo, Name: "lo"},
			{Index: p0, Name: "p0", Master: bond0},
			{Index: p1, Name: "p1", Master: bond0},
			{Index: bond0, Name: "bond0", Kind: "bond", Bond: &rtlink.Bond{}},
			{Index: v0, Name: "v0"},
			{Index: v1, Name: "v1"},
			{Index: vlan, Name: "bond0.100", Kind: "vlan", Lower: bond0},
			{Index: eth, Name: "eth0"},
		},
	}
}

var usual = crypto.Ask{TLSVersion: "1.2", Cipher: "AES-128-GCM"}

func TestWhyTLSIsInSoftware(t *testing.T) {
	for name, tt := range map[string]struct {
		way  way
		dir  crypto.Direction
		ask  crypto.Ask
		with func(*Host)
		want string
		mend int
	}{
		"version":        {way{index: v0}, crypto.Transmit, crypto.Ask{TLSVersion: "1.3", Cipher: "AES-128-GCM"}, nil, "v0: no mainline kernel up to 7.3 gives TLS 1.3 to a card: the kernel does it in software", 1},
		"cipher":         {way{index: v0}, crypto.Transmit, crypto.Ask{TLSVersion: "1.2", Cipher: "ChaCha20-Poly1305"}, nil, "v0: ChaCha20-Poly1305 is not for the card: it has AES-GCM only", 1},
		"switched off":   {way{index: v1}, crypto.Receive, usual, nil, "v1: tls-hw-rx-offload is off, as it is by default", 2},
		"link":           {way{index: v0}, crypto.Transmit, usual, func(h *Host) { h.Facts.Devices[2].Up = false }, "v0: v0 is down", 1},
		"context limit":  {way{index: v0}, crypto.Transmit, usual, nil, "v0: nothing is against it now: it began before that was so, or found no room in the card: 7 contexts are open; a connection past the card's limit of contexts is done in software: the limit is the firmware's and not readable", 0},
		"not counted":    {way{index: bond0}, crypto.Transmit, usual, nil, "p0: nothing is against it now: it began before that was so, or found no room in the card: a connection past the card's limit of contexts is done in software: the limit is the firmware's and not readable", 0},
		"bond's mode":    {way{index: bond0}, crypto.Transmit, usual, func(h *Host) { h.Facts.Bonds.Bonds[0].Mode = "active-backup" }, "p0: bond0 is in mode active-backup, and only 802.3ad and balance-xor hand TLS to their members", 1},
		"one member":     {way{index: bond0}, crypto.Transmit, usual, func(h *Host) { h.Facts.Devices[1].Up = false }, "p1: p1 is down", 2},
		"not told":       {way{index: v0}, crypto.Transmit, usual, func(h *Host) { h.Facts.Build.DriverTLS = probe.Told(probe.Unknown("no symbols")) }, "v0: unknown: driver: no symbols", 0},
		"no card":        {way{index: eth}, crypto.Transmit, usual, nil, "it goes by eth0, which is neither the netdev of a card's function nor a bond of such", 0},
		"VLAN":           {way{index: vlan}, crypto.Transmit, usual, nil, "it goes by bond0.100 (vlan), which is neither the netdev of a card's function nor a bond of such", 0},
		"local":          {way{index: lo, local: true}, crypto.Transmit, usual, nil, "it stays on this host, and goes through no card", 0},
		"gone":           {way{index: 99}, crypto.Transmit, usual, nil, "it goes by netdev 99, which has just come or gone", 0},
		"no route":       {way{err: errors.New("EHOSTUNREACH")}, crypto.Transmit, usual, nil, "by which netdev it goes is not known: EHOSTUNREACH", 0},
		"not looked at":  {way{index: v0}, crypto.Transmit, usual, func(h *Host) { *h = Host{} }, "not known: the host could not be looked at", 0},
		"no such module": {way{index: v0}, crypto.Transmit, usual, func(h *Host) { h.Facts.Build.Modules["tls"] = kconfig.Missing }, "v0: this kernel has no module tls: its package of modules is not installed, or CONFIG_TLS is not set", 0},
	} {
		h := host()
		if tt.with != nil {
			tt.with(h)
		}
		got := h.whyTLS(tt.way, tt.dir, tt.ask, map[int]crypto.Work{v0: {TLSOpen: map[string]uint64{"tx": 7}}})
		if got == nil || got.Text != tt.want || len(got.Mend) != tt.mend {
			t.Errorf("%s: %+v, want %q and %d that mend it", name, got, tt.want, tt.mend)
		}
	}
}

func aead(name string, icv int) *ipsec.Algorithm {
	return &ipsec.Algorithm{Name: name, Bits: 128, ICV: icv}
}

func TestWhyIPsecIsInSoftware(t *testing.T) {
	fit := ipsec.State{Proto: "esp", Encryption: aead(gcm, 128)}
	for name, tt := range map[string]struct {
		way   way
		state ipsec.State
		with  func(*Host)
		want  string
		mend  int
	}{
		"not asked for": {way{index: v0}, fit, nil, "nothing is against it on v0: whoever made the state asked for no offload, or the card refused it then", 2},
		"AH":            {way{index: v0}, ipsec.State{Proto: "ah"}, nil, "AH is not offloaded: cards take ESP", 0},
		"algorithm":     {way{index: v0}, ipsec.State{Proto: "esp", Encryption: aead("cbc(aes)", 0), Authentication: aead("hmac(sha256)", 128)}, nil, "cbc(aes) 128 + hmac(sha256) 128 is not for the card: it has rfc4106(gcm(aes)) with an ICV of 128 bits only", 0},
		"ICV":           {way{index: v0}, ipsec.State{Proto: "esp", Encryption: aead(gcm, 64)}, nil, "rfc4106(gcm(aes)) 128 is not for the card: it has rfc4106(gcm(aes)) with an ICV of 128 bits only", 0},
		"no crypto":     {way{index: v1}, fit, nil, "v1: esp-hw-offload is fixed off: the card offers IPsec not to this VF: it has no crypto, or crypto is fused off (look at the PF), or the VF was bound to its driver before it was granted", 0},
		"bond's mode":   {way{index: bond0}, fit, nil, "p0: bond0 is in mode 802.3ad, and only active-backup hands IPsec to its members: a state on bond0 is refused with ENODEV", 2},
		"no card":       {way{index: eth}, fit, nil, "it goes by eth0, which is neither the netdev of a card's function nor a bond of such", 0},
		"not told":      {way{index: v0}, fit, func(h *Host) { h.Facts.Build.DriverIPsec = probe.Told(probe.Unknown("no symbols")) }, "v0: unknown: driver: no symbols", 0},
	} {
		h := host()
		if tt.with != nil {
			tt.with(h)
		}
		got := h.whyIPsec(tt.way, tt.state)
		if got == nil || got.Text != tt.want || len(got.Mend) != tt.mend {
			t.Errorf("%s: %+v, want %q and %d that mend it", name, got, tt.want, tt.mend)
		}
	}
}

// monitor is one of a host where everything goes on; the second frame is two seconds later.
func monitor() *Monitor {
	at := netip.MustParseAddrPort
	frames := 0
	grows := func(n, by uint64) uint64 { return n + by*uint64(frames-1) }
	return &Monitor{from: sources{
		now: func() time.Time {
			frames++
			return time.Date(2026, 11, 28, 14, 3, 2*frames, 0, time.UTC)
		},
		look: func(context.Context, *Host) (*Host, error) { return host(), nil },
		sessions: func(context.Context) ([]tcpdiag.Session, error) {
			here := at("192.0.2.1:443")
			s := []tcpdiag.Session{
				{Local: here, Remote: at("198.51.100.6:40000"), Version: "1.2"}, // no key was given yet
				{Local: here, Remote: at("198.51.100.7:40001"), Version: "1.2", Cipher: "AES-128-GCM", Sent: grows(1<<30, 24e6), Received: grows(5000, 2000), Tx: tcpdiag.Card, Rx: tcpdiag.Card},
				{Local: here, Remote: at("198.51.100.8:40002"), Version: "1.3", Cipher: "AES-256-GCM", Sent: grows(1e6, 1e6), Received: grows(700, 0), Tx: tcpdiag.Kernel, Rx: tcpdiag.Kernel},
				{Local: here, Remote: at("203.0.113.9:40003"), Version: "1.2", Cipher: "AES-256-GCM", Sent: grows(1e6, 4e6), Received: 1, Tx: tcpdiag.Card, Rx: tcpdiag.Kernel},
				{Local: at("[2001:db8:1:2:3:4:5:6]:443"), Remote: at("[2001:db8:ffff:ffff:ffff:ffff:ffff:1]:65000"), Version: "1.2", Cipher: "ChaCha20-Poly1305", Sent: 0, Received: grows(9e9, 2e9), Rx: tcpdiag.Kernel},
			}
			if frames == 1 {
				return s[:4], nil
			}
			return s, nil
		},
		stat: func() (map[string]uint64, error) { return map[string]uint64{}, nil },
		states: func(context.Context) ([]ipsec.State, error) {
			a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.20")
			return []ipsec.State{
				{Src: a, Dst: b, SPI: 0x100, Proto: "esp", Mode: ipsec.Tunnel, Direction: "out", Encryption: aead(gcm, 128), Bytes: grows(1e9, 4e8), Offload: ipsec.OffloadState{Mode: ipsec.Packet, Index: v0, Netdev: "v0"}},
				{Src: b, Dst: a, SPI: 0x101, Proto: "esp", Mode: ipsec.Tunnel, Direction: "in", Encryption: aead(gcm, 128), Bytes: grows(1e9, 2e8), Offload: ipsec.OffloadState{Mode: ipsec.Crypto, Index: v0, Netdev: "v0"}},
				{Src: b, Dst: a, SPI: 0x102, Proto: "esp", Mode: ipsec.Transport, Encryption: aead("cbc(aes)", 0), Authentication: aead("hmac(sha1)", 96), Bytes: grows(100, 10)},
			}, nil
		},
		work: func(netdev string) (crypto.Work, error) {
			if netdev == "p0" {
				return crypto.Work{}, fmt.Errorf("reading the statistics of p0: %w", unix.EIO)
			}
			return crypto.Work{
				TLSOpen: map[string]uint64{"tx": 2, "rx": 1}, Resyncs: ptr(uint64(3)),
				TLSBytes: map[string]uint64{"tx": grows(1<<30, 28e6), "rx": grows(5000, 2000)}, IPsecBytes: map[string]uint64{"tx": grows(1e9, 4e8), "rx": grows(1e9, 2e8)},
			}, nil
		},
		route: func(_, to netip.Addr, _ int) (way, error) {
			switch to.String() {
			case "192.0.2.1":
				return way{index: lo, local: true}, nil
			case "198.51.100.7", "198.51.100.8", "198.51.100.20":
				return way{index: v0}, nil
			case "203.0.113.9":
				return way{index: v1}, nil
			}
			return way{index: bond0}, nil
		},
	}}
}

func TestFrames(t *testing.T) {
	m := monitor()
	first := m.Frame(t.Context())
	if first.Seconds != 0 || first.TLS[0].Tx.PerSecond != nil || len(first.Netdevs[0].TLSRate) != 0 {
		t.Errorf("the first frame has rates: %+v", first)
	}
	f := m.Frame(t.Context())
	var order []string
	for _, s := range f.TLS {
		order = append(order, fmt.Sprintf("%s %s %s/%s", s.Remote.Addr(), s.Netdev, s.Tx.By, s.Rx.By))
	}
	// Software first, of those that which moves most; what is new has no rate yet.
	if d := cmp.Diff([]string{
		"198.51.100.8 v0 software/software", "2001:db8:ffff:ffff:ffff:ffff:ffff:1 bond0 /software",
		"203.0.113.9 v1 card/software", "198.51.100.7 v0 card/card",
	}, order); d != "" {
		t.Error(d)
	}
	if r := f.TLS[0].Tx.PerSecond; r == nil || *r != 5e5 {
		t.Errorf("a megabyte in two seconds: %v", r)
	}
	want := Totals{TLSCard: 1, TLSPartly: 1, TLSSoftware: 2, IPsecPacket: 1, IPsecCrypto: 1, IPsecNone: 1}
	if f.Totals != want {
		t.Errorf("%+v, want %+v", f.Totals, want)
	}
	if len(f.Unseen) != 1 || !strings.Contains(f.Unseen[0], "statistics of p0") {
		t.Errorf("unseen: %q", f.Unseen)
	}
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "testdata/frame.json", string(text)+"\n")
}

func TestMostAreCounted(t *testing.T) {
	m := monitor()
	m.Most = 1
	m.Frame(t.Context())
	f := m.Frame(t.Context())
	if len(f.TLS) != 1 || f.Totals.TLSUnlisted != 3 || f.Totals.TLSSoftware != 2 || len(f.IPsec) != 1 || f.Totals.IPsecUnlisted != 2 {
		t.Errorf("%+v", f)
	}
}

func TestWhatIsUnseenIsTold(t *testing.T) {
	m := monitor()
	m.from.look = func(context.Context, *Host) (*Host, error) { return nil, errors.New("no netlink") }
	m.from.sessions = func(context.Context) ([]tcpdiag.Session, error) { return nil, nil }
	m.from.stat = func() (map[string]uint64, error) {
		return map[string]uint64{"TlsCurrTxDevice": 1, "TlsCurrTxSw": 2, "TlsCurrRxSw": 1}, nil
	}
	m.from.states = func(context.Context) ([]ipsec.State, error) { return nil, unix.EPERM }
	f := m.Frame(t.Context())
	want := []string{
		"why work is not in a card: no netlink",
		"TLS sessions: the kernel counts 3 and lists none: it shows them to root alone (CAP_NET_ADMIN in this network namespace)",
		"IPsec states: operation not permitted",
	}
	if d := cmp.Diff(want, f.Unseen); d != "" {
		t.Error(d)
	}
	m = monitor()
	m.from.states = func(context.Context) ([]ipsec.State, error) { return nil, unix.EPROTONOSUPPORT }
	m.from.stat = func() (map[string]uint64, error) { return nil, errors.New("unread") }
	m.from.work = func(string) (crypto.Work, error) { return crypto.Work{}, unix.ENODEV }
	if f := m.Frame(t.Context()); len(f.Unseen) != 0 || len(f.Netdevs) != 0 {
		t.Errorf("of a kernel without IPsec, and netdevs that have gone: %+v", f)
	}
}

// A look that fails later leaves what is known.
func TestALookIsKept(t *testing.T) {
	m := monitor()
	looks := 0
	m.from.look = func(_ context.Context, before *Host) (*Host, error) {
		looks++
		if looks > 1 {
			if before == nil {
				t.Error("the look before is not given")
			}
			return nil, errors.New("EINTR")
		}
		return host(), nil
	}
	for range 6 { // ten seconds
		m.Frame(t.Context())
	}
	f := m.Frame(t.Context())
	if looks != 3 || f.TLS[0].Why() == "" || len(f.Unseen) != 2 {
		t.Errorf("%d looks, %q, %q", looks, f.TLS[0].Why(), f.Unseen)
	}
}

// Why is that of the direction that has one.
func (s Session) Why() string {
	for _, d := range []Direction{s.Tx, s.Rx} {
		if d.Why != nil {
			return d.Why.Text
		}
	}
	return ""
}

// The kernel that runs this answers, with whatever it has.
func TestFrameOfThisHost(t *testing.T) {
	f := New(0).Frame(t.Context())
	for _, u := range f.Unseen {
		t.Logf("unseen: %s", u)
	}
	if f.Time.IsZero() {
		t.Error("no frame")
	}
	w, err := route(netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.1"), 0)
	if err != nil || !w.local || w.index == 0 {
		t.Errorf("the way to this host: %+v, %v", w, err)
	}
}
