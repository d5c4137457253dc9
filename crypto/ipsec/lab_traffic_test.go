// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// connection is a Pair at each end.
type connection struct{ here, there *Pair }

func connect(t *testing.T, here, there *endpoint, p Params, bits int, far Offload) connection {
	t.Helper()
	p.Keys = newKeys(t, bits)
	q := p
	q.Local, q.Remote, q.Offload, q.Netdev = p.Remote, p.Local, far, there.index
	var c connection
	var err error
	if c.here, err = here.add(p); err != nil {
		t.Fatal(err)
	}
	if c.there, err = there.add(q); err != nil {
		t.Fatal(err)
	}
	agrees(t, here, c.here, p)
	agrees(t, there, c.there, q)
	return c
}

// counted reads the SAs here until both have counted so many bytes: in packet
// offload the driver asks the card once a second.
func (c connection) counted(t *testing.T, size uint64) []State {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); ; <-tick.C {
		states, err := c.here.States()
		if err != nil {
			t.Fatal(err)
		}
		if (states[0].Bytes >= size && states[1].Bytes >= size) || time.Now().After(end) {
			return states
		}
	}
}

// packetOffload says whether the endpoint's netdev has it.
func (e *endpoint) packetOffload() bool {
	e.t.Helper()
	pair, err := e.add(Params{Local: addresses(1)[0], Remote: addresses(2)[0], Offload: Packet, Netdev: e.index, Keys: newKeys(e.t, 128)})
	if err != nil {
		e.t.Log(err)
		return false
	}
	if err := pair.Close(); err != nil {
		e.t.Error(err)
	}
	return true
}

func (c connection) close(t *testing.T, ends ...*endpoint) {
	t.Helper()
	for _, p := range []*Pair{c.here, c.there} {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, e := range ends {
		e.gone()
	}
}

// The card against the kernel's software, which would not understand it if it did
// anything else: what is on the wire between them is ESP and nothing else.
func TestLabCardAgainstSoftware(t *testing.T) {
	needLab(t)
	const size = 100_000
	for _, function := range []string{"PF", "VF"} {
		t.Run(function, func(t *testing.T) {
			link := pf(t)
			if function == "VF" {
				link = vfs(t, 1)[0]
			}
			card := newEndpoint(t, "ipsec-card", link.Name, 1)
			peer, cable := newCable(t)
			packet := card.packetOffload()
			for i, c := range []struct {
				p       Params
				bits    int
				family  int
				offload Offload
			}{
				{Params{Mode: Transport, ReplayWindow: 64}, 128, 0, Crypto},
				{Params{Mode: Transport, ReplayWindow: 256, ESN: true}, 256, 1, Crypto},
				{Params{Mode: Tunnel, ReplayWindow: 32, ESN: true}, 256, 0, Crypto},
				{Params{Mode: Tunnel, ReplayWindow: 4096}, 128, 1, Crypto},
				{Params{Mode: Transport, ReplayWindow: 33}, 256, 0, None},
				{Params{Mode: Transport, ReplayWindow: 64, ESN: true}, 256, 0, Packet},
				{Params{Mode: Tunnel, ReplayWindow: 128}, 128, 0, Packet},
			} {
				if function == "VF" && i > 1 {
					break // a VF is the same to the driver
				}
				if c.offload == Packet && !packet {
					continue
				}
				p := c.p
				p.Local, p.Remote, p.Offload, p.Netdev = addresses(1)[c.family], addresses(2)[c.family], c.offload, card.index
				name := fmt.Sprintf("%d: %v, %v, %v, %d bits, ESN %t", i, p.Local, p.Mode, p.Offload, c.bits, p.ESN)
				con := connect(t, card, peer, p, c.bits, None)
				seen := cable.capture()
				tx, rx := card.counter("ipsec_tx_pkts"), card.counter("ipsec_rx_pkts")
				if err := exchange(card, peer, p.Remote, size); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if plain, esp := seen("tcp"), seen("esp"); plain != 0 || esp < 10 {
					t.Errorf("%s: %d plain packets on the wire, and %d of ESP", name, plain, esp)
				}
				for _, s := range con.counted(t, size) {
					counts := s.Used != 0 && s.Sent+s.Received != 0
					if s.Bytes < size || s.Packets == 0 || s.Failures != (Failures{}) || (p.Offload != Packet && !counts) {
						t.Errorf("%s: %+v", name, s)
					}
				}
				tx, rx = card.counter("ipsec_tx_pkts")-tx, card.counter("ipsec_rx_pkts")-rx
				if byCard := tx > 10 && rx > 10; byCard != (p.Offload != None) || (!byCard && tx+rx > 0) {
					t.Errorf("%s: the card encrypted %d packets and decrypted %d", name, tx, rx)
				}
				con.close(t, card, peer)
			}
		})
	}
}

// Two VFs of a card, both offloaded.
func TestLabBetweenVFs(t *testing.T) {
	needLab(t)
	links := vfs(t, 2)
	a, b := newEndpoint(t, "ipsec-a", links[0].Name, 1), newEndpoint(t, "ipsec-b", links[1].Name, 2)
	p := Params{
		Local: addresses(1)[0], Remote: addresses(2)[0], Mode: Tunnel, Offload: Crypto, Netdev: a.index, ESN: true, ReplayWindow: 64,
		Limits: Limits{SoftPackets: 1 << 32, HardPackets: 1 << 33, HardSeconds: 3600},
	}
	con := connect(t, a, b, p, 256, Crypto)
	states, err := con.there.States()
	if err != nil || states[0].Limits != p.Limits {
		t.Errorf("limits %+v, %v", states, err)
	}
	before := a.counter("ipsec_tx_pkts") + b.counter("ipsec_tx_pkts")
	if err := exchange(a, b, p.Remote, 100_000); err != nil {
		t.Fatal(err)
	}
	if d := a.counter("ipsec_tx_pkts") + b.counter("ipsec_tx_pkts") - before; d < 20 {
		t.Errorf("the card encrypted %d packets", d)
	}
	// A state that went is not made up: the kernel drops what a netdev offloads when it goes down.
	a.ip("link", "set", a.netdev, "down")
	if _, err := con.here.States(); err == nil || !strings.Contains(err.Error(), "goes down") {
		t.Errorf("the SAs of a netdev that is down: %v", err)
	}
	con.close(t, a, b)
}

// Two connections whose keys differ: the failures have to show where the docs say.
func TestLabWrongKey(t *testing.T) {
	needLab(t)
	card := newEndpoint(t, "ipsec-card", pf(t).Name, 1)
	peer, _ := newCable(t)
	p := Params{Local: addresses(1)[0], Remote: addresses(2)[0], Keys: newKeys(t, 128)}
	other := newKeys(t, 128)
	other.m.spi = p.Keys.m.spi
	q := Params{Local: p.Remote, Remote: p.Local, Keys: other}
	here, err := card.add(p)
	if err != nil {
		t.Fatal(err)
	}
	there, err := peer.add(q)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ip", "netns", "exec", "ipsec-card", "ping", "-c", "3", "-i", "0.2", "-W", "1", p.Remote.String()).CombinedOutput()
	if err == nil {
		t.Errorf("a packet under another key came through: %s", out)
	}
	states, err := there.States()
	if err != nil || states[1].Failures.Integrity != 3 || peer.stat("XfrmInStateProtoError") != 3 {
		t.Errorf("%+v, XfrmInStateProtoError %d, %v", states, peer.stat("XfrmInStateProtoError"), err)
	}
	connection{here, there}.close(t, card, peer)
}
