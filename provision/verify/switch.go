// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/provision/report"
)

// onSwitch proves of each bridge with two VFs in one VLAN that its VLANs are
// apart, and that its uplink carries those it shall.
func (r *run) onSwitch(ctx context.Context, c *chooser) error {
	if r.in.Want.OVS == nil {
		return nil
	}
	var require proof.Verdict
	if v := r.in.Want.Verify; v != nil && v.VLAN != nil && v.VLAN.Require != nil {
		require = proof.Verdict(*v.VLAN.Require)
	}
	all := groups(r.in.Have, r.in.Want)
	for _, b := range r.in.Want.OVS.Bridges {
		vfs, vlans := c.quartet(ctx, all, b.Name)
		if len(vfs) < 2 {
			p := proof.Proof{Kind: "vlan", Cell: []proof.Field{{Name: "bridge", Value: b.Name}}}
			p.Impossible("the bridge has no two free VFs in one VLAN")
			r.judge(p, require)
			continue
		}
		if err := r.onVFs(ctx, b, vfs, vlans, require); err != nil {
			return err
		}
	}
	return nil
}

// quartet is two VFs of one VLAN of a bridge and, if there are such, one or two of
// another, with their VLANs.
func (c *chooser) quartet(ctx context.Context, groups []group, bridge string) (vfs []pci.Function, vlans []int) {
	take := func(g group, all []pci.Function) {
		for _, f := range all[:min(2, len(all))] {
			vfs, vlans = append(vfs, f), append(vlans, g.vlan)
		}
	}
	for _, g := range groups {
		if ok := c.usableOf(ctx, g); g.bridge == bridge && len(vfs) == 0 && len(ok) >= 2 {
			take(g, ok)
		}
	}
	for _, g := range groups {
		if len(vfs) == 2 && g.bridge == bridge && g.vlan != vlans[0] {
			take(g, c.usableOf(ctx, g))
		}
	}
	return vfs, vlans
}

func (r *run) onVFs(ctx context.Context, b ovs.Bridge, vfs []pci.Function, vlans []int, require proof.Verdict) error {
	s, err := r.enter(ctx, vfs...)
	if err != nil {
		p := proof.Proof{Kind: "vlan", Cell: []proof.Field{{Name: "bridge", Value: b.Name}}}
		p.Impossible("%v", err)
		r.judge(p, require)
		return ctx.Err()
	}
	members := make([]ovs.Member, len(vfs))
	for i, p := range s.Places {
		members[i] = ovs.Member{Place: p, VLAN: vlans[i]}
		r.Taken = append(r.Taken, fmt.Sprintf("%s: for the proof of VLAN %d of %s", p, vlans[i], b.Name))
	}
	// A netdev that is up hears a moment later. Where there is no way at all, the proof says so.
	for i := 0; i+1 < len(members); i += 2 {
		_ = r.reach(ctx, vfs[i].String(), vfs[i+1].String(), r.connect(s.Places[i], s.Places[i+1]))
	}
	r.progress.Start("vlan " + b.Name)
	proofs := ovs.ProveVLANs(ctx, members...)
	for _, u := range uplinks(r.in.Have, b) {
		for i, m := range members {
			if i%2 == 0 { // the next is of the same VLAN
				proofs = append(proofs, r.onUplink(ctx, m, u))
			}
		}
	}
	for _, p := range proofs {
		r.judge(p, require)
	}
	return r.leave(ctx, s)
}

// onUplink proves that an uplink carries a VLAN, or does not; through ports without
// a link nothing leaves, and it shows nothing of VLANs.
func (r *run) onUplink(ctx context.Context, m ovs.Member, u ovs.Uplink) proof.Proof {
	p := ovs.ProveUplink(ctx, m, u)
	if cause := allWithoutLink(r.in.Have, u.PFs); cause != "" && p.Verdict != proof.NotPossible {
		if p.Verdict == proof.Failed {
			p.Fail(withCause(errors.New(p.Reason), cause))
		} else {
			p.Impossible("%s: that nothing left shows nothing of VLANs", cause)
		}
	}
	return p
}

// uplinks are the ports of a bridge that lead out, bonds or single uplinks, with
// the PFs behind them.
func uplinks(h report.Host, b ovs.Bridge) []ovs.Uplink {
	var all []ovs.Uplink
	for _, p := range b.Ports {
		var members []pci.Address
		for _, s := range h.Bonds {
			for _, m := range s.Members {
				if a, err := pci.ParseAddress(m.ID); err == nil && s.Name == p.Bond {
					members = append(members, a)
				}
			}
		}
		if u, ok := ovs.UplinkOf(p, members); ok {
			all = append(all, u)
		}
	}
	return all
}
