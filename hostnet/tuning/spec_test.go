// SPDX-License-Identifier: Apache-2.0

package tuning

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// every is a value of each attribute.
func every() Values {
	v := Values{flagPrefix + "rx_cqe_compress": "on", featurePrefix + "rx-lro": "off"}
	for i, a := range attributes() {
		switch {
		case a.word != nil:
			v[a.name] = "rs"
		case a.onOff:
			v[a.name] = onOff(i%2 == 0)
		default:
			v[a.name] = "100" + string(rune('0'+i%10))
		}
	}
	return v
}

// Each attribute has a place in the spec of a PF or of a VF, and is read from where it was put.
func TestSpecsHaveAllAttributes(t *testing.T) {
	var uplink UplinkSpec
	whole{Spec: &uplink.Spec, Pause: &uplink.Pause, FEC: &uplink.FEC}.set(every())
	want := every()
	delete(want, attrMTU)
	if d := cmp.Diff(want, uplink.Values()); d != "" {
		t.Errorf("of a PF (-want +got)\n%s", d)
	}
	want = every()
	maps.DeleteFunc(want, func(name, _ string) bool {
		a, _ := find(name)
		return a.setting == ethtool.Pause || a.setting == ethtool.FEC
	})
	if d := cmp.Diff(want, vfSpecOf(every()).Values()); d != "" {
		t.Errorf("of a VF (-want +got)\n%s", d)
	}
}

func TestLayAndCommon(t *testing.T) {
	under := vfSpecOf(Values{"rings rx": "1", "rings tx": "2", featurePrefix + "a": "on", flagPrefix + "f": "on"})
	over := vfSpecOf(Values{"rings rx": "9", featurePrefix + "b": "off", attrMTU: "9000"})
	want := Values{"rings rx": "9", "rings tx": "2", featurePrefix + "a": "on", featurePrefix + "b": "off", flagPrefix + "f": "on", attrMTU: "9000"}
	if d := cmp.Diff(want, Lay(over, under).Values()); d != "" {
		t.Errorf("laid (-want +got)\n%s", d)
	}
	if len(under.Features) != 1 || len(over.Features) != 1 {
		t.Error("what was laid was written to")
	}
	common, rest := Common([]VFSpec{under, Lay(over, under)})
	if d := cmp.Diff(Values{"rings tx": "2", featurePrefix + "a": "on", flagPrefix + "f": "on"}, common.Values()); d != "" {
		t.Errorf("common (-want +got)\n%s", d)
	}
	if d := cmp.Diff([]Values{{"rings rx": "1"}, {"rings rx": "9", featurePrefix + "b": "off", attrMTU: "9000"}}, []Values{rest[0].Values(), rest[1].Values()}); d != "" {
		t.Errorf("the rest (-want +got)\n%s", d)
	}
}

func TestObserve(t *testing.T) {
	pf, vf := pci.PF("0000:3b:00.0"), pci.VF("0000:3b:00.0", 1)
	sf := uint32(3)
	s := &snapshot.Snapshot{
		Links: []rtlink.Link{
			{Index: 2, Name: "p0", MTU: 9000, MaxMTU: 9978}, {Index: 3, Name: "v1", MTU: 1400, MaxMTU: 9978},
		},
		Netdevs: []netdev.Link{
			{Name: "p0", Index: 2, Function: pf},
			{Name: "v1", Index: 3, Function: vf},
			{Name: "r1", Index: 4, Function: vf, Representor: true},
			{Name: "s3", Index: 5, Function: pf, SF: &sf},
		},
		Driver: map[int]map[ethtool.Setting]ethtool.Reading{2: {
			ethtool.Rings:        {Now: ethtool.Numbers{"rx": 1024, "cqe-size": 64}, Most: ethtool.Numbers{"rx": 8192}},
			ethtool.Coalesce:     {Now: ethtool.Numbers{"adaptive-rx": 1, "rx-usecs": 8}},
			ethtool.FEC:          {Now: ethtool.Numbers{"auto": 0, "off": 1, "rs": 1, "baser": 0, "llrs": 0}},
			ethtool.PrivateFlags: {Now: ethtool.Numbers{"rx_cqe_compress": 0}},
		}},
		PFs: []snapshot.PF{{Address: "0000:3b:00.0", Driver: "mlx5_core", VFs: []snapshot.VF{
			{Address: "0000:3b:00.2"}, {Address: "0000:3b:00.3", Driver: "mlx5_core"}, {Address: "0000:3b:00.4", Driver: "vfio-pci"}, {Address: "0000:3b:00.5", Driver: "mlx5_core"},
		}}},
	}
	want := map[pci.Function]State{
		pf: {
			Netdev: "p0", Values: Values{"rings rx": "1024", "coalesce adaptive-rx": "on", "coalesce rx-usecs": "8", "fec": "off+rs", "private_flags rx_cqe_compress": "off"},
			Most: map[string]int{"rings rx": 8192}, Fixed: Values{},
		},
		vf:                        {Netdev: "v1", Values: Values{"mtu": "1400"}, Most: map[string]int{"mtu": 9978}, Fixed: Values{}},
		pci.VF("0000:3b:00.0", 0): {Absent: snapshot.NoDriver},
		pci.VF("0000:3b:00.0", 2): {Absent: "its driver is vfio-pci, which makes no netdev here"},
		pci.VF("0000:3b:00.0", 3): {Absent: "its netdev is in another network namespace"},
	}
	if d := cmp.Diff(want, Observe(s)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// What is asked for wins over what was before; that is put back where nobody asks.
func TestFillKeepOver(t *testing.T) {
	vf := pci.VF("0000:3b:00.0", 1)
	of := func(v, before Values) map[pci.Function]Want { return map[pci.Function]Want{vf: {v, before}} }
	filled := Fill(of(Values{"rings rx": "1"}, nil), of(Values{"rings rx": "2", "mtu": "9000"}, Values{"mtu": "1500", "rings tx": "5"}), nil)
	if d := cmp.Diff(of(Values{"rings rx": "1"}, Values{"mtu": "9000", "rings tx": "5"}), filled); d != "" {
		t.Errorf("filled (-want +got)\n%s", d)
	}
	if got := Told(filled)[resource.OfNetdev(vf)]; !slices.Equal(got, []string{"mtu", "rings rx", "rings tx"}) {
		t.Errorf("told %v", got)
	}
	kept := Keep(filled, func(id resource.ID, attribute string) bool { return id == resource.OfNetdev(vf) && attribute == "mtu" })
	if d := cmp.Diff(of(nil, Values{"mtu": "9000"}), kept); d != "" {
		t.Errorf("kept (-want +got)\n%s", d)
	}
	if d := cmp.Diff(of(Values{"mtu": "9", "rings rx": "2"}, nil), Over(of(Values{"mtu": "9"}, nil), of(Values{"mtu": "8", "rings rx": "2"}, nil))); d != "" {
		t.Errorf("laid over (-want +got)\n%s", d)
	}
}

func TestForeignSteps(t *testing.T) {
	d := NewDoer(nil)
	if err := d.Do(t.Context(), []step.Step{{Resource: resource.OfBond("bond0"), Attribute: "rings rx"}}); err == nil {
		t.Error("a bond has rings")
	}
}
