// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"fmt"
	"net/netip"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
)

// VerifySpec says which proofs `nicwright verify` runs, between which VFs, and
// what their verdicts have to be. What is not set is proved as far as the host
// lets it, and not required.
type VerifySpec struct {
	// Pairs of VFs between which the transfers of ktls and ipsec run. Unset: two free VFs of one
	// port and, where there are such, two of different ports, that share a VLAN.
	Pairs []PairSpec `json:"pairs,omitempty"`
	// Peers are hosts on the wire, with which kernel TLS is proved too.
	Peers []PeerSpec `json:"peers,omitempty"`
	// InUse: take VFs too that have addresses or a master. They are put back; their routes are not.
	InUse bool `json:"in-use,omitempty"`
	// KTLS is the proof of kernel TLS.
	KTLS *crypto.KTLSSpec `json:"ktls,omitempty"`
	// IPsec is the proof of IPsec.
	IPsec *crypto.IPsecSpec `json:"ipsec,omitempty"`
	// VLAN is the proof that VLANs are apart, and that the uplinks carry those they shall.
	VLAN *ovs.VLANProofSpec `json:"vlan,omitempty"`
	// Flows is the proof that the card forwards, and not Open vSwitch.
	Flows *ovs.FlowsProofSpec `json:"flows,omitempty"`
	// Bond is the proof of the bonds.
	Bond *bond.ProofSpec `json:"bond,omitempty"`
}

// PairSpec is two VFs.
type PairSpec struct {
	// From is the VF that sends, CARD/PORT/vfN; resolved, pci.Function.String().
	From string `json:"from" jsonschema:"required"`
	// To is the VF that receives, written as From is.
	To string `json:"to" jsonschema:"required"`
}

// PeerSpec is a VF and a host that it reaches through the uplink.
type PeerSpec struct {
	// VF is the one that is judged, CARD/PORT/vfN; resolved, pci.Function.String().
	VF string `json:"vf" jsonschema:"required"`
	// Address of the VF for the while, with the length of its network's prefix: 192.0.2.10/24.
	Address string `json:"address" jsonschema:"required"`
	// Peer is where `nicwright peer` listens, in the same network: 192.0.2.20:4711.
	Peer string `json:"peer" jsonschema:"required"`
}

// Ends are the addresses of both.
func (p PeerSpec) Ends() (vf netip.Prefix, peer netip.AddrPort, err error) {
	if vf, err = netip.ParsePrefix(p.Address); err != nil {
		return vf, peer, fmt.Errorf("address: %q is no address with a prefix length, as in 192.0.2.10/24", p.Address)
	}
	if peer, err = netip.ParseAddrPort(p.Peer); err != nil || peer.Port() == 0 {
		return vf, peer, fmt.Errorf("peer: %q is no address with a port, as in 192.0.2.20:4711 or [2001:db8::20]:4711", p.Peer)
	}
	if !vf.Contains(peer.Addr()) || vf.Addr() == peer.Addr() {
		return vf, peer, fmt.Errorf("peer: %s is not another address of the network %s: the VF has no gateway", peer.Addr(), vf.Masked())
	}
	return vf, peer, nil
}

func (r *resolver) resolveVerify(w *Want) {
	if r.p.Verify == nil {
		return
	}
	v := *r.p.Verify
	v.Pairs, v.Peers = nil, nil
	for i, pair := range r.p.Verify.Pairs {
		r.oneVF(&pair.From, "from", "verify", "pairs", i, "from")
		r.oneVF(&pair.To, "to", "verify", "pairs", i, "to")
		v.Pairs = append(v.Pairs, pair)
	}
	for i, peer := range r.p.Verify.Peers {
		r.oneVF(&peer.VF, "vf", "verify", "peers", i, "vf")
		v.Peers = append(v.Peers, peer)
	}
	w.Verify = &v
}

// oneVF resolves the reference to a VF at a path; key is what it is called.
func (r *resolver) oneVF(vf *string, key string, path ...any) {
	ref, err := parseVFRef(*vf)
	if err == nil {
		err = inRange(ref, r.counts[ref.portRef])
	}
	if err != nil {
		r.fail(r.p.At(path...), "set vfs of the port, or make the VFs", "%s: %v", key, err)
		return
	}
	*vf = pci.VF(r.ports[ref.portRef].Address, ref.first).String()
}

// checkOneVF holds a reference to one VF against the profile; key is what it is called.
func (p *Profile) checkOneVF(vf, key string, at Position, report report) {
	if r, err := p.checkVF(vf); err != nil {
		report(at, "%s: %v", key, err)
	} else if r.first != r.last {
		report(at, "%s: %q is a range; one VF is needed", key, vf)
	}
}

func checkProofVFs(p *Profile, report report) {
	checkVerify(p, report)
	if p.Bench == nil || len(p.Bench.Between) != 2 {
		return
	}
	for i, vf := range p.Bench.Between {
		p.checkOneVF(vf, "between", p.At("bench", "between", i), report)
	}
	if p.Bench.Between[0] == p.Bench.Between[1] {
		report(p.At("bench", "between", 1), "both are the same VF")
	}
}

func checkVerify(p *Profile, report report) {
	if p.Verify == nil {
		return
	}
	one := func(vf, list string, i int, key string) {
		p.checkOneVF(vf, key, p.At("verify", list, i, key), report)
	}
	for i, pair := range p.Verify.Pairs {
		one(pair.From, "pairs", i, "from")
		one(pair.To, "pairs", i, "to")
		if pair.From == pair.To {
			report(p.At("verify", "pairs", i, "to"), "from and to are the same VF")
		}
	}
	for i, peer := range p.Verify.Peers {
		one(peer.VF, "peers", i, "vf")
		if _, _, err := peer.Ends(); err != nil {
			report(p.At("verify", "peers", i), "%v", err)
		}
	}
}

// checkNeverOffloaded holds what is required of kTLS against what any card does.
func checkNeverOffloaded(p *Profile, report report) {
	if p.Verify == nil || p.Verify.KTLS == nil || !isSet(p.Verify.KTLS.Require, "offloaded") {
		return
	}
	k := p.Verify.KTLS
	for i, v := range k.Versions {
		if v == "TLSv1.3" {
			report(p.At("verify", "ktls", "versions", i), "offloaded is required of %s", v)
		}
	}
	for i, c := range k.Ciphers {
		if c == "ChaCha20-Poly1305" {
			report(p.At("verify", "ktls", "ciphers", i), "offloaded is required of %s", c)
		}
	}
}
