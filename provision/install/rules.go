// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
)

// The kinds of a card's netdevs, as the udev property NICWRIGHT has them.
const (
	uplink      = "uplink"
	vfKind      = "vf"
	representor = "representor"
)

// Port is a port of a profile on this host.
type Port struct {
	Card   string      `json:"card"` // as the profile calls it
	Port   string      `json:"port"`
	PF     pci.Address `json:"pf"`
	Number int         `json:"number"` // on the card
	VFs    int         `json:"vfs"`    // that there will be
	Bonded bool        `json:"bonded"` // the uplink is in a bond of the profile
}

// PortsOf finds the profile's ports among the cards of a host. An error is a
// profiles.Errors that says which card is missing.
func PortsOf(p *profiles.Profile, cards []profiles.CardInfo) ([]Port, error) {
	if _, err := cardsOnly(p, cards); err != nil {
		return nil, err
	}
	bonded := map[string]bool{}
	for _, b := range p.Bonds {
		for _, m := range b.Members {
			bonded[m] = true
		}
	}
	var ports []Port
	for _, c := range p.Cards {
		for _, port := range c.Ports {
			one := *p
			one.Cards = []profiles.Card{{Name: c.Name, Select: c.Select, Ports: []profiles.Port{port}}}
			want, err := cardsOnly(&one, cards)
			if err != nil {
				return nil, err
			}
			for pf := range want.Ports {
				out := Port{Card: c.Name, Port: port.Name, PF: pf, Number: *port.Port, Bonded: bonded[c.Name+"/"+port.Name]}
				for _, card := range cards {
					for _, have := range card.Ports {
						if have.Address == pf {
							out.VFs = have.NumVFs
						}
					}
				}
				if port.VFs != nil {
					out.VFs = *port.VFs
				}
				ports = append(ports, out)
			}
		}
	}
	return ports, nil
}

// cardsOnly resolves the cards of a profile, and not what is on them.
func cardsOnly(p *profiles.Profile, cards []profiles.CardInfo) (*profiles.Want, error) {
	only := *p
	only.Bonds, only.VLANs, only.Bridges, only.OVS, only.Verify, only.Bench = nil, nil, nil, nil, nil, nil
	return profiles.Resolve(&only, cards)
}

// Ready is nil when every card of the profile is there, its ports bound to their
// driver, with their netdevs; else it says what is missing.
func Ready(p *profiles.Profile, h provision.Host) error {
	ports, err := PortsOf(p, h.CardInfos())
	if err != nil {
		return err
	}
	for _, port := range ports {
		have := h.Port(port.PF)
		switch {
		case have == nil:
			return fmt.Errorf("port %s/%s (%s) is not there", port.Card, port.Port, port.PF)
		case have.Driver == "":
			return fmt.Errorf("port %s/%s: no driver is bound to %s (modprobe mlx5_core)", port.Card, port.Port, pci.PF(port.PF))
		case have.Netdev == "" && have.NetdevIn == "":
			return fmt.Errorf("port %s/%s: %s has not made the netdev of %s yet", port.Card, port.Port, have.Driver, pci.PF(port.PF))
		}
	}
	return nil
}

// left tells whether other network managers leave a netdev of a port alone: all that
// the profile makes, and an uplink in a bond. The bond, or an uplink without one, is
// where somebody's addresses are: those stay with who manages them.
func left(p Port, kind string) bool { return kind != uplink || p.Bonded }

