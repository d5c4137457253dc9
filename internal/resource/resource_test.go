// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"slices"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/pci"
)

const pf = pci.Address("0000:3b:00.0")

func all() map[string]ID {
	return map[string]ID{
		"pci/0000:3b:00.0":                               OfFunction(pci.PF(pf)),
		"pci/0000:3b:00.0/vf/3":                          OfFunction(pci.VF(pf, 3)),
		"pci/0000:3b:00.0/sf/88":                         OfSF(pf, 88),
		"pci/0000:3b:00.0/netdev":                        OfNetdev(pci.PF(pf)),
		"pci/0000:3b:00.0/vf/3/netdev":                   OfNetdev(pci.VF(pf, 3)),
		"pci/0000:3b:00.0/vf/3/representor":              OfRepresentor(pci.VF(pf, 3)),
		"pci/0000:3b:00.0/sf/0/representor":              {Kind: Representor, Function: pci.PF(pf), IsSF: true},
		"netdevsim/netdevsim10/vf/0":                     OfFunction(pci.VF("netdevsim/netdevsim10", 0)),
		"bond/bond0":                                     OfBond("bond0"),
		"ovs":                                            OfSwitch(),
		"ovs/br0":                                        OfBridge("br0"),
		"bridge/vmbr0/pci/0000:3b:00.0/vf/1/representor": OfBridgePort("vmbr0", OfRepresentor(pci.VF("0000:3b:00.0", 1))),
		"bridge/vmbr0/bond/bond0":                        OfBridgePort("vmbr0", OfBond("bond0")),
		"ovs/br0/bond/bond0":                             OfSwitchPort("br0", "bond/bond0"),
		"ovs/br0/pci/0000:3b:00.0/vf/1":                  OfSwitchPort("br0", "pci/0000:3b:00.0/vf/1"),
		"link/vmbr0":                                     OfLink("vmbr0"),
		"flow/br0/table=0,priority=1,in_port=bond/bond0": OfFlow("br0", "table=0,priority=1,in_port=bond/bond0"),
	}
}

func TestTextIsReadBack(t *testing.T) {
	for text, id := range all() {
		if got := id.String(); got != text {
			t.Errorf("%+v is %q, want %q", id, got, text)
		}
		if got, err := Parse(text); err != nil || got != id {
			t.Errorf("%q is %+v, %v; want %+v", text, got, err, id)
		}
	}
}

func TestWhatNamesNoResource(t *testing.T) {
	for _, s := range []string{"", "bond", "bond/", "bond/a/b", "ovs/", "ovs/br0/", "link/", "flow/br0", "flow/br0/", "flow//table=0", "bridge/vmbr0", "bridge/vmbr0/", "bridge//link/a", "bridge/vmbr0/pci/0000:3b:00.0", "bridge/a/bridge/b/link/c", "host/x", "eth0", "pci/3", "pci/0000:3b:00.0/vf/3/sf/1", "pci/0000:3b:00.0/sf/x"} {
		if id, err := Parse(s); err == nil {
			t.Errorf("%q is %+v", s, id)
		}
	}
}

func TestOrder(t *testing.T) {
	want := []string{
		"pci/0000:3b:00.0/netdev", "pci/0000:3b:00.0", "pci/0000:3b:00.0/sf/88", "pci/0000:3b:00.0/vf/3/netdev",
		"pci/0000:3b:00.0/vf/3/representor", "pci/0000:3b:00.0/vf/3", "bond/bond0", "link/vmbr0", "ovs/br0",
	}
	ids := make([]ID, len(want))
	for i, s := range want {
		ids[len(want)-1-i] = all()[s]
	}
	slices.SortFunc(ids, Compare)
	var got []string
	for _, id := range ids {
		got = append(got, id.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func FuzzParse(f *testing.F) {
	for text := range all() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := Parse(s)
		if err != nil {
			return
		}
		if again, err := Parse(id.String()); err != nil || again != id {
			t.Errorf("%q is %+v, and its text %q is %+v, %v", s, id, id, again, err)
		}
	})
}
