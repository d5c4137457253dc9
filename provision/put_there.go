// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"encoding/json"
	"fmt"

	"github.com/nicwright/nicwright/eswitch/bridge"
	"github.com/nicwright/nicwright/hostnet/vlan"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/provision/journal"
)

// putThere tells the kernel's bridges and their ports, and the VLANs, that a profile's operations in force,
// and those of the profiles whose place it took, put there: ports carry no mark, nor does what was just made.
func (r *Road) putThere(name string) (func(resource.ID) bool, error) {
	var ops []*journal.Operation
	for _, other := range append(r.alsoOwned(name), name) {
		ops = append(ops, journal.InForce(r.ops, other)...)
	}
	if open := journal.OpenOne(r.ops); open != nil && open.Kind == journal.Apply && open.Profile.Name == name {
		ops = append(ops, open)
	}
	put := map[resource.ID]bool{}
	for _, o := range ops {
		was, err := linksAndPorts(o.Before)
		if err != nil {
			return nil, fmt.Errorf("operation %s of the journal: %w", o.ID, err)
		}
		is, err := linksAndPorts(o.Want)
		if err != nil {
			return nil, fmt.Errorf("operation %s of the journal: %w", o.ID, err)
		}
		for id := range o.Touched {
			switch {
			case id.Kind == resource.Link && !o.Touched.Has(id, bridge.Present) && !o.Touched.Has(id, vlan.Present):
			case id.Kind != resource.Link && (id.Kind != resource.BridgePort || !o.Touched.Has(id, bridge.AttrPort)):
			case !is[id]:
				if !o.Open() { // what was interrupted may not have come to it
					delete(put, id)
				}
			case !was[id]:
				put[id] = true
			}
		}
	}
	return func(id resource.ID) bool { return put[id] }, nil
}

// linksAndPorts are the bridges and their ports, and the VLANs, that a want of the journal names.
func linksAndPorts(document json.RawMessage) (map[resource.ID]bool, error) {
	w, err := wantOf(document)
	if err != nil {
		return nil, err
	}
	all := map[resource.ID]bool{}
	for _, b := range w.Bridges {
		all[resource.OfLink(b.Name)] = true
		for id := range bridge.Ports([]bridge.Spec{b}) {
			all[resource.OfBridgePort(b.Name, id)] = true
		}
	}
	for _, v := range w.VLANs {
		all[resource.OfLink(v.Name)] = true
	}
	return all, nil
}
