// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/report"
)

func TestPairs(t *testing.T) {
	var small report.Host
	golden.Read(t, "../report/testdata/hosts/small.yaml", &small)
	profile := func(text string) *profiles.Want {
		p, err := profiles.Load(profiles.Options{Name: "testdata/" + text + ".yaml"})
		if err != nil {
			t.Fatal(err)
		}
		w, err := profiles.Resolve(p, cardInfos(small))
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	p0, p1 := pci.Address("0001:3b:00.0"), pci.Address("0001:3b:00.1")
	apart := profile("other-vlan")
	apart.OVS.Bridges[0].Ports = apart.OVS.Bridges[0].Ports[2:4] // one VF in each VLAN
	var noDriver report.Host
	golden.Read(t, "../report/testdata/hosts/small.yaml", &noDriver)
	noDriver.Cards[0].Ports[0].VFs[0].Netdev, noDriver.Cards[0].Ports[0].VFs[0].Driver = "", "vfio-pci"
	named := profile("converged")
	named.Verify = &profiles.VerifySpec{Pairs: []profiles.PairSpec{{From: pci.VF(p1, 1).String(), To: pci.VF(p0, 0).String()}, {From: pci.VF(p0, 0).String(), To: pci.VF(p1, 1).String()}}}
	for _, tt := range []struct {
		name   string
		have   report.Host
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
		{"no card", report.Host{}, profile("converged"), false, pci.Function{}, "", "it is not there"},
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

// cardInfos is what a profile's selectors look at.
func cardInfos(h report.Host) []profiles.CardInfo {
	var infos []profiles.CardInfo
	for _, c := range h.Cards {
		info := profiles.CardInfo{Serial: c.Serial, Model: c.Model, VendorID: c.VendorID, DeviceID: c.DeviceID}
		for _, p := range c.Ports {
			info.Ports = append(info.Ports, profiles.PortInfo{Address: p.Address, Number: p.Number, NumVFs: p.NumVFs})
		}
		infos = append(infos, info)
	}
	return infos
}
