// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// attribute is all there is to know of one attribute of a resource: R is its state,
// S its spec. Spec, Fill, Keep, Diff and Do walk the tables of them.
type attribute[R, S any] struct {
	name  string
	phase step.Phase
	field func(*S) field     // of the spec
	read  func(R) step.Value // of the state; absent: it has none
	// in is the one eswitch mode in which it can be set; "": in each. A device without an eswitch is legacy.
	in string
	// fresh is what a VF has that was made anew, where all drivers agree; absent: unknown.
	fresh step.Value
	// lost: it goes with the mode and the VFs, and is fresh then.
	lost bool
	// unbound: it is set while the VF has no driver.
	unbound bool
	// group: the kernel takes it together with others, which are set in one act.
	group string
	// own: the differ plans it at a place of its own.
	own bool
	// effects of a step that sets it.
	effects func(f pci.Function, to string) []step.Effect
	// probe says why the device cannot be brought there, as far as can be known; mode is the wanted one.
	probe func(p Port, to, mode string) error
	write writer
}

// writer is a method of Doer: it brings attributes of a resource to what to has for them, by name.
type writer = func(d *Doer, ctx context.Context, f pci.Function, to map[string]string) error

// fits tells whether the attribute can be set in a mode.
func (a attribute[R, S]) fits(mode string) bool {
	return a.in == "" || a.in == mode || a.in == legacy && mode == ""
}

// The attributes of steps: those of PortSpec and FunctionSpec, by their names there.
const (
	attrVFs       = "vfs"
	attrMode      = "eswitch-mode"
	attrInline    = "inline-mode"
	attrEncap     = "encap-mode"
	attrSteering  = "flow_steering_mode"
	AttrMTU       = "mtu"
	AttrUp        = "up"
	attrAutoprobe = "sriov_drivers_autoprobe"

	attrRateGroups = "rate-groups"
	attrRateGroup  = "rate-group"

	attrDriver      = "driver"
	attrIPsecCrypto = "ipsec_crypto"
	attrIPsecPacket = "ipsec_packet"
	attrRoCE        = "roce"
	attrMigratable  = "migratable"
	attrMaxIOEQs    = "max_io_eqs"
	attrMAC         = "mac"
	attrVLAN        = "vlan"
	attrQoS         = "qos"
	attrVLANProto   = "vlan-proto"
	attrMinTxRate   = "min_tx_rate"
	attrMaxTxRate   = "max_tx_rate"
	attrSpoofChk    = "spoofchk"
	attrTrust       = "trust"
	attrLinkState   = "link-state"
	attrRepMTU      = "representor-mtu"
	attrRepUp       = "representor-up"
)

type (
	portAttribute     = attribute[Port, PortSpec]
	functionAttribute = attribute[VF, FunctionSpec]
)

// portAttributes are those of a PF, in the order in which they are planned.
func portAttributes() []portAttribute {
	return []portAttribute{
		{
			name: attrVFs, phase: step.SRIOV, own: true,
			field: func(s *PortSpec) field { return intField{&s.VFs} },
			read:  func(p Port) step.Value { return intOf(&p.NumVFs) },
			probe: probeVFs, write: (*Doer).writeVFs,
		},
		{
			name: attrAutoprobe, phase: step.SRIOV, own: true,
			field: func(s *PortSpec) field { return boolField{&s.Autoprobe} },
			read:  func(p Port) step.Value { return boolOf(p.Autoprobe) },
			probe: probeAutoprobe, write: (*Doer).writeAutoprobe,
		},
		{
			name: attrSteering, phase: step.Params, own: true,
			field: func(s *PortSpec) field { return textField{&s.Steering} },
			read:  func(p Port) step.Value { return word(p.Steering) },
			probe: probeHas(attrSteering, func(p Port) string { return p.Steering }), write: (*Doer).writeSteering,
		},
		{
			name: attrMode, phase: step.Eswitch, own: true,
			field: func(s *PortSpec) field { return textField{&s.Mode} },
			read:  func(p Port) step.Value { return word(p.Mode) },
			probe: probeMode, write: (*Doer).writeMode,
		},
		{
			name: attrInline, phase: step.Eswitch,
			field: func(s *PortSpec) field { return textField{&s.InlineMode} },
			read:  func(p Port) step.Value { return word(p.InlineMode) },
			probe: probeHas(attrInline, func(p Port) string { return p.InlineMode }), write: (*Doer).writeInline,
		},
		{
			name: attrEncap, phase: step.Eswitch,
			field: func(s *PortSpec) field { return textField{&s.EncapMode} },
			read:  func(p Port) step.Value { return word(p.EncapMode) },
			probe: probeHas(attrEncap, func(p Port) string { return p.EncapMode }), write: (*Doer).writeEncap,
		},
		{
			name: attrRateGroups, phase: step.Functions, in: switchdev, fresh: step.Text(NoGroup), lost: true,
			field: func(s *PortSpec) field { return groupsField{&s.RateGroups, &s.AllRateGroups} },
			read: func(p Port) step.Value {
				if p.Mode != switchdev {
					return step.Absent()
				}
				return step.Text(groupsText(p.RateGroups))
			},
			probe: probeGroups, write: (*Doer).writeGroups,
		},
		{
			name: AttrMTU, phase: step.Functions,
			field: func(s *PortSpec) field { return intField{&s.MTU} },
			read:  func(p Port) step.Value { return ofNetdev(p.Netdev, intOf(&p.MTU)) },
			probe: probeNetdev, write: (*Doer).writeMTU,
		},
		{
			name: AttrUp, phase: step.Functions,
			field: func(s *PortSpec) field { return boolField{&s.Up} },
			read:  func(p Port) step.Value { return ofNetdev(p.Netdev, boolOf(&p.Up)) },
			probe: probeNetdev, write: (*Doer).writeUp,
			effects: func(f pci.Function, to string) []step.Effect {
				if to == "true" {
					return nil
				}
				return []step.Effect{
					{Kind: step.Down, On: resource.OfNetdev(f), For: step.ForGood},
					step.Stop(resource.OfFunction(f), step.ForGood, "all traffic of the port"),
				}
			},
		},
	}
}

