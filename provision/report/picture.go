// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/style"
)

// picture is a host as boxes in columns and lines between them, for the page to
// draw; all lengths in CSS pixels.
type picture struct {
	Width, Height int
	Frames        []*box // the cards, behind their ports
	Boxes         []*box
	Lines         []wire
}

// box is one thing. Its first line is its name.
type box struct {
	X, Y, W, H int
	Class      string
	Lines      []string
}

// wire joins the left side of one box to the right side of another, or, without
// From, leads out of the picture.
type wire struct {
	From, To *box
	Class    string
}

// Measures of the picture. A glyph of the page's 12 px monospace type is at most 7.5 wide.
const (
	glyphWidth = 7.5
	lineHeight = 17
	boxPad     = 8
	boxGap     = 12
	columnGap  = 56
	frameHead  = 26
	leadOut    = 64
)

// drawHost puts from left to right the ports of each card, the bonds, the
// bridges, and the VFs; of VFs of a port that are alike one box stands for all.
func drawHost(h Host) *picture {
	d := drawing{host: h, ports: map[pci.Address]*box{}, bonds: map[string]*box{}, bridges: map[string]*box{}}
	columns := [][]*box{d.drawPorts(), d.drawBonds(), d.drawBridges(), d.drawVFs()}
	x, height := leadOut, 0
	for i, col := range columns {
		width := 0
		for _, b := range col {
			width = max(width, b.W)
		}
		y := boxGap + frameHead
		for _, b := range col {
			b.X, b.W = x, width
			if i == 0 && d.heads[b] {
				y += frameHead
			}
			b.Y = y
			y += b.H + boxGap
		}
		if len(col) > 0 {
			x += width + columnGap
		}
		height = max(height, y)
	}
	d.Width, d.Height = x-columnGap+boxGap, height+boxGap
	d.centre(columns)
	d.frame()
	d.Boxes = slices.Concat(columns...)
	return &d.picture
}

// drawing is a picture in the making, with what is found in it by identity.
type drawing struct {
	picture
	host    Host
	ports   map[pci.Address]*box
	bonds   map[string]*box
	bridges map[string]*box
	heads   map[*box]bool // the first port of each further card: room for its frame's name
}

func newBox(class string, lines ...string) *box {
	lines = slices.DeleteFunc(lines, func(s string) bool { return s == "" })
	n := 0
	for _, l := range lines {
		n = max(n, len([]rune(l)))
	}
	return &box{Class: class, Lines: lines, W: int(float64(n)*glyphWidth) + 2*boxPad, H: len(lines)*lineHeight + boxPad}
}

func (d *drawing) drawPorts() []*box {
	var col []*box
	d.heads = map[*box]bool{}
	for i, c := range d.host.Cards {
		for j, p := range c.Ports {
			state, class := "down", "port off"
			switch {
			case p.Netdev == "":
				state = "no netdev here"
			case p.Up && !p.Carrier:
				state = "up, no carrier"
			case p.Up:
				state, class = "up", "port"
				if p.Speed > 0 {
					state = fmt.Sprintf("up %d Mb/s", p.Speed)
				}
			}
			b := newBox(class, fmt.Sprintf("port %d  %s", j, p.Address), strings.TrimSpace(p.Netdev+"  "+state),
				fmt.Sprintf("eswitch %s, VFs %d of %d", style.OrDash(p.Mode), p.NumVFs, p.TotalVFs))
			b.W = max(b.W, newBox("card", cardName(c)).W-2*boxPad)
			d.heads[b] = i > 0 && j == 0
			d.ports[p.Address] = b
			d.Lines = append(d.Lines, wire{To: b, Class: class})
			col = append(col, b)
		}
	}
	return col
}

func (d *drawing) drawBonds() []*box {
	var col []*box
	for _, bd := range d.host.Bonds {
		lag, class := "LAG in the card: "+bd.LAG.State, "bond"
		if bd.LAG.VF() {
			lag = "LAG active in the card"
		}
		partner := ""
		if bd.LACP != nil {
			partner = fmt.Sprintf("LACP partner %s, %d links", bd.LACP.PartnerMAC, bd.LACP.Ports)
		}
		if !bd.Carrier {
			class += " off"
		}
		b := newBox(class, "bond "+bd.Name, bd.Mode+" "+bd.XmitHashPolicy, partner, lag, d.onSwitch("bond/"+bd.Name))
		for _, m := range bd.Members {
			if p := d.ports[pci.Address(m.ID)]; p != nil {
				d.Lines = append(d.Lines, wire{p, b, memberClass(m)})
			}
		}
		d.bonds[bd.Name] = b
		col = append(col, b)
	}
	return col
}

