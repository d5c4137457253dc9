// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/bridge"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/vlans"
)

// Network is VFs that are leased to machines (nicwright vf lease), and what each of
// them has while it is leased.
type Network struct {
	// Name of the network, by which a lease asks for it and layers merge. Letters, digits, ".", "_" and "-".
	Name string `json:"name" jsonschema:"required,minLength=1,maxLength=64,pattern=^[A-Za-z0-9][A-Za-z0-9._-]*$"`
	// VFs that can be leased, in this order: CARD/PORT/vfN, CARD/PORT/vfN-M, or CARD/PORT/RANGE with the
	// name of a range. A VF may be in several networks: it follows that of its lease.
	VFs []string `json:"vfs" jsonschema:"required,uniqueItems=true"`
	// Bridge of the profile, of Open vSwitch or of the kernel, that a leased VF's representor is a port of (switchdev only).
	Bridge string `json:"bridge,omitempty" jsonschema:"minLength=1,maxLength=15"`
	// Tag makes an access port of this VLAN, 1..4094, as at a port of a bridge (switchdev only).
	Tag *int `json:"tag,omitempty" jsonschema:"minimum=1,maximum=4094"`
	// Trunks makes a trunk of these VLANs, 1..4094 each, and ranges of them, as at a port of a bridge (switchdev only).
	Trunks vlans.List `json:"trunks,omitzero" jsonschema:"uniqueItems=true"`
	// VLANMode is that of a port of a bridge (switchdev only). A bridge of the kernel has no dot1q-tunnel.
	VLANMode string `json:"vlan_mode,omitempty" jsonschema:"enum=access,enum=trunk,enum=native-tagged,enum=native-untagged,enum=dot1q-tunnel"`
	// What else the port of a bridge is told (switchdev only).
	ovs.Settings
	// VLAN that isolates the VF, 0 = none (legacy mode only).
	VLAN *int `json:"vlan,omitempty" jsonschema:"minimum=0,maximum=4094"`
	// QoS is the priority of that VLAN (legacy mode only).
	QoS *int `json:"qos,omitempty" jsonschema:"minimum=0,maximum=7"`
	// SpoofChk: the VF may send with its own MAC address only (legacy mode only).
	SpoofChk *bool `json:"spoofchk,omitempty"`
	// Trust: the VF may be promiscuous and change its MAC address (legacy mode only).
	Trust *bool `json:"trust,omitempty"`
	// MinTxRate is the VF's guaranteed rate in Mbit/s, 0 = none.
	MinTxRate *int `json:"min_tx_rate,omitempty" jsonschema:"minimum=0"`
	// MaxTxRate is the VF's highest rate in Mbit/s, 0 = no limit.
	MaxTxRate *int `json:"max_tx_rate,omitempty" jsonschema:"minimum=0"`
	// RateGroup is the name of the rate group, of each port that the network has VFs of, that a leased VF is in (switchdev only).
	RateGroup *string `json:"rate-group,omitempty" jsonschema:"minLength=1"`
	// Driver that a leased VF is bound to.
	Driver *string `json:"driver,omitempty" jsonschema:"enum=mlx5_core,enum=vfio-pci,enum=mlx5_vfio_pci,enum=none"`
}

// Of vlan_mode (vswitch.ovsschema, Port).
const (
	nativeTagged = "native-tagged"
	tunnel       = "dot1q-tunnel"
)

// Function is what the network says of a leased VF itself; up is the representor's,
// which a port of a switch has to be.
func (n Network) Function() eswitch.FunctionSpec {
	f := eswitch.FunctionSpec{
		VLAN: n.VLAN, QoS: n.QoS, SpoofChk: n.SpoofChk, Trust: n.Trust,
		MinTxRate: n.MinTxRate, MaxTxRate: n.MaxTxRate, RateGroup: n.RateGroup, Driver: n.Driver,
	}
	if n.Bridge != "" {
		up := true
		f.RepresentorUp = &up
	}
	return f
}

// Port is the port of the switch that a leased VF has; the zero Port without a bridge.
func (n Network) Port(vf pci.Function, name string) ovs.Port {
	if n.Bridge == "" {
		return ovs.Port{}
	}
	return ovs.Port{Name: name, VF: vf.String(), Tag: n.Tag, Trunks: n.Trunks, VLANMode: n.VLANMode, Settings: n.Settings}
}

