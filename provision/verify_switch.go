// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"fmt"
	"time"

	"nicwright/bond"
	"nicwright/eswitch/ovs"
	"nicwright/internal/pci"
	"nicwright/internal/proof"
	"nicwright/internal/site"
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
		vfs, vlans := c.trio(ctx, groups, b.Name)
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

// trio is two VFs of one VLAN of a bridge and, if there is one, a third of
// another, with their VLANs.
func (c *chooser) trio(ctx context.Context, groups []group, bridge string) (vfs []pci.Function, vlans []int) {
	for _, g := range groups {
		if g.bridge != bridge {
			continue
		}
		ok := c.usableOf(ctx, g)
		if len(vfs) == 0 && len(ok) >= 2 {
			vfs, vlans = ok[:2:2], []int{g.vlan, g.vlan}
			break
		}
	}
	for _, g := range groups {
		if len(vfs) == 2 && g.bridge == bridge && g.vlan != vlans[0] {
			if ok := c.usableOf(ctx, g); len(ok) > 0 {
				vfs, vlans = append(vfs, ok[0]), append(vlans, g.vlan)
			}
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
	var other *ovs.Member
	if len(members) > 2 {
		other = &members[2]
	}
	progress.Start("vlan " + b.Name)
	proofs := ovs.ProveVLANs(ctx, members[0], members[1], other)
	for _, u := range r.uplinks(b) {
		for i, m := range members {
			if i != 1 { // of the VLAN of the first
				proofs = append(proofs, ovs.ProveUplink(ctx, m, u))
			}
		}
	}
	for _, p := range proofs {
		r.judge(p, require, progress)
	}
	// The VFs go back also when the context has ended.
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return s.Leave(back)
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
