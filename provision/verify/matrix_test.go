// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/profiles"
)

func TestPairs(t *testing.T) {
	var small Host
	golden.Read(t, "testdata/hosts/small.yaml", &small)
	profile := func(text string) *profiles.Want {
		p, err := profiles.Load(profiles.Options{Name: "testdata/plan/" + text + "/want.yaml"})
		if err != nil {
			t.Fatal(err)
		}
		w, err := profiles.Resolve(p, small.CardInfos())
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	p0, p1 := pci.Address("0001:3b:00.0"), pci.Address("0001:3b:00.1")
	apart := profile("other-vlan")
	apart.OVS.Bridges[0].Ports = apart.OVS.Bridges[0].Ports[2:4] // one VF in each VLAN
	var noDriver Host
	golden.Read(t, "testdata/hosts/small.yaml", &noDriver)
	noDriver.Cards[0].Ports[0].VFs[0].Netdev, noDriver.Cards[0].Ports[0].VFs[0].Driver = "", "vfio-pci"
	named := profile("converged")
	named.Verify = &profiles.VerifySpec{Pairs: []profiles.PairSpec{{From: pci.VF(p1, 1).String(), To: pci.VF(p0, 0).String()}, {From: pci.VF(p0, 0).String(), To: pci.VF(p1, 1).String()}}}
	for _, tt := range []struct {
		name   string
		have   Host
		want   *profiles.Want
		quick  bool
		busy   pci.Function // the zero Function is none: that is a VF 0 of no port
		pairs  string
		passed string
	}{
		{"of one port, and of two", small, profile("converged"), false, pci.Function{}, "p0/0-p0/1 p0/0-p1/0", ""},
		{"quick", small, profile("converged"), true, pci.Function{}, "p0/0-p0/1", ""},
		{"one without a netdev is left out", noDriver, profile("converged"), false, pci.Function{}, "p1/0-p1/1 p0/1-p1/0", `vf/0 was passed over: it has no netdev in this network namespace, and the driver "vfio-pci"`},
		{"one in use is left out", small, profile("converged"), false, pci.VF(p0, 1), "p1/0-p1/1 p0/0-p1/0", "vf/1 was passed over: in use"},
		{"those that are named", small, named, false, pci.VF(p0, 1), "p1/1-p0/0 p0/0-p1/1", ""},
		{"the first of those that are named", small, named, true, pci.Function{}, "p1/1-p0/0", ""},
		{"without a switch of one port", small, &profiles.Want{}, false, pci.Function{}, "p0/0-p0/1", ""},
		{"never of two VLANs", small, apart, false, pci.Function{}, "", ""},
		{"no card", Host{}, profile("converged"), false, pci.Function{}, "", "it is not there"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newChooser(tt.have, tt.want, func(_ context.Context, f pci.Function) error {
				if f == tt.busy {
					return errors.New("in use")
				}
				return nil
			})
			found, err := c.pairs(t.Context(), tt.quick)
			var got []string
			for _, p := range found {
				got = append(got, p.from.String()+"-"+p.to.String())
				if p.why == "" {
					t.Error("a pair was taken, and it does not say why")
				}
			}
			short := strings.NewReplacer("pci/"+string(p0), "p0", "pci/"+string(p1), "p1", "/vf", "").Replace(strings.Join(got, " "))
			if short != tt.pairs || (err != nil) != (tt.pairs == "") {
				t.Errorf("got %q, %v; want %q", short, err, tt.pairs)
			}
			if all := strings.Join(c.passed, "\n"); !strings.Contains(all, tt.passed) || tt.passed == "" && all != "" {
				t.Errorf("passed over: %q, want %q", all, tt.passed)
			}
		})
	}
}

// The default matrix has every version, cipher and direction, and asks nothing of what no kernel offloads.
func TestMatrix(t *testing.T) {
	offloaded := "offloaded"
	names := func(v *profiles.VerifySpec, quick bool) (all, required []string) {
		for _, c := range matrix(&profiles.Want{Verify: v}, quick) {
			n := name(c.kind, c.fields("A", "B"))
			all = append(all, n)
			if c.require != "" {
				required = append(required, n)
			}
		}
		return all, required
	}
	all, required := names(nil, false)
	if len(all) < 12 || len(required) != 0 {
		t.Errorf("by default %d cells, %d of them required", len(all), len(required))
	}
	_, required = names(&profiles.VerifySpec{KTLS: &crypto.KTLSSpec{Require: &offloaded}}, false)
	want := "ktls TLSv1.2 AES-128-GCM tx A B,ktls TLSv1.2 AES-128-GCM rx A B,ktls TLSv1.2 AES-256-GCM tx A B,ktls TLSv1.2 AES-256-GCM rx A B"
	if got := strings.Join(required, ","); got != want {
		t.Errorf("required are %s", got)
	}
	all, _ = names(&profiles.VerifySpec{KTLS: &crypto.KTLSSpec{Versions: []string{"TLSv1.3"}, Ciphers: []string{"AES-256-GCM"}, Directions: []string{"rx"}}}, false)
	if len(all) == 0 || all[0] != "ktls TLSv1.3 AES-256-GCM rx A B" {
		t.Errorf("asked for one cell, got %v", all)
	}
	if all, _ = names(nil, true); len(all) > 3 {
		t.Errorf("the quick matrix has %d cells", len(all))
	}
}

func TestJudged(t *testing.T) {
	for _, tt := range []struct {
		verdict, require proof.Verdict
		ok               bool
	}{
		{proof.Offloaded, "", true},
		{proof.Software, "", true},
		{proof.NotPossible, "", true},
		{proof.Failed, "", false},
		{proof.Offloaded, proof.Offloaded, true},
		{proof.Software, proof.Offloaded, false},
		{proof.NotPossible, proof.Offloaded, false},
		{proof.Offloaded, proof.Software, false},
		{proof.Failed, proof.Holds, false},
	} {
		r := &VerifyReport{OK: true}
		r.judge(proof.Proof{Verdict: tt.verdict}, tt.require, nothing{})
		if r.OK != tt.ok || r.Proofs[0].OK != tt.ok {
			t.Errorf("%s where %q is required: %t", tt.verdict, tt.require, r.OK)
		}
	}
}

type nothing struct{}

func (nothing) Plan(int)            {}
func (nothing) Start(string)        {}
func (nothing) Rate(int64, float64) {}
func (nothing) End(Judged)          {}
