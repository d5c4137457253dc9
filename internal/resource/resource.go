// SPDX-License-Identifier: Apache-2.0

// Package resource has the one identity of whatever a plan can touch: PCI
// functions, their netdevs and representors, bonds, bridges and their ports, and
// netdevs that belong to no function. Names and ifindexes of the netdevs of
// functions change with kernels and eswitch modes; an ID does not, and can name
// what does not exist yet.
package resource

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
)

// Kind says what an ID stands for.
type Kind string

// The kinds.
const (
	PF          Kind = "pf"
	VF          Kind = "vf"
	SF          Kind = "sf"          // a scalable function
	Netdev      Kind = "netdev"      // the own netdev of a PF (its uplink), VF or SF
	Representor Kind = "representor" // the netdev on the eswitch's side of a VF or SF
	Bond        Kind = "bond"        // a kernel bond
	Switch      Kind = "switch"      // Open vSwitch as a whole
	Bridge      Kind = "bridge"      // a bridge of Open vSwitch
	SwitchPort  Kind = "switch-port" // a port of a bridge of Open vSwitch
	Flow        Kind = "flow"        // a rule of OpenFlow in a bridge of Open vSwitch
	BridgePort  Kind = "bridge-port" // a port of a bridge of the kernel; the bridge itself is a Link
	Link        Kind = "link"        // a netdev that is of no function and no bond: a VLAN, a bridge of the kernel, ...
)

// ID is the identity of a resource. The zero ID is none. IDs compare with ==.
type ID struct {
	Kind Kind
	// Function is the PF or VF, or whose netdev or representor it is; of an SF, its PF.
	Function pci.Function
	// SF is the number of a scalable function below its PF (sfnum), where IsSF says that it is one.
	SF   uint32
	IsSF bool
	// Name of the bond, the bridge (also of a port's or a flow's) or the link.
	Name string
	// Of is, of a switch port, the text of the ID of what the port stands for, or "port/NAME"; of a
	// bridge port, the text of the ID of the netdev; of a flow, which one it is: its table, priority and match.
	Of string
}

// OfFunction is the PF or VF itself.
func OfFunction(f pci.Function) ID {
	if f.IsVF() {
		return ID{Kind: VF, Function: f}
	}
	return ID{Kind: PF, Function: f}
}

// OfSF is the scalable function number n of the PF at a.
func OfSF(a pci.Address, n uint32) ID {
	return ID{Kind: SF, Function: pci.PF(a), SF: n, IsSF: true}
}

// OfNetdev is the own netdev of a function (a PF's is the uplink).
func OfNetdev(f pci.Function) ID { return ID{Kind: Netdev, Function: f} }

// OfRepresentor is the representor of a VF.
func OfRepresentor(f pci.Function) ID { return ID{Kind: Representor, Function: f} }

// OfBond is a kernel bond.
func OfBond(name string) ID { return ID{Kind: Bond, Name: name} }

// OfSwitch is Open vSwitch as a whole.
func OfSwitch() ID { return ID{Kind: Switch} }

// OfBridge is a bridge of Open vSwitch.
func OfBridge(name string) ID { return ID{Kind: Bridge, Name: name} }

// OfSwitchPort is the port of a bridge that stands for of ("bond/bond0",
// "pci/0000:3b:00.0/vf/1", "pci/0000:3b:00.0", "port/eth7").
func OfSwitchPort(bridge, of string) ID { return ID{Kind: SwitchPort, Name: bridge, Of: of} }

// OfFlow is the rule of a bridge of Open vSwitch that is known by which ("table=0,priority=100,dl_vlan=7").
func OfFlow(bridge, which string) ID { return ID{Kind: Flow, Name: bridge, Of: which} }

// OfBridgePort is the place of a netdev in a bridge of the kernel: its being a port, and its VLANs.
func OfBridgePort(bridge string, netdev ID) ID {
	return ID{Kind: BridgePort, Name: bridge, Of: netdev.String()}
}

// OfLink is a netdev that is of no function and no bond, by its name.
func OfLink(name string) ID { return ID{Kind: Link, Name: name} }

// isNetdev tells what can be a port.
func (id ID) isNetdev() bool {
	return id.Kind == Netdev || id.Kind == Representor || id.Kind == Bond || id.Kind == Link
}

// NetdevOf is the netdev of a bridge port, the zero ID of what is none.
func (id ID) NetdevOf() ID {
	if id.Kind != BridgePort {
		return ID{}
	}
	netdev, err := Parse(id.Of)
	if err != nil {
		return ID{}
	}
	return netdev
}

// IsZero tells the zero ID.
func (id ID) IsZero() bool { return id == ID{} }

func (id ID) function() string {
	if id.IsSF {
		return id.Function.String() + "/sf/" + strconv.FormatUint(uint64(id.SF), 10)
	}
	return id.Function.String()
}

