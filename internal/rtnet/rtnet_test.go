// SPDX-License-Identifier: Apache-2.0

package rtnet

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

func TestParse(t *testing.T) {
	for name, c := range samples() {
		e, ok, err := parse(c.kind, c.m)
		if err != nil || ok != (c.text != "") {
			t.Errorf("%s: it is kept: %v, %v", name, ok, err)
			continue
		}
		if ok && (e.Text != c.text || e.Index != c.index || e.Daemon != c.daemon || e.Kind != c.kind || e.Family != c.m[0] || !bytes.Equal(e.Body, c.m)) {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestMessagesThatAreTooShort(t *testing.T) {
	for kind, f := range families {
		if _, _, err := parse(kind, make([]byte, f.header-1)); !errors.Is(err, errShort) {
			t.Errorf("%s: a header that is cut: %v", kind, err)
		}
		if _, _, err := parse(kind, append(make([]byte, f.header), 3, 0, 1, 0)); !errors.Is(err, errShort) {
			t.Errorf("%s: an attribute shorter than its header: %v", kind, err)
		}
		if _, err := moved(Entry{Kind: kind, Body: make([]byte, f.header-1)}, same); !errors.Is(err, errShort) {
			t.Errorf("%s: moved: %v", kind, err)
		}
	}
	if _, err := moved(Entry{Kind: "qdisc", Body: make([]byte, 64)}, same); err == nil {
		t.Error("a kind that nobody knows is moved")
	}
	if _, err := parseBridgePort(nil); !errors.Is(err, errShort) {
		t.Errorf("a bridge port of no bytes: %v", err)
	}
}

func same(i int) (int, error) { return i, nil }

// times10 moves from 7 to 70 and from 8 to 80.
func times10(i int) (int, error) { return i * 10, nil }

func TestMoved(t *testing.T) {
	dst, gateway := attr{unix.RTA_DST, ip("198.51.100.0")}, attr{unix.RTA_GATEWAY, ip("192.0.2.1")}
	cacheinfo := func(expires uint32) attr { return attr{unix.RTA_CACHEINFO, n32(0, 0, expires, 0, 0, 0, 0, 0)} }
	metrics := attr{unix.RTA_METRICS | unix.NLA_F_NESTED, appendAttribute(nil, unix.RTAX_MTU, n32(1400))}
	for name, c := range map[string]struct {
		kind    Kind
		m, want []byte
	}{
		"htb's version": {
			Qdisc,
			message(tcmsg(7, 0x10000, 0xffffffff, 2), attr{nl.TCA_KIND, []byte("htb\x00")}, attr{nl.TCA_OPTIONS, message(nil, attr{nl.TCA_HTB_INIT, n32(0x30011, 10, 0, 0, 0)})}),
			message(tcmsg(70, 0x10000, 0xffffffff, 0), attr{nl.TCA_KIND, []byte("htb\x00")}, attr{nl.TCA_OPTIONS, message(nil, attr{nl.TCA_HTB_INIT, n32(3, 10, 0, 0, 0)})}),
		},
		"a qdisc without its figures": {
			Qdisc,
			message(tcmsg(7, 0x10000, 0xffffffff, 2), attr{nl.TCA_KIND, []byte("htb\x00")}, attr{nl.TCA_OPTIONS, []byte{1}}, attr{nl.TCA_STATS, []byte{1, 2, 3, 4}}),
			message(tcmsg(70, 0x10000, 0xffffffff, 0), attr{nl.TCA_KIND, []byte("htb\x00")}, attr{nl.TCA_OPTIONS, []byte{1}}),
		},
		"it is the bridge that is asked": {
			FDB,
			message(ndmsg(unix.AF_BRIDGE, 7, unix.NUD_NOARP, ntfOffloaded), attr{unix.NDA_LLADDR, []byte{2, 0, 0, 0, 0, 1}}, attr{unix.NDA_MASTER, n32(3)}, attr{unix.NDA_CACHEINFO, n32(1, 2, 3, 4)}),
			message(ndmsg(unix.AF_BRIDGE, 70, unix.NUD_NOARP, unix.NTF_MASTER), attr{unix.NDA_LLADDR, []byte{2, 0, 0, 0, 0, 1}}),
		},
		"an address, without its state and its label": {
			Address,
			message(ifaddrmsg(inet, 24, 0x80|unix.IFA_F_TENTATIVE, 0, 7), attr{unix.IFA_LOCAL, ip("192.0.2.10")}, attr{unix.IFA_LABEL, []byte("eth0\x00")}, attr{ifaFlags, n32(0x280 | unix.IFA_F_DEPRECATED)}),
			message(ifaddrmsg(inet, 24, 0x80, 0, 70), attr{unix.IFA_LOCAL, ip("192.0.2.10")}, attr{ifaFlags, n32(0x280)}),
		},
		"an address with a name of its own": {
			Address,
			message(ifaddrmsg(inet, 24, 0x80, 0, 7), attr{unix.IFA_LABEL, []byte("eth0:1\x00")}),
			message(ifaddrmsg(inet, 24, 0x80, 0, 70)),
		},
		"a neighbour": {Neighbour, message(ndmsg(inet, 7, unix.NUD_PERMANENT), attr{unix.NDA_DST, ip("192.0.2.1")}), message(ndmsg(inet, 70, unix.NUD_PERMANENT), attr{unix.NDA_DST, ip("192.0.2.1")})},
		"a nexthop, without its scope and its state": {
			Nexthop,
			message(nhmsg(inet, 253, boot, 4|16), attr{nhaID, n32(7)}, attr{nhaOIF, n32(7)}),
			message(nhmsg(inet, 0, boot, 4), attr{nhaID, n32(7)}, attr{nhaOIF, n32(70)}),
		},
		"a group": {Nexthop, message(nhmsg(0, 0, boot, 0), attr{nhaID, n32(9)}, attr{nhaGroup, group(7, 8)}, attr{14, n32(0)}), message(nhmsg(0, 0, boot, 0), attr{nhaID, n32(9)}, attr{nhaGroup, group(7, 8)})},
		"a route": {
			Route,
			message(rtmsg(inet, 24, main, boot, uni, 4|16), dst, gateway, attr{unix.RTA_OIF, n32(7)}, metrics, cacheinfo(0)),
			message(rtmsg(inet, 24, main, boot, uni, 4), dst, gateway, attr{unix.RTA_OIF, n32(70)}, metrics),
		},
		"a route that expires": {
			Route,
			message(rtmsg(inet6, 0, main, boot, uni, 0), attr{unix.RTA_OIF, n32(7)}, cacheinfo(60*userHZ)),
			message(rtmsg(inet6, 0, main, boot, uni, 0), attr{unix.RTA_OIF, n32(70)}, attr{rtaExpires, n32(60)}),
		},
		"a route with several hops, of which one is dead": {
			Route,
			message(rtmsg(inet, 0, main, boot, uni, 0), attr{unix.RTA_MULTIPATH, append(rtnexthop(1|4, 7, "192.0.2.1"), rtnexthop(0, 8, "192.0.2.9")...)}),
			message(rtmsg(inet, 0, main, boot, uni, 0), attr{unix.RTA_MULTIPATH, append(rtnexthop(4, 70, "192.0.2.1"), rtnexthop(0, 80, "192.0.2.9")...)}),
		},
		"a route by an object": {
			Route,
			message(rtmsg(inet, 24, main, boot, uni, 0), dst, attr{rtaNHID, n32(5)}, gateway, attr{unix.RTA_OIF, n32(7)}),
			message(rtmsg(inet, 24, main, boot, uni, 0), dst, attr{rtaNHID, n32(5)}),
		},
	} {
		got, err := moved(Entry{Kind: c.kind, Family: c.m[0], Body: c.m}, times10)
		if d := cmp.Diff(c.want, got); err != nil || d != "" {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, d)
		}
	}
	label := message(ifaddrmsg(inet, 24, 0x80, 0, 7), attr{unix.IFA_LABEL, []byte("eth0:1\x00")})
	if got, err := moved(Entry{Kind: Address, Body: label}, same); err != nil || !bytes.Equal(got, label) {
		t.Errorf("on the netdev that it was on, an address is called as it was: %v, %v", got, err)
	}
	gone := errors.New("it is gone")
	for name, s := range samples() {
		e, ok, err := parse(s.kind, s.m)
		if _, merr := moved(e, func(int) (int, error) { return 0, gone }); ok && err == nil && s.index != 0 && !bytes.Contains([]byte(s.text), []byte("nhid")) && !errors.Is(merr, gone) {
			t.Errorf("%s: its netdev is gone: %v", name, merr)
		}
	}
}

func TestRemoval(t *testing.T) {
	dst := attr{unix.RTA_DST, ip("198.51.100.0")}
	for name, c := range map[string]struct {
		kind    Kind
		m, want []byte
	}{
		"a nexthop, by its ID": {Nexthop, message(nhmsg(inet, 253, boot, 4), attr{nhaID, n32(5)}, attr{nhaOIF, n32(7)}), message(make([]byte, sizeofNhMsg), attr{nhaID, n32(5)})},
		"a route by an object": {
			Route, message(rtmsg(inet, 24, main, boot, uni, 0), dst, attr{rtaNHID, n32(5)}, attr{unix.RTA_OIF, n32(7)}),
			message(rtmsg(inet, 24, main, boot, uni, 0), dst, attr{rtaNHID, n32(5)}),
		},
	} {
		got, err := removal(Entry{Kind: c.kind, Family: inet, Body: c.m})
		if d := cmp.Diff(c.want, got); err != nil || d != "" {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, d)
		}
	}
	if err := Delete(Entry{Kind: Nexthop}); !errors.Is(err, errShort) {
		t.Errorf("an entry without a message is taken away: %v", err)
	}
}

func TestIPv6GoesHopByHop(t *testing.T) {
	a, b := rtnexthop(0, 7, "fe80::1"), rtnexthop(0, 8, "fe80::2")
	oneOf := func(family byte, hops []byte) []byte {
		return message(rtmsg(family, 0, main, boot, uni, 0), attr{unix.RTA_MULTIPATH, hops}, attr{unix.RTA_PRIORITY, n32(5)})
	}
	both := oneOf(inet6, slices.Concat(a, b))
	if d := cmp.Diff([][]byte{oneOf(inet6, a), oneOf(inet6, b)}, hopByHop(Entry{Kind: Route, Family: inet6}, both)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if d := cmp.Diff([][]byte{both}, hopByHop(Entry{Kind: Route, Family: inet}, both)); d != "" {
		t.Errorf("IPv4 (-want +got)\n%s", d)
	}
}

func TestBridgePorts(t *testing.T) {
	all, err := parseBridgePort(port(7, 3, [2]uint16{vlanInfoPVID | vlanInfoUntagged, 1}, [2]uint16{0, 70}, [2]uint16{vlanInfoUntagged, 71}))
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, e := range all {
		texts = append(texts, e.Text)
		got, err := moved(e, times10)
		back, berr := parseBridgePort(append(got, port(0, 3)[unix.SizeofIfInfomsg:]...))
		if err != nil || berr != nil {
			t.Fatal(err, berr)
		}
		if u32(got[4:]) != 70 || len(back) != 0 { // the second IFLA_AF_SPEC, without VLANs, counts
			t.Errorf("%s: moved to %d, %v", e.Text, u32(got[4:]), back)
		}
	}
	if !slices.Equal(texts, []string{"1 pvid untagged", "70", "71 untagged"}) {
		t.Errorf("%q", texts)
	}
	if all, err := parseBridgePort(port(3, 0, [2]uint16{0, 1})); err != nil || len(all) != 0 {
		t.Errorf("the bridge itself: %v, %v", all, err)
	}
}

// What others need comes first, and groups know their netdevs by their members.
func TestOrderAndGroups(t *testing.T) {
	s := samples()
	second := message(nhmsg(inet, 0, boot, 0), attr{nhaID, n32(6)}, attr{nhaOIF, n32(8)})
	var all []Entry
	for _, c := range []sample{s["by a group"], s["a default route"], s["a route to the link"], s["a group"], s["a neighbour"], s["a nexthop"], {kind: Nexthop, m: second}, s["an address"]} {
		e, ok, err := parse(c.kind, c.m)
		if !ok || err != nil {
			t.Fatal(c, err)
		}
		all = append(all, e)
	}
	lost, _, _ := parse(Route, message(rtmsg(inet, 24, main, boot, uni, 0), attr{rtaNHID, n32(404)}))
	all = append(all, lost)
	sortEntries(all)
	all = resolve(all)
	var texts []string
	for _, e := range all {
		texts = append(texts, string(e.Kind)+" "+e.Text)
		if e.Text == "id 9 group 5/6" || e.Text == "198.51.100.0/24 nhid 9" {
			if !slices.Equal(e.Indexes(), []int{7, 8}) {
				t.Errorf("%s is on %v", e.Text, e.Indexes())
			}
		}
	}
	want := []string{
		"address 192.0.2.10/24", "nexthop id 5", "nexthop id 6", "nexthop id 9 group 5/6", "neighbour 192.0.2.1 lladdr 02:00:00:00:00:01",
		"route 198.51.100.0/24", "route 198.51.100.0/24 nhid 9", "route default via 192.0.2.1",
	}
	slices.Sort(texts[6:])
	slices.Sort(want[6:])
	if d := cmp.Diff(want, texts); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if got := (Entry{Kind: Route, Body: s["several hops"].m}).Indexes(); !slices.Equal(got, []int{7, 8}) {
		t.Errorf("a route of several hops is on %v", got)
	}
}

func TestIPv6AddressesAreOldestFirst(t *testing.T) {
	six := func(text string) Entry { return Entry{Kind: Address, Family: inet6, Text: text} }
	all := []Entry{six("new"), {Kind: Address, Family: inet, Text: "first"}, six("old"), {Kind: Address, Family: inet, Text: "second"}}
	sortEntries(all)
	var texts []string
	for _, e := range all {
		texts = append(texts, e.Text)
	}
	if !slices.Equal(texts, []string{"first", "second", "old", "new"}) {
		t.Errorf("%q", texts)
	}
}

func kinds() []Kind {
	return []Kind{Address, Neighbour, Nexthop, Route, BridgeVLAN, Proxy, FDB, Qdisc, Class, Filter}
}

func FuzzParse(f *testing.F) {
	for _, s := range samples() {
		f.Add(uint8(slices.Index(kinds(), s.kind)), s.m)
	}
	f.Add(uint8(4), port(7, 3, [2]uint16{vlanInfoPVID, 1}))
	f.Fuzz(func(t *testing.T, n uint8, m []byte) {
		kind := kinds()[int(n)%len(kinds())]
		if kind == BridgeVLAN {
			_, _ = parseBridgePort(m)
			return
		}
		e, ok, err := parse(kind, m)
		if err == nil && ok && e.Text == "" {
			t.Error("what is kept has no text")
		}
		if err == nil && ok {
			resolve([]Entry{e, e})
		}
	})
}

func FuzzMoved(f *testing.F) {
	for _, s := range samples() {
		f.Add(uint8(slices.Index(kinds(), s.kind)), s.m)
	}
	f.Add(uint8(4), port(7, 3, [2]uint16{vlanInfoPVID, 1}))
	f.Fuzz(func(t *testing.T, n uint8, m []byte) {
		e := Entry{Kind: kinds()[int(n)%len(kinds())], Body: m}
		if len(m) > 0 {
			e.Family = m[0]
		}
		b, err := moved(e, times10)
		if err != nil {
			return
		}
		if _, err := attributes(b[families[e.Kind].header:]); err != nil {
			t.Errorf("what is made cannot be read: %v", err)
		}
		hopByHop(e, b)
		e.Indexes()
	})
}