// KernelPort is the same where the bridge is the kernel's: the tag of an access port is its PVID and leaves
// without a tag, that of a native-tagged port leaves with one.
func (n Network) KernelPort(vf pci.Function, name string) bridge.Port {
	port := bridge.Port{Name: name, VF: vf.String(), PVID: n.Tag, Trunks: slices.Clone(n.Trunks)}
	if n.Tag == nil {
		return port
	}
	port.Trunks = slices.DeleteFunc(port.Trunks, func(v int) bool { return v == *n.Tag })
	if n.VLANMode == nativeTagged {
		port.Trunks = append(port.Trunks, *n.Tag)
		slices.Sort(port.Trunks)
	} else {
		port.Untagged = vlans.List{*n.Tag}
	}
	return port
}

// vfsOf are the VFs that an entry of a network's vfs means.
func (p *Profile) vfsOf(s string) (vfRef, error) {
	if vfPattern.MatchString(s) {
		return p.checkVF(s)
	}
	i := strings.LastIndex(s, "/")
	ref, err := parsePortRef(s[:max(i, 0)])
	if err != nil {
		return vfRef{}, fmt.Errorf("%q is not CARD/PORT/vfN, CARD/PORT/vfN-M or CARD/PORT/RANGE, as in nic0/p0/vf0-3 and nic0/p0/machines", s)
	}
	port, err := p.find(ref)
	if err != nil {
		return vfRef{}, err
	}
	var names []string
	for _, r := range port.VFList.Ranges {
		names = append(names, r.Name)
		if r.Name == s[i+1:] {
			first, last, err := r.bounds()
			return vfRef{ref, first, last}, err
		}
	}
	return vfRef{}, fmt.Errorf("port %s has no range %q (it has: %s)%s", ref, s[i+1:], orNone(names), didYouMean(s[i+1:], names))
}

// networkRules are of what is leased.
func networkRules() []rule {
	return []rule{
		{"NW021", "a network has VFs: those are VFs of the profile, each once", "", checkNetworkVFs},
		{
			"NW022", "in switchdev the VLAN of a leased VF is that of its port of a bridge (bridge, tag, trunks), in legacy mode the VF's own (vlan)",
			"drivers/net/ethernet/mellanox/mlx5/core/esw/legacy.c, mlx5_eswitch_set_vport_vlan", checkNetworkMode,
		},
		{"NW023", "the bridge of a network is one of the profile's, and tag, trunks and vlan_mode are what a port of a bridge can have", "", checkNetworkSwitch},
	}
}

func checkNetworkVFs(p *Profile, report report) {
	for i, n := range p.Networks {
		if len(n.VFs) == 0 {
			report(p.At("networks", i, "vfs"), "network %s has no VFs", n.Name)
		}
		seen := map[string]bool{}
		for j, s := range n.VFs {
			r, err := p.vfsOf(s)
			if err != nil {
				report(p.At("networks", i, "vfs", j), "network %s: %v", n.Name, err)
				continue
			}
			for k := r.first; k <= r.last; k++ {
				one := fmt.Sprintf("%s/vf%d", r.portRef, k)
				if seen[one] {
					report(p.At("networks", i, "vfs", j), "network %s has %s twice", n.Name, one)
					break
				}
				seen[one] = true
			}
		}
	}
}

// legacyOnly and switchOnly are the keys of a network that go with one eswitch mode.
func (n Network) legacyOnly() (keys []string) {
	for _, k := range []struct {
		key string
		set bool
	}{{"vlan", n.VLAN != nil}, {"qos", n.QoS != nil}, {"spoofchk", n.SpoofChk != nil}, {"trust", n.Trust != nil}} {
		if k.set {
			keys = append(keys, k.key)
		}
	}
	return keys
}

func (n Network) switchOnly() (keys []string) {
	if n.Bridge != "" {
		keys = append(keys, "bridge")
	}
	keys = append(keys, n.ofPort()...)
	if n.RateGroup != nil {
		keys = append(keys, "rate-group")
	}
	return keys
}

// ofPort are the keys of its port of a bridge.
func (n Network) ofPort() (keys []string) {
	for _, k := range []struct {
		key string
		set bool
	}{{"tag", n.Tag != nil}, {"trunks", n.Trunks != nil}, {"vlan_mode", n.VLANMode != ""}} {
		if k.set {
			keys = append(keys, k.key)
		}
	}
	return append(keys, n.Keys()...)
}