// String is the resource as plans print and save it; Parse reads it back:
//
//	pci/0000:3b:00.0                     a PF
//	pci/0000:3b:00.0/vf/3                a VF
//	pci/0000:3b:00.0/sf/88               an SF
//	pci/0000:3b:00.0/vf/3/netdev         its own netdev
//	pci/0000:3b:00.0/vf/3/representor    its representor
//	bond/bond0   ovs   ovs/br0   ovs/br0/bond/bond0   link/vmbr0
//	flow/br0/table=0,priority=100,in_port=pci/0000:3b:00.0/vf/3,dl_vlan=7
//	bridge/vmbr0/pci/0000:3b:00.0/vf/3/representor
func (id ID) String() string {
	switch id.Kind {
	case PF, VF, SF:
		return id.function()
	case Netdev, Representor:
		return id.function() + "/" + string(id.Kind)
	case Bond:
		return "bond/" + id.Name
	case Switch:
		return "ovs"
	case Bridge:
		return "ovs/" + id.Name
	case SwitchPort:
		return "ovs/" + id.Name + "/" + id.Of
	case Flow:
		return "flow/" + id.Name + "/" + id.Of
	case BridgePort:
		return "bridge/" + id.Name + "/" + id.Of
	case Link:
		return "link/" + id.Name
	}
	return ""
}

// MarshalText is String.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is Parse; the empty text is the zero ID.
func (id *ID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*id = ID{}
		return nil
	}
	p, err := Parse(string(b))
	if err != nil {
		return err
	}
	*id = p
	return nil
}

// Parse reads what String wrote.
func Parse(s string) (ID, error) {
	head, rest, _ := strings.Cut(s, "/")
	named := func(k Kind) (ID, error) {
		if rest == "" || strings.Contains(rest, "/") {
			return ID{}, fmt.Errorf("%q names no resource: want %s/NAME", s, head)
		}
		return ID{Kind: k, Name: rest}, nil
	}
	switch head {
	case "bond":
		return named(Bond)
	case "link":
		return named(Link)
	case "ovs":
		if s == head {
			return OfSwitch(), nil
		}
		bridge, of, isPort := strings.Cut(rest, "/")
		switch {
		case bridge == "" || isPort && of == "":
		case isPort:
			return OfSwitchPort(bridge, of), nil
		default:
			return OfBridge(bridge), nil
		}
	case "flow":
		bridge, which, ok := strings.Cut(rest, "/")
		if bridge == "" || !ok || which == "" {
			return ID{}, fmt.Errorf("%q names no flow: want flow/BRIDGE/WHICH", s)
		}
		return OfFlow(bridge, which), nil
	case "bridge":
		bridge, of, isPort := strings.Cut(rest, "/")
		netdev, err := Parse(of)
		if bridge == "" || !isPort || err != nil || netdev.String() != of || !netdev.isNetdev() {
			return ID{}, fmt.Errorf("%q names no port of a bridge: want bridge/NAME/NETDEV", s)
		}
		return OfBridgePort(bridge, netdev), nil
	case "pci", "netdevsim":
		return parseFunction(s)
	}
	return ID{}, fmt.Errorf("%q names no resource", s)
}

func parseFunction(s string) (ID, error) {
	id := ID{}
	for _, k := range []Kind{Netdev, Representor} {
		if f, ok := strings.CutSuffix(s, "/"+string(k)); ok {
			id.Kind, s = k, f
			break
		}
	}
	pf, sf, isSF := strings.Cut(s, "/sf/")
	f, err := pci.ParseFunction(pf)
	if err != nil {
		return ID{}, err
	}
	id.Function = f
	if isSF {
		n, err := strconv.ParseUint(sf, 10, 32)
		if err != nil || f.IsVF() {
			return ID{}, fmt.Errorf("%q names no scalable function: want pci/ADDRESS/sf/N", s)
		}
		id.SF, id.IsSF = uint32(n), true
	}
	if id.Kind == "" {
		id.Kind = OfFunction(f).Kind
		if isSF {
			id.Kind = SF
		}
	}
	return id, nil
}

// Compare sorts by PF, then by number of the VF or SF, then by kind; what is of
// no function comes after, by its text.
func Compare(a, b ID) int {
	af, bf := a.Function.PF != "", b.Function.PF != ""
	switch {
	case af != bf:
		if af {
			return -1
		}
		return 1
	case !af:
		return strings.Compare(a.String(), b.String())
	case a.Function.PF != b.Function.PF:
		return strings.Compare(string(a.Function.PF), string(b.Function.PF))
	case a.Function.VF != b.Function.VF:
		return a.Function.VF - b.Function.VF
	case a.IsSF != b.IsSF:
		if b.IsSF {
			return -1
		}
		return 1
	case a.SF != b.SF:
		if a.SF < b.SF {
			return -1
		}
		return 1
	}
	return strings.Compare(string(a.Kind), string(b.Kind))
}
