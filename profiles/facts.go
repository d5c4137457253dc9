// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"net/netip"
	"slices"

	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/probe"
)

// Facts are what rules want to know of a host. What is not known (nil, zero, a
// key that is not there) breaks no rule. What is dear to know is a fact that is
// looked for when a rule asks for it: with nothing in a profile that takes it,
// nobody does.
type Facts struct {
	Cards  []CardInfo
	Kernel kconfig.Version // it refuses nothing: see needs
	// What the mlx5_core that is loaded was built with: MLX5_EN_TLS, MLX5_EN_IPSEC, MLX5_CLS_ACT.
	DriverTLS, DriverIPsec, DriverTC probe.Fact
	// AES256: the driver gives TLS with AES-256-GCM to the card. HMFS: it has flow_steering_mode hmfs.
	// GrantsIPsec: VFs have port function attributes for IPsec.
	AES256, HMFS, GrantsIPsec probe.Fact

	Ports     map[pci.Address]PortFacts
	Functions map[pci.Function]FunctionFacts
	Switch    SwitchFacts
	// Addresses are those of the host's netdevs.
	Addresses map[netip.Addr][]AddressFact
}

// PortFacts are those of a PF.
type PortFacts struct {
	Mode     string // of the eswitch: legacy, switchdev, "" for none
	TotalVFs *int   // that the device offers
	// WithoutVFs: its eswitch can be in switchdev without VFs. ShowsLAG: the driver shows its LAG.
	WithoutVFs, ShowsLAG probe.Fact
	// States are the IPsec states that are offloaded to the PF, Packet those of them in packet mode.
	States, Packet int
	IPv6           []string // addresses of its netdev
}

// FunctionFacts are those of the netdev of a PF or VF.
type FunctionFacts struct {
	// Fixed are the features that the driver does not let be changed, by the kernel's name, and
	// whether they are on.
	Fixed map[string]bool
	// NoTxChecksum and NoRxChecksum: checksum offload is off.
	NoTxChecksum, NoRxChecksum bool
	// Most is what the kernel says that a number may be at most, by the attributes of package tuning: "rings rx", "mtu".
	Most map[string]int
}

// SwitchFacts are those of Open vSwitch.
type SwitchFacts struct {
	Missing   string // why it is not there, or cannot be asked; "" where it runs
	HWOffload bool
	TCPolicy  string // other_config:tc-policy: none, skip_sw, skip_hw, "" for not set
	// Bonds are the functions in each bond that Open vSwitch itself makes, by the port's name.
	Bonds map[string][]pci.Function
}

// subject is what rules look at.
type subject struct {
	*Profile
	facts Facts
	ports map[portRef]PortInfo // which port of the host each of the profile is
}

// info is a port of the host.
func (s *subject) info(ref portRef) PortFacts { return s.facts.Ports[s.ports[ref].Address] }

// after is the mode that the port's eswitch will have.
func (s *subject) after(ref portRef, port *Port) string {
	if port.Mode != nil {
		return *port.Mode
	}
	return s.info(ref).Mode
}

// Check holds the profile against all rules; host is nil for those that need
// none. What is not fatal is among the findings, and a card that is not on the
// host is. The host is not looked at while the document itself is wrong. It reads
// nothing but its arguments.
func (p *Profile) Check(host *Facts) (found Errors, looked bool) {
	found = p.check()
	if host != nil && !slices.ContainsFunc(found, func(e *Error) bool { return e.Rule < firstOfHardware }) {
		found, looked = append(found, p.checkHost(*host)...), true
	}
	found.sort()
	return found, looked
}

// firstOfHardware is the first rule that is not about the document.
const firstOfHardware = "NW101"

// CheckHost holds the profile against the rules that are about the host, and
// gives those that are fatal, or nil.
func (p *Profile) CheckHost(host Facts) error { return p.checkHost(host).Fatal().orNil() }

func (p *Profile) checkHost(host Facts) Errors {
	r := &resolver{p: p, ports: map[portRef]PortInfo{}, counts: map[portRef]int{}}
	r.selectCards(host.Cards)
	if len(r.errs) > 0 {
		return r.errs
	}
	return broken(hostRules(), &subject{Profile: p, facts: host, ports: r.ports})
}
