// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/netns"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/site"
	"github.com/nicwright/nicwright/lab/vflab"
)

// With a host on the wire: the far end of the card's first port, in the lab machine's namespace "peer".
func TestLabPeer(t *testing.T) {
	vflab.Need(t)
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	t.Cleanup(cancel)
	links := vflab.Legacy(t, ctx, 1)
	vflab.Run(t, "ethtool", "-K", links[0].Name, featTLSRx, "on")
	pf, err := netdev.OfFunction(ctx, pci.PF(vflab.PF))
	if err != nil {
		t.Fatal(err)
	}
	vflab.Run(t, "ip", "link", "set", pf.Name, "up") // it gives the far end its carrier
	in := func(args ...string) { vflab.Run(t, "ip", append([]string{"-n", "peer"}, args...)...) }
	in("link", "set", "wire0", "nomaster")
	t.Cleanup(func() {
		in("addr", "flush", "dev", "wire0")
		in("link", "set", "wire0", "down")
		in("link", "set", "wire0", "master", "bond0")
		in("link", "set", "wire0", "up")
	})
	in("addr", "add", "198.51.100.9/24", "dev", "wire0")
	in("addr", "add", "2001:db8:9::9/64", "dev", "wire0", "nodad")
	in("link", "set", "wire0", "up")
	ns, err := netns.Open("peer")
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	toldBy := make(chan Served, 100)
	told := func() Served {
		select {
		case s := <-toldBy:
			return s
		case <-time.After(time.Minute):
			t.Fatal("the peer told nothing")
			return Served{}
		}
	}
	serve := func(address string) netip.AddrPort {
		var l net.Listener
		if err := ns.Do(func() (err error) { l, err = net.Listen("tcp", address); return err }); err != nil {
			t.Fatal(err)
		}
		stopped, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- ServePeer(stopped, l, func(s Served) { toldBy <- s }) }()
		t.Cleanup(func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		return l.Addr().(*net.TCPAddr).AddrPort()
	}
	const size = 1<<20 + 1
	at := func(address string, host netip.AddrPort, do func(*site.Place)) {
		s, err := site.EnterAt(ctx, false, links[0].Function, netip.MustParsePrefix(address))
		if err != nil {
			t.Fatal(err)
		}
		if err := site.Reach(ctx, func(ctx context.Context) error {
			c, err := site.Dial(ctx, s.Places[0], host)
			if err != nil {
				return err
			}
			return c.Close()
		}); err != nil {
			t.Error(err)
		} else {
			do(s.Places[0])
		}
		if err := s.Leave(ctx); err != nil {
			t.Error(err)
		}
	}
	host := serve("198.51.100.9:0")
	at("198.51.100.10/24", host, func(place *site.Place) {
		for _, v := range Versions {
			for _, d := range Directions {
				c := KTLSCell{v, Ciphers[0], d}
				want := proof.Offloaded
				if c.Never() != "" {
					want = proof.Software
				}
				expect(t, fmt.Sprint(c), ProvePeer(ctx, c, place, host, size, quietly), want, c.Never())
				if s := told(); s.Err != nil || s.Bytes != size || s.Version != v || s.Direction != d {
					t.Errorf("%v: the peer told %+v", c, s)
				}
			}
		}
		tx, rx := KTLSCell{Versions[0], Ciphers[0], Tx}, KTLSCell{Versions[0], Ciphers[0], Rx}
		vflab.Put(t, faults+"wrong_byte", "1000000")
		expect(t, "a card that changes a byte, sending", ProvePeer(ctx, tx, place, host, size, quietly), proof.Failed, ErrPeer.Error()+`: "`+site.ErrDiffers.Error())
		if s := told(); !errors.Is(s.Err, site.ErrDiffers) {
			t.Errorf("the peer told %+v", s)
		}
		vflab.Put(t, faults+"wrong_byte", "0")
		vflab.Put(t, faults+"no_encrypt", "1")
		expect(t, "a card that encrypts nothing", ProvePeer(ctx, tx, place, host, size, quietly), proof.Failed, errRecord.Error())
		told()
		expect(t, "a card that decrypts nothing", ProvePeer(ctx, rx, place, host, size, quietly), proof.Failed, "")
		told()
		vflab.Put(t, faults+"no_encrypt", "0")
		vflab.Run(t, "ip", "netns", "exec", place.NS.Name(), "ethtool", "-K", place.Netdev, featTLSTx, "off")
		expect(t, "switched off", ProvePeer(ctx, tx, place, host, size, quietly), proof.Software, featTLSTx+" is off")
		told()
		vflab.Run(t, "ip", "netns", "exec", place.NS.Name(), "ethtool", "-K", place.Netdev, featTLSTx, "on")
		expect(t, "nobody there", ProvePeer(ctx, tx, place, netip.AddrPortFrom(host.Addr(), 1), size, quietly), proof.Failed, "connection refused")
	})
	host = serve("[2001:db8:9::9]:0")
	at("2001:db8:9::10/64", host, func(place *site.Place) {
		expect(t, "over IPv6", ProvePeer(ctx, KTLSCell{Versions[0], Ciphers[1], Rx}, place, host, size, quietly), proof.Offloaded, "")
	})
}