// The table of functionAttributes is made once: what asks for it does so for every VF.
var (
	functionTable     []functionAttribute
	makeFunctionTable sync.Once
)

// functionAttributes are those of a VF, in the order in which they are planned. The
// table is everybody's: nobody changes it.
func functionAttributes() []functionAttribute {
	makeFunctionTable.Do(func() { functionTable = newFunctionAttributes() })
	return functionTable
}

// newFunctionAttributes makes the table: the port function's first, for packet offload
// builds on crypto; the highest rate together with the guaranteed one.
func newFunctionAttributes() []functionAttribute {
	none, zero, off := step.Text(noMAC), step.Text("0"), step.Text("false")
	admin := func(name string, fresh step.Value, at func(*FunctionSpec) field, read func(Admin) step.Value) functionAttribute {
		return functionAttribute{
			name: name, phase: step.Functions, fresh: fresh, field: at, probe: probeAdmin(name), write: (*Doer).writeAdmin,
			read: func(vf VF) step.Value {
				if vf.Admin == nil {
					return step.Absent()
				}
				return read(*vf.Admin)
			},
		}
	}
	inLegacy := func(a functionAttribute) functionAttribute { a.in = legacy; return a }
	group := func(name string, a functionAttribute) functionAttribute { a.group = name; return a }
	unbound := func(a functionAttribute) functionAttribute { a.unbound = true; return a }
	return []functionAttribute{
		{
			name: attrDriver, phase: step.Bind, own: true,
			field: func(s *FunctionSpec) field { return textField{&s.Driver} },
			read: func(vf VF) step.Value {
				if vf.Address == "" {
					return step.Absent()
				}
				return step.Text(driverName(vf.Driver))
			},
			probe: probeDriver, write: (*Doer).writeDriver,
		},
		capAttribute(attrRoCE, "6.1", step.Text("true"), func(s *FunctionSpec) field { return boolField{&s.RoCE} }),
		capAttribute(attrMigratable, "6.2", off, func(s *FunctionSpec) field { return boolField{&s.Migratable} }),
		capAttribute(attrIPsecCrypto, "6.6", step.Absent(), func(s *FunctionSpec) field { return boolField{&s.IPsecCrypto} }),
		capAttribute(attrIPsecPacket, "6.6", step.Absent(), func(s *FunctionSpec) field { return boolField{&s.IPsecPacket} }),
		{
			name: attrMaxIOEQs, phase: step.Functions, in: switchdev, unbound: true,
			field: func(s *FunctionSpec) field { return intField{&s.MaxIOEQs} },
			read:  func(vf VF) step.Value { return intOf(vf.MaxIOEQs) },
			probe: probePortFunction(attrMaxIOEQs, "6.10", func(vf VF) bool { return vf.MaxIOEQs != nil }), write: (*Doer).writeMaxIOEQs,
		},
		unbound(admin(attrMAC, none, func(s *FunctionSpec) field { return macField{textField{&s.MAC}} }, func(a Admin) step.Value { return word(a.MAC) })),
		inLegacy(group("vlan", admin(attrVLAN, zero, func(s *FunctionSpec) field { return intField{&s.VLAN} }, func(a Admin) step.Value { return intOf(&a.VLAN) }))),
		inLegacy(group("vlan", admin(attrQoS, zero, func(s *FunctionSpec) field { return intField{&s.QoS} }, func(a Admin) step.Value { return intOf(&a.QoS) }))),
		inLegacy(group("vlan", admin(attrVLANProto, step.Text("802.1Q"), func(s *FunctionSpec) field { return textField{&s.VLANProto} }, func(a Admin) step.Value { return word(a.VLANProto) }))),
		group("rate", admin(attrMinTxRate, zero, func(s *FunctionSpec) field { return intField{&s.MinTxRate} }, func(a Admin) step.Value { return intOf(&a.MinTxRate) })),
		group("rate", admin(attrMaxTxRate, zero, func(s *FunctionSpec) field { return intField{&s.MaxTxRate} }, func(a Admin) step.Value { return intOf(&a.MaxTxRate) })),
		{
			name: attrRateGroup, phase: step.Functions, in: switchdev, fresh: step.Text(NoGroup), lost: true,
			field: func(s *FunctionSpec) field { return textField{&s.RateGroup} },
			read: func(vf VF) step.Value {
				if vf.Representor == nil {
					return step.Absent()
				}
				return step.Text(cmp.Or(vf.RateGroup, NoGroup))
			},
			probe: probeGroup, write: (*Doer).writeGroup,
		},
		// igb's VFs are checked from the start, mlx5's are not.
		inLegacy(admin(attrSpoofChk, step.Absent(), func(s *FunctionSpec) field { return boolField{&s.SpoofChk} }, func(a Admin) step.Value { return boolOf(a.SpoofChk) })),
		inLegacy(admin(attrTrust, off, func(s *FunctionSpec) field { return boolField{&s.Trust} }, func(a Admin) step.Value { return boolOf(a.Trust) })),
		inLegacy(admin(attrLinkState, step.Text("auto"), func(s *FunctionSpec) field { return textField{&s.LinkState} }, func(a Admin) step.Value { return word(a.LinkState) })),
		representorAttribute(attrRepMTU, (*Doer).writeMTU, func(s *FunctionSpec) field { return intField{&s.RepresentorMTU} }, func(r Representor) step.Value { return intOf(&r.MTU) }),
		representorAttribute(attrRepUp, (*Doer).writeUp, func(s *FunctionSpec) field { return boolField{&s.RepresentorUp} }, func(r Representor) step.Value { return boolOf(&r.Up) }),
	}
}

