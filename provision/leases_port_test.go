// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/step"
)

// What a lease tells a port that the profile has of its own, and says nothing of, is
// as it was after the release: VLANs, limits and keys.
func TestLeaseTellsAPortForAWhile(t *testing.T) {
	f := newLeasing(t)
	f.want.OVS.Bridges[0].Ports[2].Tag = nil // spare, of p1/vf0
	spare := f.want.OVS.Bridges[0].Ports[2].VF
	for i := range f.want.Networks {
		if f.want.Networks[i].Name == "storage" {
			f.want.Networks[i].Settings = ovs.Settings{OtherConfig: map[string]string{"priority-tags": "always", "transient": ""}, IngressPolicingRate: new(50000)}
		}
	}
	f.apply(-1, f.name, f.want, Allowed{})
	port := func() *ovs.PortState {
		ports := f.m.Switch.Bridges[0].Ports
		return &ports[slices.IndexFunc(ports, func(p ovs.PortState) bool { return p.ID == spare })]
	}
	if err := tellPort(port(), "other_config transient", step.Text("true")); err != nil {
		t.Fatal(err)
	}
	if err := tellPort(port(), "ingress_policing_rate", step.Text("7000")); err != nil {
		t.Fatal(err)
	}
	before := f.m.copy(t)
	l := f.lease(LeaseRequest{Network: "storage", VM: "db"})
	if l.VF.String() != spare {
		t.Fatalf("the lease is of %s", l.VF)
	}
	is, _ := json.Marshal(port().Rest)
	if string(is) != `{"port":{"other_config":["map",[["priority-tags","always"]]]},"interfaces":[{"ingress_policing_rate":50000}]}` || len(port().Trunks) != 2 {
		t.Errorf("while it is leased, the port has %s, %s", is, port().VLANs())
	}
	if p := f.planned(); len(p) > 0 {
		t.Errorf("an apply would do %v", p)
	}
	f.release("db")
	if is, had := port(), before.Switch.Bridges[0].Ports[slices.IndexFunc(before.Switch.Bridges[0].Ports, func(p ovs.PortState) bool { return p.ID == spare })]; is.VLANs() != had.VLANs() || cmp.Diff(is.Rest, had.Rest) != "" {
		t.Errorf("after the release the port is %+v, %s, and was %+v, %s", is.Rest, is.VLANs(), had.Rest, had.VLANs())
	}
}

// Of a port of somebody else's, that the profile has not, likewise.
func TestLeaseOfAPortOfSomebodyElse(t *testing.T) {
	f := newLeasing(t)
	f.want.OVS.Bridges[0].Ports = slices.Delete(f.want.OVS.Bridges[0].Ports, 2, 3) // spare, of p1/vf0
	for i := range f.want.Networks {
		f.want.Networks[i].Settings = ovs.Settings{IngressPolicingRate: new(50000)}
	}
	f.apply(-1, f.name, f.want, Allowed{})
	theirs := ovs.PortState{ID: pci.VF(pf1, 0).String(), OFPort: 40, Rest: &ovs.Rest{Interfaces: []ovsdb.Columns{{"ingress_policing_rate": ovsdb.Atom(7000)}}}}
	theirs.Netdev = f.m.netdevOf(theirs.ID)
	theirs.Name, theirs.Interface = theirs.Netdev, theirs.Netdev
	b := &f.m.Switch.Bridges[0]
	b.Ports = append(b.Ports, theirs)
	slices.SortFunc(b.Ports, func(x, y ovs.PortState) int { return strings.Compare(x.ID, y.ID) })
	before := f.m.copy(t)
	l := f.lease(LeaseRequest{Network: "storage", VM: "db"})
	if l.VF.String() != theirs.ID {
		t.Fatalf("the lease is of %s", l.VF)
	}
	f.release("db")
	if d := cmp.Diff(before.Switch, f.m.copy(t).Switch); d != "" {
		t.Errorf("after the release the switch is another: %s", d)
	}
}
