// SPDX-License-Identifier: Apache-2.0

package vlan

import (
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// State is all VLAN netdevs of the network namespace whose netdev below is in it.
type State struct {
	VLANs []VLAN `json:"vlans,omitempty"` // by name
	// Others are the kinds (IFLA_INFO_KIND) of the netdevs of other names.
	Others map[string]string `json:"others,omitempty"`
}

// VLAN is one as it is.
type VLAN struct {
	Name     string      `json:"name"`
	On       resource.ID `json:"on"`
	ID       int         `json:"id"`
	Protocol string      `json:"protocol"`
	MTU      int         `json:"mtu"` // bytes
	Up       bool        `json:"up"`  // administratively
	Alias    string      `json:"alias,omitempty"`
	Owner    string      `json:"owner,omitempty"` // the profile whose mark it carries, "" for none
	Data     []byte      `json:"data,omitempty"`  // IFLA_INFO_DATA
	MAC      string      `json:"mac,omitempty"`   // where it is not that of the netdev below
	// Holds are the netdevs on it, or that it is a port of, by name.
	Holds []string `json:"holds,omitempty"`
}

// Which is which VLAN it is: "100 on bond/bond0".
func (v VLAN) Which() string { return v.spec().text() }

func (s State) vlan(name string) *VLAN {
	i := slices.IndexFunc(s.VLANs, func(v VLAN) bool { return v.Name == name })
	if i < 0 {
		return nil
	}
	return &s.VLANs[i]
}

// Observe makes the state of a look at the host.
func Observe(s *snapshot.Snapshot) State {
	ids := s.IDs()
	state := State{Others: map[string]string{}}
	for _, l := range s.Links {
		lower, has := s.Link(l.Lower)
		if l.Kind != "vlan" || !has {
			state.Others[l.Name] = l.Kind
			continue
		}
		id, protocol := rtlink.VLANOf(l.Data)
		v := VLAN{
			Name: l.Name, On: ids[l.Lower], ID: id, Protocol: nameOf(protocol), MTU: l.MTU, Up: l.Up,
			Alias: l.Alias, Owner: step.OwnerOf(l.Alias), Data: l.Data,
		}
		if l.MAC.String() != lower.MAC.String() {
			v.MAC = l.MAC.String()
		}
		for _, o := range s.Links {
			if o.Lower == l.Index || o.Index == l.Master && l.Master != 0 {
				v.Holds = append(v.Holds, o.Name)
			}
		}
		state.VLANs = append(state.VLANs, v)
	}
	slices.SortFunc(state.VLANs, func(a, b VLAN) int { return strings.Compare(a.Name, b.Name) })
	return state
}

// nameOf is a protocol by its name.
func nameOf(protocol int) string {
	for name, n := range protocols {
		if n == protocol {
			return name
		}
	}
	return DefaultProtocol
}
