// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"nicwright/internal/await"
	"nicwright/internal/netdev"
	"nicwright/internal/pci"
	"nicwright/internal/proof"
)

// inSwitchdev is two VFs of an eswitch in switchdev, whose port functions have the attributes on (ipsec_crypto,
// ipsec_packet), and whose representors are in one bridge.
func inSwitchdev(t *testing.T, on ...string) lab {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	t.Cleanup(cancel)
	vfPair(t, ctx)
	const driver = "/sys/bus/pci/drivers/mlx5_core/"
	var vfs []string
	for i := range 2 {
		target, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/bus/pci/devices/%s/virtfn%d", labPF, i))
		if err != nil {
			t.Fatal(err)
		}
		vfs = append(vfs, filepath.Base(target))
		put(t, driver+"unbind", vfs[i])
	}
	events, err := await.Links(ctx)
	if err != nil {
		t.Fatal(err)
	}
	witness(t, "devlink", "dev", "eswitch", "set", "pci/"+string(labPF), "mode", "switchdev")
	witness(t, "ip", "link", "add", "bridge7", "type", "bridge")
	t.Cleanup(func() { witness(t, "ip", "link", "delete", "bridge7") })
	witness(t, "ip", "link", "set", "bridge7", "up")
	var links [2]netdev.Link
	for i := range 2 {
		rep := waitFor(t, ctx, events, func() (netdev.Link, error) { return netdev.Representor(ctx, pci.VF(labPF, i)) })
		witness(t, "ip", "link", "set", rep.Name, "master", "bridge7", "up")
		var ports struct {
			Port map[string]struct{ Netdev string }
		}
		if err := json.Unmarshal([]byte(witness(t, "devlink", "-j", "port", "show")), &ports); err != nil {
			t.Fatal(err)
		}
		for port, p := range ports.Port {
			for _, attribute := range on {
				if p.Netdev == rep.Name {
					witness(t, "devlink", "port", "function", "set", port, attribute, "enable")
				}
			}
		}
		put(t, driver+"bind", vfs[i])
		links[i] = waitFor(t, ctx, events, func() (netdev.Link, error) { return netdev.OfFunction(ctx, pci.VF(labPF, i)) })
	}
	return enter(t, ctx, links[0], links[1])
}

func waitFor(t *testing.T, ctx context.Context, events <-chan struct{}, find func() (netdev.Link, error)) (l netdev.Link) {
	t.Helper()
	err := await.Until(ctx, "the netdev is there", events, func() (bool, error) {
		var err error
		l, err = find()
		if errors.Is(err, netdev.ErrNone) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l lab) ipsec(t *testing.T, c IPsecCell) proof.Proof {
	return ProveIPsec(t.Context(), c, l.Places[0], l.Places[1], 1<<20+1, quietly)
}

// Whatever the port function allows, the card does, and is seen doing.
func TestLabIPsec(t *testing.T) {
	l := inSwitchdev(t, "ipsec_crypto", "ipsec_packet")
	for _, o := range Offloads {
		for i, m := range Modes {
			for _, d := range Directions {
				c := IPsecCell{o, m, ESPs[i], IPs[i], d}
				p := l.ipsec(t, c)
				expect(t, fmt.Sprint(c), p, proof.Offloaded, "")
				if len(p.Seen) != 2 {
					t.Errorf("%v: the SAs are not among what was seen: %v", c, p.Seen)
				}
			}
		}
	}
	c := IPsecCell{"crypto", "transport", ESPs[0], "ipv4", Tx}
	put(t, faults+"wrong_icv", "3")
	expect(t, "a card with wrong ICVs", l.ipsec(t, c), proof.Failed, "XfrmInStateProtoError moved by")
	put(t, faults+"wrong_icv", "0")
	put(t, faults+"commands", "fail 0xa00 1000 0x8 0x1234")
	if p := l.ipsec(t, c); p.Verdict == proof.Offloaded || p.Reason == "" {
		t.Errorf("a card that takes no SA: %s (%s)", p.Verdict, p.Reason)
	}
	put(t, faults+"commands", "clear")
	expect(t, "again", l.ipsec(t, c), proof.Offloaded, "")
	// A card that accepts an SA, says that it encrypts and sends plain text: nothing arrives that the witness accepts.
	put(t, faults+"no_encrypt", "1")
	expect(t, "a card that encrypts nothing", l.ipsec(t, c), proof.Failed, "XfrmInStateProtoError moved by")
	put(t, faults+"no_encrypt", "0")
}

// Without the attribute the VF has no IPsec in the card: the kernel takes an SA silently, and packet mode not at all.
func TestLabIPsecWithoutPortFunction(t *testing.T) {
	l := inSwitchdev(t)
	expect(t, "crypto", l.ipsec(t, IPsecCell{"crypto", "transport", ESPs[0], "ipv4", Tx}), proof.Software, "in software")
	expect(t, "packet", l.ipsec(t, IPsecCell{"packet", "transport", ESPs[0], "ipv4", Tx}), proof.NotPossible, "")
}
