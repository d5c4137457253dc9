// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
)

// State is Open vSwitch as its database has it.
type State struct {
	Running bool   `json:"running"`
	Reason  string `json:"reason,omitempty"` // why it is not running, and what to do
	Version string `json:"version,omitempty"`
	// HWOffload is other_config:hw-offload as configured. After it was set to false the
	// running ovs-vswitchd goes on offloading until it is restarted.
	HWOffload bool `json:"hw-offload"`
	// TCPolicy is other_config:tc-policy, "" where it is not set.
	TCPolicy string        `json:"tc-policy,omitempty"`
	Bridges  []BridgeState `json:"bridges"`
}

// BridgeState is a bridge; its internal port of the same name is not among
// Ports, which are sorted by ID.
type BridgeState struct {
	Name  string      `json:"name"`
	Ours  bool        `json:"ours"` // it carries external_ids:nicwright
	Ports []PortState `json:"ports"`
}

// PortState is one port of a bridge.
type PortState struct {
	Name      string `json:"name"`                // of the row in OVSDB
	Interface string `json:"interface,omitempty"` // the netdev it is on, by the name it had when the port was made
	// ID is what the port stands for: "bond/NAME", pci.Function.String() of a VF (its
	// representor) or a PF (its uplink), or "port/NAME" for anything else.
	ID   string `json:"id"`
	Ours bool   `json:"ours"` // it carries external_ids:nicwright
	// Netdev is the present name of what ID stands for, "" where that is gone. The port works
	// when Interface is that.
	Netdev   string `json:"netdev,omitempty"`
	Tag      *int   `json:"tag,omitempty"`
	Trunks   []int  `json:"trunks,omitempty"`
	VLANMode string `json:"vlan_mode,omitempty"`
	// OFPort is the OpenFlow port number: above 0 when it works, -1 when it does not, 0 when
	// ovs-vswitchd has not said yet.
	OFPort int    `json:"ofport"`
	Error  string `json:"error,omitempty"` // Interface.error
	// Bonded are the IDs of the interfaces of a bond that Open vSwitch itself makes.
	Bonded []string `json:"bonded,omitempty"`
}

// idBond and idPort begin the ID of what has no PCI identity.
const (
	idBond = "bond/"
	idPort = "port/"
)

// VLAN modes (ovs-vswitchd.conf.db(5), Port.vlan_mode) that a profile can say.
const (
	modeAccess = "access"
	modeTrunk  = "trunk"
)

// vlan is what a port does with VLANs, in plans: "access 100", "trunk 100,200",
// "trunk" (all VLANs), or another mode with its columns, which no profile says.
func (p PortState) vlan() string {
	switch {
	case p.Tag != nil && (p.VLANMode == "" || p.VLANMode == modeAccess):
		return accessText(*p.Tag) // ovs-vswitchd ignores trunks then
	case p.VLANMode == modeTrunk, p.VLANMode == "":
		return trunkText(p.Trunks)
	}
	tag := "no tag"
	if p.Tag != nil {
		tag = strconv.Itoa(*p.Tag)
	}
	return strings.TrimSpace(p.VLANMode + " " + tag + " " + numbers(p.Trunks))
}

func accessText(tag int) string { return modeAccess + " " + strconv.Itoa(tag) }

func trunkText(trunks []int) string { return strings.TrimSpace(modeTrunk + " " + numbers(trunks)) }

// numbers is sorted, without doubles, with commas between.
func numbers(n []int) string {
	n = slices.Compact(slices.Sorted(slices.Values(n)))
	words := make([]string, len(n))
	for i, v := range n {
		words[i] = strconv.Itoa(v)
	}
	return strings.Join(words, ",")
}

// parseVLAN reads what vlan wrote; ok is false for the modes no profile says.
func parseVLAN(s string) (tag *int, trunks []int, ok bool) {
	mode, list, _ := strings.Cut(s, " ")
	for _, w := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(w)
		if err != nil {
			return nil, nil, false
		}
		trunks = append(trunks, n)
	}
	switch {
	case mode == modeTrunk:
		return nil, trunks, true
	case mode == modeAccess && len(trunks) == 1:
		return &trunks[0], nil, true
	}
	return nil, nil, false
}

// vlan is what the profile says of the port's VLANs, "" for nothing.
func (p Port) vlan() string {
	switch {
	case p.Tag != nil:
		return accessText(*p.Tag)
	case p.Trunks != nil:
		return trunkText(p.Trunks)
	}
	return ""
}

// id is PortState.ID of the port wanted.
func (p Port) id() (string, error) {
	switch {
	case p.Bond != "" && p.VF == "" && p.Uplink == "":
		return idBond + p.Bond, nil
	case p.Bond == "" && (p.VF != "") != (p.Uplink != ""):
		f, err := pci.ParseFunction(p.VF + p.Uplink)
		if err != nil {
			return "", fmt.Errorf("OVS port %s: %w", p.Name, err)
		}
		if f.IsVF() != (p.VF != "") {
			return "", fmt.Errorf("OVS port %s: %s is named as the other kind of function: vf: wants a VF, uplink: a PF", p.Name, f)
		}
		return f.String(), nil
	}
	return "", fmt.Errorf("OVS port %s: exactly one of bond, vf and uplink has to be set", p.Name)
}

// Spec is the switch as a profile would say it. Of ports it has those that stand
// for a bond, a VF or an uplink; a VLAN mode that no profile says is left out,
// which leaves it alone.
func (s State) Spec() Spec {
	var spec Spec
	if !s.Running {
		return spec
	}
	spec.HWOffload = &s.HWOffload
	for _, b := range s.Bridges {
		bridge := Bridge{Name: b.Name}
		for _, p := range b.Ports {
			port := Port{Name: p.Name}
			if name, ok := strings.CutPrefix(p.ID, idBond); ok {
				port.Bond = name
			} else if f, err := pci.ParseFunction(p.ID); err != nil {
				continue
			} else if f.IsVF() {
				port.VF = p.ID
			} else {
				port.Uplink = p.ID
			}
			if tag, trunks, ok := parseVLAN(p.vlan()); ok && tag != nil {
				port.Tag = tag
			} else if ok {
				port.Trunks = append([]int{}, trunks...) // empty and not nil: all VLANs
			}
			bridge.Ports = append(bridge.Ports, port)
		}
		spec.Bridges = append(spec.Bridges, bridge)
	}
	return spec
}
