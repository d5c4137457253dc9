// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"fmt"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/site"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/report"
)

// peers are the hosts on the wire that the profile names, and the cells of kernel
// TLS for each: those that run between VFs.
func (r *run) peers() ([]profiles.PeerSpec, []asked, int64) {
	v := r.in.Want.Verify
	if v == nil || r.in.Quick {
		return nil, nil, 0
	}
	var k crypto.KTLSSpec
	if v.KTLS != nil {
		k = *v.KTLS
	}
	return v.Peers, ktlsAsked(k), bytesOf(k.Bytes)
}

// onPeer runs kernel TLS between a VF and a host on the wire.
func (r *run) onPeer(ctx context.Context, peer profiles.PeerSpec, cells []asked, size int64) error {
	address, host, err := peer.Ends()
	if err != nil {
		return err
	}
	vf, err := pci.ParseFunction(peer.VF)
	if err != nil {
		return err
	}
	s, err := site.EnterAt(ctx, r.force, vf, address)
	if err != nil {
		for _, c := range cells {
			p := proof.Proof{Kind: "ktls", Cell: c.PeerFields(vf.String(), host.String())}
			p.Impossible("%v", err)
			r.judge(p, c.require)
		}
		return ctx.Err()
	}
	place := s.Places[0]
	r.Taken = append(r.Taken, fmt.Sprintf("%s: the profile names it, with the peer %s (verify.peers)", place, host))
	unreachable := r.reach(ctx, vf.String(), host.String(), func(ctx context.Context) error {
		c, err := site.Dial(ctx, place, host)
		if err != nil {
			return err
		}
		return c.Close()
	})
	for _, c := range cells {
		if ctx.Err() != nil {
			break
		}
		p := proof.Proof{Kind: "ktls", Cell: c.PeerFields(vf.String(), host.String())}
		if unreachable != nil {
			err := fmt.Errorf("connecting from %s to the peer %s: %w; is `nicwright peer` running there, and may the VF's VLAN leave the uplink?", place, host, unreachable)
			p.Fail(withCause(err, r.noWayOut(vf)))
		} else {
			r.progress.Start(report.Name(p.Kind, p.Cell))
			p = crypto.ProvePeer(ctx, c.KTLSCell, place, host, size, r.progress.Rate)
		}
		r.judge(p, c.require)
	}
	return r.leave(ctx, s)
}

// noWayOut says that no port by which the VF's frames can leave has a link: those
// of the uplinks of its bridge or, without one, its own; "" if one has.
func (r *run) noWayOut(vf pci.Function) string {
	ports := []pci.Address{vf.PF}
	if r.in.Want.OVS != nil {
		for _, b := range r.in.Want.OVS.Bridges {
			for _, p := range b.Ports {
				if p.VF != vf.String() {
					continue
				}
				ports = nil
				for _, u := range uplinks(r.in.Have, b) {
					ports = append(ports, u.PFs...)
				}
			}
		}
	}
	return allWithoutLink(r.in.Have, ports)
}

// allWithoutLink is noLink where none of the ports has a link, else "".
func allWithoutLink(h report.Host, ports []pci.Address) string {
	for _, a := range ports {
		if noLink(h, a) == "" {
			return ""
		}
	}
	return noLink(h, ports...)
}
