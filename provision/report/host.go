// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/bridge"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/internal/style"
)

// Print writes the cards and a picture of how uplinks, bond, switch, VLANs and
// VFs hang together.
func (h Host) Print(w io.Writer) error {
	var b strings.Builder
	if len(h.Cards) == 0 {
		b.WriteString("no SmartNIC: no PCI function here is a network card whose driver has SR-IOV or a devlink eswitch.\n" +
			"Is the card seen (lspci -d 15b3:) and its driver loaded (modprobe mlx5_core)?\n")
		return style.Flush(w, &b)
	}
	for _, c := range h.Cards {
		printCard(&b, c)
	}
	b.WriteString("\n" + style.Bold("topology") + "\n")
	h.printTopology(&b)
	return style.Flush(w, &b)
}

func printCard(b *strings.Builder, c eswitch.Card) {
	fmt.Fprintf(b, "%s  %s\n", style.Bold(style.OrDash(c.Model)), style.Faint(strings.TrimSpace(c.Product)))
	fmt.Fprintf(b, "  id %s:%s  part %s  serial %s  driver %s  firmware %s  PSID %s\n",
		c.VendorID, c.DeviceID, style.OrDash(c.PartNumber), style.OrDash(c.Serial), style.OrDash(c.Driver), style.OrDash(c.Firmware), style.OrDash(c.PSID))
	for _, p := range c.Ports {
		fmt.Fprintf(b, "  port %d  %s  %s  %s  mtu %d  eswitch %s  VFs %d of %d\n",
			p.Number, style.Bold(string(p.Address)), style.OrDash(p.Netdev), link(p), p.MTU, style.OrDash(p.Mode), p.NumVFs, p.TotalVFs)
		if p.Err != "" {
			fmt.Fprintf(b, "    %s\n", style.Red("not all of it can be read: "+strings.ReplaceAll(p.Err, "\n", "; ")))
		}
		printVFs(b, p)
	}
}

func printVFs(b *strings.Builder, p eswitch.Port) {
	t := tabwriter.NewWriter(b, 0, 8, 2, ' ', 0)
	for _, vf := range p.VFs {
		rep := "-"
		if r := vf.Representor; r != nil {
			rep = fmt.Sprintf("%s (%s) %s", r.Netdev, r.PhysPortName, step.UpDown(r.Up))
		}
		fmt.Fprintf(t, "    VF %d\t%s\t%s\tdriver %s\trepresentor %s\n", vf.Index, style.OrDash(string(vf.Address)), style.OrDash(vf.Netdev), style.OrDash(vf.Driver), rep)
	}
	t.Flush() // into a strings.Builder: cannot fail
}

func link(p eswitch.Port) string {
	switch {
	case p.Netdev == "":
		return "no netdev here"
	case !p.Up:
		return style.Amber("down")
	case !p.Carrier:
		return style.Red("up, no carrier")
	case p.Speed > 0:
		return style.Green(fmt.Sprintf("up %d Mb/s", p.Speed))
	}
	return style.Green("up")
}

// printTopology draws each bond with its members, each bridge with its ports,
// then the ports of the card that are in neither.
func (h Host) printTopology(b *strings.Builder) {
	drawn := map[string]bool{}
	if h.Switch != nil && !h.Switch.Running {
		fmt.Fprintf(b, "  %s\n", style.Faint("Open vSwitch: "+h.Switch.Reason))
	}
	if h.Switch != nil {
		for _, br := range h.Switch.Bridges {
			offload := "flows in software"
			if h.Switch.HWOffload {
				offload = "hw-offload on"
			}
			fmt.Fprintf(b, "  bridge %s (%s)\n", style.Bold(br.Name), offload)
			for i, p := range br.Ports {
				h.printPort(b, p, i == len(br.Ports)-1, drawn)
			}
			for _, r := range h.Flows {
				if r.Bridge == br.Name {
					fmt.Fprintf(b, "      rule %s\n", r.Text())
				}
			}
		}
	}
	h.printBridges(b, drawn)
	for _, bd := range h.Bonds {
		if !drawn["bond/"+bd.Name] {
			fmt.Fprintf(b, "  %s\n", bondLine(bd))
			h.printMembers(b, bd, "  ", drawn)
		}
	}
	for _, c := range h.Cards {
		for _, p := range c.Ports {
			if !drawn[pci.PF(p.Address).String()] {
				fmt.Fprintf(b, "  wire --- uplink %s %s\n", style.OrDash(p.Netdev), p.Address)
			}
		}
	}
	for _, v := range h.VLANs {
		if h.ours(v.On) {
			fmt.Fprintf(b, "  VLAN %s: %s, mtu %d, %s\n", style.Bold(v.Name), v.Which(), v.MTU, step.UpDown(v.Up))
		}
	}
}