// capAttribute is a port function attribute that is on or off, by devlink's name; since is the first Linux that has it.
func capAttribute(name, since string, fresh step.Value, at func(*FunctionSpec) field) functionAttribute {
	has := func(vf VF) bool { _, has := vf.Caps[name]; return has }
	return functionAttribute{
		name: name, phase: step.Functions, in: switchdev, unbound: true, fresh: fresh, field: at, probe: probePortFunction(name, since, has), write: (*Doer).writeCap,
		read: func(vf VF) step.Value {
			on, has := vf.Caps[name]
			if !has {
				return step.Absent()
			}
			return boolOf(&on)
		},
	}
}

func representorAttribute(name string, write writer, at func(*FunctionSpec) field, read func(Representor) step.Value) functionAttribute {
	return functionAttribute{
		name: name, phase: step.Functions, in: switchdev, field: at, probe: probeRepresentor(name), write: write,
		read: func(vf VF) step.Value {
			if vf.Representor == nil {
				return step.Absent()
			}
			return read(*vf.Representor)
		},
		effects: func(f pci.Function, to string) []step.Effect {
			if to != "false" {
				return nil
			}
			return []step.Effect{{Kind: step.Down, On: resource.OfRepresentor(f), For: step.ForGood}, step.Stop(resource.OfFunction(f), step.ForGood, "all traffic of the VF through the switch")}
		},
	}
}

// macField is an address in the kernel's spelling.
type macField struct{ textField }

func (f macField) get() step.Value {
	v := f.textField.get()
	if s, ok := v.Get(); ok {
		return step.Text(strings.ToLower(s))
	}
	return v
}

// noMAC is what the kernel says of a VF to which no address was given.
const noMAC = "00:00:00:00:00:00"

func ofNetdev(name string, v step.Value) step.Value {
	if name == "" {
		return step.Absent()
	}
	return v
}

func driverName(driver string) string {
	if driver == "" {
		return noDriver
	}
	return driver
}

// unknownAttribute is the error of a step that no table has.
func unknownAttribute(name string) error {
	return fmt.Errorf("the eswitch domain has no attribute %q: is the plan from another version of nicwright?", name)
}
