// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/site"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/report"
)

type nothing struct{}

func (nothing) Plan(int)            {}
func (nothing) Start(string)        {}
func (nothing) Rate(int64, float64) {}
func (nothing) End(report.Judged)   {}

const p0, p1 = pci.Address("0001:3b:00.0"), pci.Address("0001:3b:00.1")

func link(a pci.Address, netdev string, up, carrier bool) eswitch.Port {
	return eswitch.Port{Address: a, Netdev: netdev, Up: up, Carrier: carrier}
}

// aRun has one cell, which holds, on one pair that the profile names, and touches no kernel.
func aRun(have report.Host) *run {
	from, to := pci.VF(p0, 0), pci.VF(p0, 1)
	r := newRun(Input{Profile: "a", Have: have, Quick: true, Want: &profiles.Want{
		Verify: &profiles.VerifySpec{Pairs: []profiles.PairSpec{{From: from.String(), To: to.String()}}},
	}}, nothing{})
	r.enter = func(_ context.Context, functions ...pci.Function) (*site.Site, error) {
		s := &site.Site{}
		for _, f := range functions {
			s.Places = append(s.Places, &site.Place{Function: f, Netdev: "eth"})
		}
		return s, nil
	}
	r.connect = func(_, _ *site.Place) func(context.Context) error {
		return func(context.Context) error { return nil }
	}
	r.leave = func(context.Context, *site.Site) error { return nil }
	r.cells = []cell{{
		kind: "ktls", fields: func(from, to string) []proof.Field { return []proof.Field{{Name: "from", Value: from}} },
		run: func(context.Context, *site.Place, *site.Place, func(int64, float64)) proof.Proof {
			return proof.Proof{Kind: "ktls", Verdict: proof.Offloaded}
		},
	}}
	return r
}

// What was proved is in the report, also when the VFs cannot be put back: and that is an error.
func TestProofsThatFailToLeaveAreKept(t *testing.T) {
	stuck := errors.New("the netdev does not come back")
	for _, tt := range []struct {
		name  string
		leave error
		ok    bool
	}{{"it leaves", nil, true}, {"it cannot", stuck, false}} {
		r := aRun(report.Host{})
		r.leave = func(context.Context, *site.Site) error { return tt.leave }
		err := r.end(t.Context(), r.all(t.Context()))
		if !errors.Is(err, tt.leave) || (err == nil) != tt.ok || r.OK != tt.ok || (r.Error == "") != tt.ok {
			t.Errorf("%s: %v; the report is %t, %q", tt.name, err, r.OK, r.Error)
		}
		if len(r.Proofs) != 1 || r.Proofs[0].Verdict != proof.Offloaded || len(r.Taken) != 1 {
			t.Errorf("%s: the report has the proofs %+v and %q", tt.name, r.Proofs, r.Taken)
		}
	}
}

// A run that is stopped puts back, keeps what it has, and is not verified.
func TestRunThatIsStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := aRun(report.Host{})
	left := false
	r.leave = func(ctx context.Context, _ *site.Site) error { left = true; return nil }
	first := r.cells[0]
	r.cells = []cell{first, first}
	run := first.run
	r.cells[0].run = func(ctx context.Context, a, b *site.Place, rate func(int64, float64)) proof.Proof {
		cancel()
		return run(ctx, a, b, rate)
	}
	err := r.end(ctx, r.all(ctx))
	if !errors.Is(err, context.Canceled) || r.OK || !left || len(r.Proofs) != 1 {
		t.Errorf("%v, ok %t, left %t, %d proofs", err, r.OK, left, len(r.Proofs))
	}
}

// Drift alone makes a report that is not verified.
func TestDriftIsNotVerified(t *testing.T) {
	r := newRun(Input{Want: &profiles.Want{}, Drift: []step.Step{{}}}, nothing{})
	if r.OK || len(r.Report.Drift) != 1 {
		t.Errorf("ok %t with %d steps", r.OK, len(r.Report.Drift))
	}
	if r = newRun(Input{Want: &profiles.Want{}}, nothing{}); !r.OK || r.Report.Drift == nil {
		t.Errorf("ok %t without, %v", r.OK, r.Report.Drift)
	}
}