// ours tells the netdevs of the cards, and the bonds.
func (h Host) ours(id resource.ID) bool {
	return id.Kind == resource.Bond || h.Port(id.Function.PF) != nil
}

// printBridges draws the kernel's bridges that have ports of the cards.
func (h Host) printBridges(b *strings.Builder, drawn map[string]bool) {
	for _, br := range h.Bridges {
		if !slices.ContainsFunc(br.Ports, func(p bridge.PortState) bool { return h.ours(p.Netdev) }) {
			continue
		}
		fmt.Fprintf(b, "  bridge %s (of the kernel, %s)\n", style.Bold(br.Name), br.Filter())
		for i, p := range br.Ports {
			s := ovs.PortState{ID: p.Netdev.String(), Name: p.Name, Netdev: p.Name, OFPort: 1} // it works where it is a port
			if p.Netdev.Kind == resource.Netdev || p.Netdev.Kind == resource.Representor {
				s.ID = p.Netdev.Function.String()
			}
			h.drawPort(b, p.VLANs(), s, i == len(br.Ports)-1, drawn)
		}
	}
}

func (h Host) printPort(b *strings.Builder, p ovs.PortState, last bool, drawn map[string]bool) {
	h.drawPort(b, p.VLANs(), p, last, drawn)
}

func (h Host) drawPort(b *strings.Builder, vlans string, p ovs.PortState, last bool, drawn map[string]bool) {
	branch, below := "  |-- ", "  |   "
	if last {
		branch, below = "  `-- ", "      "
	}
	drawn[p.ID] = true
	what := p.Name
	if f, err := pci.ParseFunction(p.ID); err == nil {
		what = h.functionLine(f, p)
	}
	var bonded *bond.Bond
	for i := range h.Bonds {
		if p.ID == "bond/"+h.Bonds[i].Name {
			bonded = &h.Bonds[i]
			what = bondLine(*bonded)
		}
	}
	state := ""
	switch {
	case p.Error != "":
		state = style.Red("  " + p.Error)
	case p.OFPort <= 0:
		state = style.Red("  not working: no such netdev")
	}
	fmt.Fprintf(b, "%s%-18s %s%s\n", branch, vlans, what, state)
	if bonded != nil {
		h.printMembers(b, *bonded, below, drawn)
	}
}

// functionLine is a VF behind its representor, or an uplink.
func (h Host) functionLine(f pci.Function, p ovs.PortState) string {
	if !f.IsVF() {
		return fmt.Sprintf("uplink %s %s --- wire", p.Netdev, f.PF)
	}
	line := fmt.Sprintf("representor %s --- VF %d of %s", style.OrDash(p.Netdev), f.VF, f.PF)
	if port := h.Port(f.PF); port != nil && f.VF < len(port.VFs) {
		vf := port.VFs[f.VF]
		line += fmt.Sprintf("  %s %s", style.OrDash(vf.Driver), vf.Netdev)
		if s, ok := h.Offload[f]; ok {
			line += style.Faint(s.Text())
		}
	}
	return line
}

func bondLine(bd bond.Bond) string {
	s := fmt.Sprintf("bond %s %s %s", style.Bold(bd.Name), bd.Mode, bd.XmitHashPolicy)
	if bd.LACP != nil {
		s += fmt.Sprintf(", LACP partner %s, %d links in the aggregator", bd.LACP.PartnerMAC, bd.LACP.Ports)
	}
	if bd.LAG.VF() {
		return s + style.Green(", LAG active in the card")
	}
	return s + ", LAG in the card: " + bd.LAG.State
}

func (h Host) printMembers(b *strings.Builder, bd bond.Bond, indent string, drawn map[string]bool) {
	for i, m := range bd.Members {
		branch := "|-- "
		if i == len(bd.Members)-1 {
			branch = "`-- "
		}
		drawn["pci/"+m.ID] = true
		fmt.Fprintf(b, "%s%suplink %s %s  MII %s --- wire\n", indent, branch, m.Netdev, m.ID, m.MIIStatus)
	}
}
