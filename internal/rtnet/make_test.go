// SPDX-License-Identifier: Apache-2.0

package rtnet

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNewAddress(t *testing.T) {
	for _, text := range []string{"192.0.2.10/24", "2001:db8::1/64"} {
		e := NewAddress(netip.MustParsePrefix(text), 7)
		again, ok, err := parse(Address, e.Body)
		if err != nil || !ok || again.Text != text || again.Index != 7 || again.Daemon != "" {
			t.Errorf("%s is read back as %+v, %v, %v", text, again, ok, err)
		}
		if e.Flags()&unix.IFA_F_PERMANENT == 0 {
			t.Errorf("%s ends by itself", text)
		}
	}
}

func TestNewRoute(t *testing.T) {
	p, a := netip.MustParsePrefix, netip.MustParseAddr
	for _, c := range []struct {
		w    Way
		text string
	}{
		{Way{To: p("0.0.0.0/0"), Via: a("192.0.2.1")}, "default via 192.0.2.1"},
		{Way{To: p("198.51.100.0/24"), Via: a("192.0.2.1"), Metric: 100, Table: 70, MTU: 1400}, "198.51.100.0/24 via 192.0.2.1 metric 100 table 70"},
		{Way{To: p("198.51.100.0/24"), Table: 70000}, "198.51.100.0/24 table 70000"},
		{Way{To: p("::/0"), Via: a("fe80::1"), Metric: 1024}, "default via fe80::1"},
		{Way{To: p("2001:db8:1::/48"), MTU: 1280}, "2001:db8:1::/48"},
		{Way{To: p("::/0")}, "::/0"},
	} {
		e := NewRoute(c.w, 7)
		again, ok, err := parse(Route, e.Body)
		if err != nil || !ok || again.Text != c.text || again.Index != 7 {
			t.Errorf("%+v is read back as %+v, %v, %v", c.w, again, ok, err)
		}
		if e.MTU() != c.w.MTU || e.Protocol() != Protocol || e.Gateway() != c.w.Via || e.Source().IsValid() {
			t.Errorf("%+v has the MTU %d, the protocol %d, the gateway %v and the source %v", c.w, e.MTU(), e.Protocol(), e.Gateway(), e.Source())
		}
	}
	if e := (Entry{Kind: Route, Text: "default"}); e.MTU() != 0 || e.Protocol() != 0 {
		t.Errorf("what nobody knows of a route is %d, %d", e.MTU(), e.Protocol())
	}
}

func TestRivals(t *testing.T) {
	r := func(family uint8, text string) Entry { return Entry{Kind: Route, Family: family, Text: text} }
	of := r(unix.AF_INET, "default via 192.0.2.1")
	for text, want := range map[string]bool{
		"default via 192.0.2.9": true, "default nhid 7": true, "default": true, "default nexthop via 192.0.2.1 nexthop via the link": true, "default via inet6 fe80::1": true,
		"default via 192.0.2.1 metric 100": false, "default via 192.0.2.1 table 7": false, "10.0.0.0/8 via 192.0.2.1": false, "default via 192.0.2.1 tos 0x10": false,
	} {
		if got := of.Rivals(r(unix.AF_INET, text)); got != want {
			t.Errorf("%q is a rival: %v", text, got)
		}
	}
	if of.Rivals(r(unix.AF_INET6, "default via fe80::1")) {
		t.Error("families are told apart")
	}
	if !r(unix.AF_INET6, "default via fe80::1").Rivals(r(unix.AF_INET6, "::/0")) {
		t.Error("IPv6's default is one, by a gateway or not")
	}
}