func memberClass(m bond.Member) string {
	if m.MIIStatus != "up" {
		return "off"
	}
	return ""
}

// onSwitch is which VLANs what id stands for has on which bridge, "" if on none.
func (d *drawing) onSwitch(id string) string {
	br, p := d.switchPort(id)
	if p == nil {
		return ""
	}
	s := p.VLANs() + " on " + br
	switch {
	case p.Error != "":
		s += ": " + p.Error
	case p.OFPort <= 0:
		s += ": not working"
	}
	return s
}

func (d *drawing) switchPort(id string) (bridge string, port *ovs.PortState) {
	if d.host.Switch == nil {
		return "", nil
	}
	for _, br := range d.host.Switch.Bridges {
		for i := range br.Ports {
			if br.Ports[i].ID == id {
				return br.Name, &br.Ports[i]
			}
		}
	}
	return "", nil
}

func (d *drawing) drawBridges() []*box {
	if d.host.Switch == nil {
		return nil
	}
	var col []*box
	for _, br := range d.host.Switch.Bridges {
		offload := "flows in software"
		if d.host.Switch.HWOffload {
			offload = "hw-offload on"
		}
		lines := []string{"bridge " + br.Name, offload}
		for _, p := range br.Ports {
			if name, ok := strings.CutPrefix(p.ID, "port/"); ok {
				lines = append(lines, "port "+name+", "+p.VLANs())
			}
		}
		b := newBox("bridge", lines...)
		for _, p := range br.Ports {
			from := d.bonds[strings.TrimPrefix(p.ID, "bond/")]
			if f, err := pci.ParseFunction(p.ID); err == nil && !f.IsVF() {
				from = d.ports[f.PF]
			}
			if from != nil {
				d.Lines = append(d.Lines, wire{from, b, portClass(p)})
			}
		}
		d.bridges[br.Name] = b
		col = append(col, b)
	}
	return col
}

func portClass(p ovs.PortState) string {
	if p.Error != "" || p.OFPort <= 0 {
		return "off"
	}
	return ""
}

// alike is a run of VFs of one port that differ in nothing but their names.
type alike struct {
	first, last int
	driver      string
	vlan        string
	offload     string
	netdevs     []string
}

func (d *drawing) drawVFs() []*box {
	var col []*box
	for _, c := range d.host.Cards {
		for _, p := range c.Ports {
			for _, a := range d.runs(p) {
				name := fmt.Sprintf("VF %d of %s", a.first, p.Address)
				if a.last > a.first {
					name = fmt.Sprintf("VF %d-%d of %s", a.first, a.last, p.Address)
				}
				netdevs := strings.Join(a.netdevs, " ")
				if n := len(a.netdevs); n > 4 {
					netdevs = a.netdevs[0] + " ... " + a.netdevs[n-1]
				}
				driver := "no driver"
				if a.driver != "" {
					driver = a.driver
				}
				br, port := d.switchPort(pci.VF(p.Address, a.first).String())
				switch {
				case port != nil:
				case p.Mode == "switchdev":
					a.vlan = "on no bridge"
				default:
					a.vlan = "switched by the port"
				}
				b := newBox("vf", name, strings.TrimSpace(driver+" "+netdevs), a.vlan, a.offload)
				switch {
				case port != nil:
					d.Lines = append(d.Lines, wire{d.bridges[br], b, portClass(*port)})
				case p.Mode != "switchdev" && len(d.bonds)+len(d.bridges) == 0: // else the line would run behind those
					d.Lines = append(d.Lines, wire{d.ports[p.Address], b, ""})
				}
				col = append(col, b)
			}
		}
	}
	return col
}

func (d *drawing) runs(p eswitch.Port) []*alike {
	var out []*alike
	for _, vf := range p.VFs {
		f := pci.VF(p.Address, vf.Index)
		a := &alike{first: vf.Index, driver: vf.Driver, vlan: d.onSwitch(f.String())}
		if s, ok := d.host.Offload[f]; ok {
			a.offload = strings.TrimSpace(s.Text())
		}
		if n := len(out); n > 0 && out[n-1].same(a) {
			a = out[n-1]
		} else {
			out = append(out, a)
		}
		a.last = vf.Index
		if vf.Netdev != "" {
			a.netdevs = append(a.netdevs, vf.Netdev)
		}
	}
	return out
}

func (a *alike) same(b *alike) bool {
	return a.driver == b.driver && a.vlan == b.vlan && a.offload == b.offload && a.last+1 == b.first
}
