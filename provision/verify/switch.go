// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"fmt"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/site"
)

// onSwitch proves of each bridge with two VFs in one VLAN that its VLANs are
// apart, and that its uplink carries those it shall.
func (r *VerifyReport) onSwitch(ctx context.Context, c *chooser, force bool, progress Progress) error {
	if r.Want.OVS == nil {
		return nil
	}
	var require proof.Verdict
	if v := r.Want.Verify; v != nil && v.VLAN != nil && v.VLAN.Require != nil {
		require = proof.Verdict(*v.VLAN.Require)
	}
	groups := c.groups(r.Want)
	for _, b := range r.Want.OVS.Bridges {
		vfs, vlans := c.quartet(ctx, groups, b.Name)
		if len(vfs) < 2 {
			p := proof.Proof{Kind: "vlan", Cell: []proof.Field{{Name: "bridge", Value: b.Name}}}
			p.Impossible("the bridge has no two free VFs in one VLAN")
			r.judge(p, require, progress)
			continue
		}
		if err := r.onVFs(ctx, b, vfs, vlans, require, force, progress); err != nil {
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

func (r *VerifyReport) onVFs(ctx context.Context, b ovs.Bridge, vfs []pci.Function, vlans []int, require proof.Verdict, force bool, progress Progress) error {
	s, err := site.Enter(ctx, force, vfs...)
	if err != nil {
		p := proof.Proof{Kind: "vlan", Cell: []proof.Field{{Name: "bridge", Value: b.Name}}}
		p.Impossible("%v", err)
		r.judge(p, require, progress)
		return nil
	}
	members := make([]ovs.Member, len(vfs))
	for i, p := range s.Places {
		members[i] = ovs.Member{Place: p, VLAN: vlans[i]}
		r.Taken = append(r.Taken, fmt.Sprintf("%s: for the proof of VLAN %d of %s", p, vlans[i], b.Name))
	}
	// A netdev that is up hears a moment later. Where there is no way at all, the proof says so.
	for i := 0; i+1 < len(members); i += 2 {
		_ = reach(ctx, progress, vfs[i].String(), vfs[i+1].String(), connect(s.Places[i], s.Places[i+1]))
	}
	progress.Start("vlan " + b.Name)
	proofs := ovs.ProveVLANs(ctx, members...)
	for _, u := range r.uplinks(b) {
		for i, m := range members {
			if i%2 == 0 { // the next is of the same VLAN
				proofs = append(proofs, ovs.ProveUplink(ctx, m, u))
			}
		}
	}
	for _, p := range proofs {
		r.judge(p, require, progress)
	}
	return leave(ctx, s)
}

// uplinks are the ports of a bridge that lead out, with the PFs behind them.
func (r *VerifyReport) uplinks(b ovs.Bridge) []ovs.Uplink {
	var all []ovs.Uplink
	for _, p := range b.Ports {
		u := ovs.Uplink{Name: p.Name, Tag: p.Tag, Trunks: p.Trunks}
		switch {
		case p.Uplink != "":
			u.PFs = []pci.Address{pci.Address(p.Uplink)}
		case p.Bond != "":
			for _, s := range r.Host.Bonds {
				if s.Name != p.Bond {
					continue
				}
				for _, m := range s.Members {
					if a, err := pci.ParseAddress(m.ID); err == nil {
						u.PFs = append(u.PFs, a)
					}
				}
			}
		}
		if len(u.PFs) > 0 {
			all = append(all, u)
		}
	}
	return all
}

// onBonds proves the bonds of the profile.
func (r *VerifyReport) onBonds(ctx context.Context, progress Progress) {
	var spec bond.ProofSpec
	if v := r.Want.Verify; v != nil && v.Bond != nil {
		spec = *v.Bond
	}
	var require proof.Verdict
	if spec.Require != nil {
		require = proof.Verdict(*spec.Require)
	}
	for _, b := range r.Want.Bonds {
		progress.Start("bond " + b.Name)
		lag := b.LAG != nil && *b.LAG
		for _, p := range bond.Prove(ctx, b.Name, lag, spec.Failover) {
			r.judge(p, require, progress)
		}
	}
}