// Fits says why a VF of a port in an eswitch mode cannot have what the network says;
// a device without an eswitch ("") is legacy.
func (n Network) Fits(mode string) error {
	wrong := n.switchOnly()
	if mode == "switchdev" {
		wrong = n.legacyOnly()
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("the network has %s, and the port's eswitch mode is %s", strings.Join(wrong, ", "), cmp.Or(mode, "legacy"))
}

func checkNetworkMode(p *Profile, report report) {
	for i, n := range p.Networks {
		for _, s := range n.VFs {
			r, err := p.vfsOf(s)
			if err != nil {
				continue // NW021
			}
			port, err := p.find(r.portRef)
			if err != nil || port.Mode == nil {
				continue
			}
			wrong := n.switchOnly()
			if *port.Mode == "switchdev" {
				wrong = n.legacyOnly()
			}
			for _, key := range wrong {
				report(p.At("networks", i, key), "network %s has %s, and the eswitch-mode of %s is %s", n.Name, key, r.portRef, *port.Mode)
			}
		}
	}
}

func checkNetworkSwitch(p *Profile, report report) {
	var bridges []string
	kernels := map[string]bridge.Spec{}
	if p.OVS != nil {
		for _, b := range p.OVS.Bridges {
			bridges = append(bridges, b.Name)
		}
	}
	for _, b := range p.Bridges {
		bridges, kernels[b.Name] = append(bridges, b.Name), b.Spec
	}
	for i, n := range p.Networks {
		keys := n.ofPort()
		switch {
		case len(keys) > 0 && n.Bridge == "":
			report(p.At("networks", i, keys[0]), "network %s has %s, and no bridge", n.Name, keys[0])
			continue
		case n.Bridge != "" && !slices.Contains(bridges, n.Bridge):
			report(p.At("networks", i, "bridge"), "network %s: the profile has no bridge %q (it has: %s)%s", n.Name, n.Bridge, orNone(bridges), didYouMean(n.Bridge, bridges))
		}
		if key, why := wrongVLANs(ovs.Port{Tag: n.Tag, Trunks: n.Trunks, VLANMode: n.VLANMode}); why != "" {
			report(p.At("networks", i, key), "network %s %s", n.Name, why)
		}
		b, kernel := kernels[n.Bridge]
		if keys := n.Keys(); kernel && len(keys) > 0 {
			report(p.At("networks", i, keys[0]), "network %s has %s, which a port of Open vSwitch can be told, and its bridge %s is the kernel's", n.Name, keys[0], n.Bridge)
		}
		switch {
		case !kernel:
		case n.VLANMode == tunnel:
			report(p.At("networks", i, "vlan_mode"), "network %s has vlan_mode %s, and a bridge of the kernel (%s) has no such ports", n.Name, tunnel, n.Bridge)
		case isFalse(b.VLANFiltering) && (n.Tag != nil || n.Trunks != nil):
			report(p.At("networks", i, "bridge"), "network %s has VLANs, and vlan_filtering of its bridge %s is to be off: they keep nothing apart then", n.Name, n.Bridge)
		}
	}
}

// resolveNetworks puts VFs in the places of references.
func (r *resolver) resolveNetworks(w *Want) {
	for i, n := range r.p.Networks {
		refs := n.VFs
		n.VFs = nil
		for j, s := range refs {
			ref, err := r.p.vfsOf(s)
			if err == nil {
				err = inRange(ref, r.counts[ref.portRef])
			}
			if err != nil {
				r.fail(r.p.At("networks", i, "vfs", j), "set vfs of the port, or make the VFs", "network %s: %v", n.Name, err)
				continue
			}
			for k := ref.first; k <= ref.last; k++ {
				n.VFs = append(n.VFs, pci.VF(r.ports[ref.portRef].Address, k).String())
			}
		}
		w.Networks = append(w.Networks, n)
	}
}

// networks leaves out VFs of ports that are not there, and networks that have none then,
// or whose switch is not there.
func (a *available) networks(noSwitch bool) {
	all := a.doc.get("networks")
	var keep []*node
	for i, n := range a.p.Networks {
		vfs := all.items[i].get("vfs")
		var has []*node
		for j, s := range n.VFs {
			if a.gone[s[:max(strings.LastIndex(s, "/"), 0)]] {
				a.say("network %s: %s is not there", n.Name, s)
				continue
			}
			has = append(has, vfs.items[j])
		}
		kernel := slices.ContainsFunc(a.p.Bridges, func(b Bridge) bool { return b.Name == n.Bridge })
		if noSwitch && n.Bridge != "" && !kernel {
			a.say("network %s: its bridge %s is not there", n.Name, n.Bridge)
			continue
		}
		if len(has) > 0 {
			keep = append(keep, all.items[i].with("vfs", vfs.of(has)))
		}
	}
	a.doc = a.doc.with("networks", all.of(keep))
}
