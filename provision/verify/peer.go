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
)

// peers are the hosts on the wire that the profile names, and the cells of kernel
// TLS for each: those that run between VFs.
func (r *VerifyReport) peers() ([]profiles.PeerSpec, []asked, int64) {
	v := r.Want.Verify
	if v == nil || r.Quick {
		return nil, nil, 0
	}
	var k crypto.KTLSSpec
	if v.KTLS != nil {
		k = *v.KTLS
	}
	return v.Peers, ktlsAsked(k), bytesOf(k.Bytes)
}

// onPeer runs kernel TLS between a VF and a host on the wire.
func (r *VerifyReport) onPeer(ctx context.Context, peer profiles.PeerSpec, cells []asked, size int64, force bool, progress Progress) error {
	address, host, err := peer.Ends()
	if err != nil {
		return err
	}
	vf, err := pci.ParseFunction(peer.VF)
	if err != nil {
		return err
	}
	s, err := site.EnterAt(ctx, force, vf, address)
	if err != nil {
		for _, c := range cells {
			p := proof.Proof{Kind: "ktls", Cell: c.PeerFields(vf.String(), host.String())}
			p.Impossible("%v", err)
			r.judge(p, c.require, progress)
		}
		return nil
	}
	place := s.Places[0]
	r.Taken = append(r.Taken, fmt.Sprintf("%s: the profile names it, with the peer %s (verify.peers)", place, host))
	unreachable := reach(ctx, progress, vf.String(), host.String(), func(ctx context.Context) error {
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
			p.Fail(fmt.Errorf("connecting from %s to the peer %s: %w; is `nicwright peer` running there, and may the VF's VLAN leave the uplink?", place, host, unreachable))
		} else {
			progress.Start(name(p.Kind, p.Cell))
			p = crypto.ProvePeer(ctx, c.KTLSCell, place, host, size, progress.Rate)
		}
		r.judge(p, c.require, progress)
	}
	return leave(ctx, s)
}