// VFs that cannot reach one another fail every cell, and a port without a link is named first.
func TestNoWayNamesThePortWithoutALink(t *testing.T) {
	refused := errors.New("no route to host")
	for _, tt := range []struct {
		name string
		port eswitch.Port
		want string
	}{
		{"a link", link(p0, "p0", true, true), "no route to host"},
		{"a cable out", link(p0, "p0", true, false), "no link on p0 (0001:3b:00.0): no route to host"},
		{"down", link(p0, "p0", false, false), "p0 (0001:3b:00.0) is down: no route to host"},
	} {
		r := aRun(report.Host{Cards: []eswitch.Card{{Ports: []eswitch.Port{tt.port}}}})
		r.connect = func(_, _ *site.Place) func(context.Context) error {
			return func(context.Context) error { return refused }
		}
		if err := r.all(t.Context()); err != nil {
			t.Error(err)
		}
		if p := r.Proofs[0]; p.Verdict != proof.Failed || p.Reason != tt.want {
			t.Errorf("%s: %s, %q; want %q", tt.name, p.Verdict, p.Reason, tt.want)
		}
	}
}

// A VF that cannot be taken makes its cells impossible, and is no error.
func TestVFsThatCannotBeTaken(t *testing.T) {
	r := aRun(report.Host{})
	r.enter = func(context.Context, ...pci.Function) (*site.Site, error) { return nil, errors.New("it has a master") }
	if err := r.all(t.Context()); err != nil || len(r.Proofs) != 1 || r.Proofs[0].Verdict != proof.NotPossible || r.Proofs[0].Reason != "it has a master" {
		t.Errorf("%v, %+v", err, r.Proofs)
	}
}

// The ways out of a bridge: a bond with the PFs that are in it, or one PF's uplink.
func TestUplinks(t *testing.T) {
	have := report.Host{Bonds: []bond.Bond{{Name: "bond0", Members: []bond.Member{{ID: string(p0)}, {ID: string(p1)}, {ID: "netdev:eth7"}}}}}
	tag := 100
	b := ovs.Bridge{Ports: []ovs.Port{
		{Name: "out", Bond: "bond0", Trunks: []int{100}},
		{Name: "p1", Uplink: pci.PF(p1).String(), Tag: &tag},
		{Name: "vf", VF: pci.VF(p0, 0).String()},
		{Name: "none", Bond: "bond1"},
	}}
	got := uplinks(have, b)
	if len(got) != 2 || !slices.Equal(got[0].PFs, []pci.Address{p0, p1}) || !got[0].Carries(100) || got[0].Carries(200) {
		t.Errorf("the bond: %+v", got)
	}
	if len(got) == 2 && (!slices.Equal(got[1].PFs, []pci.Address{p1}) || got[1].Name != "p1" || !got[1].Carries(100) || got[1].Carries(0)) {
		t.Errorf("the uplink: %+v", got[1])
	}
}

// Frames cannot leave by ports none of which has a link; one that has is enough.
func TestNoWayOut(t *testing.T) {
	vf := pci.VF(p0, 0)
	have := report.Host{Cards: []eswitch.Card{{Ports: []eswitch.Port{link(p0, "p0", true, true), link(p1, "p1", true, false)}}}}
	bridge := func(ports ...ovs.Port) *ovs.Spec {
		return &ovs.Spec{Bridges: []ovs.Bridge{{Name: "br0", Ports: append(ports, ovs.Port{Name: "vf", VF: vf.String()})}}}
	}
	up := func(a pci.Address) ovs.Port { return ovs.Port{Name: string(a), Uplink: pci.PF(a).String()} }
	for _, tt := range []struct {
		name string
		f    pci.Function
		ovs  *ovs.Spec
		want string
	}{
		{"its own port", vf, nil, ""},
		{"its own port, without a link", pci.VF(p1, 0), nil, "no link on p1"},
		{"the bridge's other port", vf, bridge(up(p1)), "no link on p1 (0001:3b:00.1)"},
		{"both", vf, bridge(up(p0), up(p1)), ""},
	} {
		r := newRun(Input{Have: have, Want: &profiles.Want{OVS: tt.ovs}}, nothing{})
		if got := r.noWayOut(tt.f); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// What a VF is granted is what the card's port function says, and nothing in legacy mode.
func TestGranted(t *testing.T) {
	port := link(p0, "p0", true, true)
	port.VFs = []eswitch.VF{{Caps: map[string]bool{"ipsec_crypto": true}}, {}}
	r := newRun(Input{Want: &profiles.Want{}, Have: report.Host{Cards: []eswitch.Card{{Ports: []eswitch.Port{port}}}}}, nothing{})
	if got := r.granted(pci.VF(p0, 0)); !got["ipsec_crypto"] {
		t.Errorf("got %v", got)
	}
	for _, f := range []pci.Function{pci.VF(p0, 1), pci.VF(p0, 2), pci.VF(p1, 0), pci.PF(p0)} {
		if got := r.granted(f); got != nil {
			t.Errorf("%s: %v", f, got)
		}
	}
}
