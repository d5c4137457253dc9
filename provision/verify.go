// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"nicwright/crypto"
	"nicwright/internal/pci"
	"nicwright/internal/proof"
	"nicwright/internal/step"
	"nicwright/profiles"
)

// VerifyReport is what verify found.
type VerifyReport struct {
	Profile string         `json:"profile"`
	Started time.Time      `json:"started"`
	Seconds float64        `json:"seconds"`
	Kernel  string         `json:"kernel"` // uname -r
	Quick   bool           `json:"quick"`
	OK      bool           `json:"ok"`    // the host is as wanted, and every verdict is what the profile requires
	Drift   []step.Step    `json:"drift"` // what apply would change
	Taken   []string       `json:"taken"` // which VFs were taken for the proofs and why, one line each
	Proofs  []Judged       `json:"proofs"`
	Host    Host           `json:"-"` // for the picture of the topology
	Want    *profiles.Want `json:"-"`
}

// Judged is a proof with what the profile requires of it.
type Judged struct {
	proof.Proof
	Require proof.Verdict `json:"require,omitempty"` // "": any verdict but failed will do
	OK      bool          `json:"ok"`
}

// AppliedWant is what the last finished apply wanted.
func AppliedWant(state StateDir) (*profiles.Want, error) {
	a, err := state.Applied()
	if err != nil {
		return nil, err
	}
	if a == nil {
		return nil, errors.New("no profile has been applied here: name one with -p, or apply one first")
	}
	return a.Want, nil
}

// Verify looks whether the host is as want says and runs the proofs it asks
// for. An error means that it could not look; what it found is in the report.
// progress is told of every cell.
func Verify(ctx context.Context, state StateDir, want func(Host) (*profiles.Want, error), progress Progress) (*VerifyReport, error) {
	started := time.Now()
	// What a killed verify left is put back first: its VFs would look used.
	if err := crypto.CleanProofs(ctx); err != nil {
		return nil, err
	}
	plan, have, err := PlanHost(ctx, state, want)
	if err != nil {
		return nil, err
	}
	r := &VerifyReport{Profile: plan.Want.Profile, Started: started.UTC(), Want: plan.Want, Host: have, Drift: plan.Steps, OK: len(plan.Steps) == 0}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return nil, fmt.Errorf("asking the kernel for its release: %w", err)
	}
	r.Kernel = unix.ByteSliceToString(uts.Release[:])
	spec := crypto.KTLSSpec{}
	if plan.Want.Verify != nil && plan.Want.Verify.KTLS != nil {
		spec = *plan.Want.Verify.KTLS
	}
	ciphers := spec.Ciphers
	if len(ciphers) == 0 {
		ciphers = []string{crypto.DefaultCipher}
	}
	from, to, err := pair(have, plan.Want, spec)
	progress.Plan(len(ciphers))
	for _, cipher := range ciphers {
		p := crypto.NotPossibleHere(from, to, cipher, err)
		if err == nil {
			progress.Start(Judged{Proof: cell(p)}.Name())
			p = crypto.ProveKTLS(ctx, crypto.ProofRequest{From: from, To: to, Cipher: cipher, Bytes: spec.Bytes})
		}
		j := Judged{Proof: cell(p)}
		if spec.Require != nil {
			j.Require = proof.Verdict(*spec.Require)
		}
		j.OK = j.Require == "" && j.Verdict != proof.Failed || j.Require == j.Verdict
		r.OK = r.OK && j.OK
		r.Proofs = append(r.Proofs, j)
		progress.End(j)
	}
	r.Seconds = time.Since(started).Seconds()
	return r, ctx.Err()
}

// cell is a proof of crypto as a cell of the matrix.
func cell(p crypto.Proof) proof.Proof {
	out := proof.Proof{
		Kind: "ktls",
		Cell: []proof.Field{
			{Name: "version", Value: "1.2"},
			{Name: "cipher", Value: p.Cipher},
			{Name: "from", Value: p.From.String()},
			{Name: "to", Value: p.To.String()},
		},
		Verdict: proof.Verdict(p.Verdict), Reason: p.Reason, Bytes: p.Received, Seconds: p.Seconds,
	}
	if p.Sent > 0 {
		out.Seen = []proof.Field{{Name: "txconf", Value: p.Sender.Tx.String()}, {Name: "rxconf", Value: p.Sender.Rx.String()}}
	}
	for _, c := range p.Device {
		out.Counters = append(out.Counters, proof.Counter{Where: p.From.String(), Name: c.Name, Before: c.Before, After: c.After})
	}
	for _, c := range p.Kernel {
		out.Counters = append(out.Counters, proof.Counter{Where: "/proc/net/tls_stat", Name: c.Name, Before: c.Before, After: c.After})
	}
	return out
}

// pair is the two VFs between which the proof runs: those the profile names,
// else the first two with a netdev that share a VLAN on the switch, else, without
// a switch, the first two of one port.
func pair(have Host, want *profiles.Want, spec crypto.KTLSSpec) (from, to pci.Function, err error) {
	if spec.From != "" && spec.To != "" {
		if from, err = pci.ParseFunction(spec.From); err == nil {
			to, err = pci.ParseFunction(spec.To)
		}
		return from, to, err
	}
	var groups [][]pci.Function
	if want.OVS != nil && len(want.OVS.Bridges) > 0 {
		groups = sharedVLANs(want)
	} else {
		for _, c := range have.Cards {
			for _, p := range c.Ports {
				var all []pci.Function
				for _, vf := range p.VFs {
					all = append(all, pci.VF(p.Address, vf.Index))
				}
				groups = append(groups, all)
			}
		}
	}
	for _, g := range groups {
		g = slices.DeleteFunc(g, func(f pci.Function) bool { return !have.usable(f) })
		if len(g) >= 2 {
			return g[0], g[1], nil
		}
	}
	return from, to, errors.New("no two VFs with a netdev can reach one another: give a port of the profile two VFs that are bound to mlx5_core and, with Open vSwitch, in the same VLAN")
}

// sharedVLANs are the VFs behind access ports, by bridge and VLAN, in the order
// of the profile.
func sharedVLANs(want *profiles.Want) [][]pci.Function {
	type vlan struct {
		bridge string
		tag    int
	}
	groups := map[vlan][]pci.Function{}
	var order []vlan
	for _, b := range want.OVS.Bridges {
		for _, p := range b.Ports {
			f, err := pci.ParseFunction(p.VF)
			if p.VF == "" || err != nil {
				continue
			}
			v := vlan{bridge: b.Name}
			if p.Tag != nil {
				v.tag = *p.Tag
			}
			if groups[v] == nil {
				order = append(order, v)
			}
			groups[v] = append(groups[v], f)
		}
	}
	var out [][]pci.Function
	for _, v := range order {
		out = append(out, groups[v])
	}
	return out
}

// usable tells whether a VF has a netdev here; whether that is free the proof
// itself finds out.
func (h Host) usable(f pci.Function) bool {
	p := h.port(f.PF)
	return p != nil && f.VF < len(p.VFs) && p.VFs[f.VF].Netdev != ""
}
