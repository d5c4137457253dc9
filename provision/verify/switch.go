// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/nicwright/nicwright/eswitch/bridge"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/report"
)

// aBridge is a bridge of Open vSwitch or of the kernel, with the ports that lead out.
type aBridge struct {
	name    string
	uplinks []ovs.Uplink
}

func bridges(h report.Host, want *profiles.Want) []aBridge {
	var all []aBridge
	for _, b := range want.Bridges {
		all = append(all, aBridge{b.Name, kernelUplinks(h, b)})
	}
	if want.OVS != nil {
		for _, b := range want.OVS.Bridges {
			all = append(all, aBridge{b.Name, uplinks(h, b)})
		}
	}
	return all
}

// onSwitch proves of each bridge with two VFs in one VLAN that its VLANs are
// apart, and that its uplink carries those it shall.
func (r *run) onSwitch(ctx context.Context, c *chooser) error {
	var require proof.Verdict
	if v := r.in.Want.Verify; v != nil && v.VLAN != nil && v.VLAN.Require != nil {
		require = proof.Verdict(*v.VLAN.Require)
	}
	all := groups(r.in.Have, r.in.Want)
	for _, b := range bridges(r.in.Have, r.in.Want) {
		vfs, vlans := c.quartet(ctx, all, b.name)
		if len(vfs) < 2 {
			p := proof.Proof{Kind: "vlan", Cell: []proof.Field{{Name: "bridge", Value: b.name}}}
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

func (r *run) onVFs(ctx context.Context, b aBridge, vfs []pci.Function, vlans []int, require proof.Verdict) error {
	s, err := r.enter(ctx, vfs...)
	if err != nil {
		p := proof.Proof{Kind: "vlan", Cell: []proof.Field{{Name: "bridge", Value: b.name}}}
		p.Impossible("%v", err)
		r.judge(p, require)
		return ctx.Err()
	}
	members := make([]ovs.Member, len(vfs))
	for i, p := range s.Places {
		members[i] = ovs.Member{Place: p, VLAN: vlans[i]}
		r.Taken = append(r.Taken, fmt.Sprintf("%s: for the proof of VLAN %d of %s", p, vlans[i], b.name))
	}
	// A netdev that is up hears a moment later. Where there is no way at all, the proof says so.
	for i := 0; i+1 < len(members); i += 2 {
		_ = r.reach(ctx, vfs[i].String(), vfs[i+1].String(), r.connect(s.Places[i], s.Places[i+1]))
	}
	r.progress.Start("vlan " + b.name)
	proofs := ovs.ProveVLANs(ctx, members...)
	for _, u := range b.uplinks {
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
		if u, ok := ovs.UplinkOf(p, membersOf(h, p.Bond)); ok {
			all = append(all, u)
		}
	}
	return all
}

// membersOf are the PFs in a bond.
func membersOf(h report.Host, bond string) (members []pci.Address) {
	for _, s := range h.Bonds {
		for _, m := range s.Members {
			if a, err := pci.ParseAddress(m.ID); err == nil && s.Name == bond {
				members = append(members, a)
			}
		}
	}
	return members
}

// kernelUplinks are those of a bridge of the kernel that say which VLANs they carry, or
// of one that does not filter.
func kernelUplinks(h report.Host, b bridge.Spec) []ovs.Uplink {
	var all []ovs.Uplink
	for _, p := range b.Ports {
		carried, said := p.Carried()
		if b.VLANFiltering == nil || *b.VLANFiltering == (len(carried) == 0) || !*b.VLANFiltering && said {
			continue // what it carries, if anything, the profile does not say
		}
		if u, ok := ovs.UplinkOf(ovs.Port{Name: p.Name, Bond: p.Bond, Uplink: p.Uplink, Trunks: carried}, membersOf(h, p.Bond)); ok {
			all = append(all, u)
		}
	}
	return all
}