// udevRules tell udev which netdevs are the profile's, by PCI address and the port's
// name in the kernel, never by the netdev's; "" where no card is there. A .link file
// cannot: an uplink and the representors of its VFs have one PCI device. And they start
// AgainUnit when an uplink appears after the first attempt of a boot: RuntimeDirectory=
// makes the directory that they look for.
func udevRules(o Options) (string, error) {
	var t *Template
	if o.Names != "" {
		parsed, err := o.template()
		if err != nil {
			return "", err
		}
		t = &parsed
	}
	if len(o.Ports) == 0 {
		return "", nil
	}
	var b strings.Builder
	b.WriteString(Mark + `
# NICWRIGHT is what a netdev is: uplink, vf or representor. A port's name is made by
# the kernel (net/devlink/port.c, __devlink_port_phys_port_name_get); a VF's own netdev
# has none, and is where its PF's link to the VF leads.
ACTION=="remove", GOTO="nicwright_end"
SUBSYSTEM!="net", GOTO="nicwright_end"
`)
	for _, p := range o.Ports {
		fmt.Fprintf(&b, "\n# %s/%s\n", p.Card, p.Port)
		for _, d := range p.netdevs() {
			rule := []string{d.match(p), fmt.Sprintf(`ENV{NICWRIGHT}="%s"`, d.kind)}
			if left(p, d.kind) {
				rule = append(rule, `ENV{NICWRIGHT_LEAVE}="1"`)
			}
			if t != nil {
				name, err := t.name(p.Card, p.Port, d.text())
				if err != nil {
					return "", err
				}
				rule = append(rule, fmt.Sprintf(`ENV{NICWRIGHT_NAME}="%s"`, name))
			}
			b.WriteString(strings.Join(rule, ", ") + "\n")
		}
	}
	if o.Managers.NetworkManager {
		// Documented in NetworkManager's own 85-nm-unmanaged.rules. Its conf.d knows netdevs by name and driver only.
		b.WriteString("\n# NetworkManager (see its 85-nm-unmanaged.rules)\nENV{NICWRIGHT_LEAVE}==\"1\", ENV{NM_UNMANAGED}=\"1\"\n")
	}
	fmt.Fprintf(&b, `
# A driver that is loaded anew, by an upgrade or a reset of the card, makes the uplink anew: the unit brings back
# what that took. Before the unit's first attempt after a boot this directory is not there. A netdev that is renamed
# is ready with its "move" only (99-systemd.rules, ID_RENAMING).
ACTION=="add|move", ENV{NICWRIGHT}=="%s", TEST=="%s", TAG+="systemd", ENV{SYSTEMD_WANTS}+="%s"
`, uplink, o.RunDir, AgainUnit)
	if t != nil {
		b.WriteString("\n# A netdev gets its name when it appears, and is not renamed later.\nACTION==\"add\", ENV{NICWRIGHT_NAME}!=\"\", NAME=\"$env{NICWRIGHT_NAME}\"\n")
	}
	b.WriteString("\nLABEL=\"nicwright_end\"\n")
	return b.String(), nil
}

// netdev is one of a port's.
type netdev struct {
	kind string
	vf   int // of a VF or representor
}

// netdevs are those that a port will have: the uplink, then of each VF its own and
// its representor.
func (p Port) netdevs() []netdev {
	all := []netdev{{kind: uplink}}
	for n := range p.VFs {
		all = append(all, netdev{vfKind, n}, netdev{representor, n})
	}
	return all
}

// text is what stands for {vf} in a template.
func (d netdev) text() string {
	switch d.kind {
	case vfKind:
		return fmt.Sprintf("v%d", d.vf)
	case representor:
		return fmt.Sprintf("r%d", d.vf)
	}
	return ""
}

// match is the condition of a rule.
func (d netdev) match(p Port) string {
	switch d.kind {
	case vfKind:
		return fmt.Sprintf(`TEST=="/sys/bus/pci/devices/%s/virtfn%d/net/%%k"`, p.PF, d.vf)
	case representor:
		return fmt.Sprintf(`KERNELS=="%s", ATTR{phys_port_name}=="pf*vf%d"`, p.PF, d.vf)
	}
	return fmt.Sprintf(`KERNELS=="%s", ATTR{phys_port_name}=="p%d"`, p.PF, p.Number)
}

// bondLink is what tells udev to leave the MAC address of the profile's bonds alone; "" where there are none. By
// 99-default.link (MACAddressPolicy=persistent) udev gives a new bond an address made of the machine's ID, unless a
// first member gave it its own before: which of the two is quicker differs from boot to boot, and a switch, a DHCP
// server and the neighbours see another host then. Now it is always the member's, as by the kernel.
func bondLink(p *profiles.Profile) string {
	if len(p.Bonds) == 0 {
		return ""
	}
	var names []string
	for _, b := range p.Bonds {
		names = append(names, b.Name)
	}
	slices.Sort(names)
	return Mark + `
# A bond's MAC address is that of its first member, and not sometimes one that udev makes
# (MACAddressPolicy=persistent in 99-default.link) before it has one. A .link file of yours
# with a lower number has precedence.
[Match]
OriginalName=` + strings.Join(names, " ") + `

[Link]
MACAddressPolicy=none
`
}
