// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/pci"
)

// described is a picture as text: its boxes, and what is joined to what.
func described(p *picture) string {
	var b strings.Builder
	for _, x := range p.Boxes {
		fmt.Fprintf(&b, "%s\n", strings.Join(x.Lines, " / "))
	}
	for _, w := range p.Lines {
		from := "wire"
		if w.From != nil {
			from = w.From.Lines[0]
		}
		fmt.Fprintf(&b, "%s -> %s %s\n", from, w.To.Lines[0], w.Class)
	}
	return b.String()
}

// checkLayout fails where boxes lie over one another or outside.
func checkLayout(t *testing.T, p *picture) {
	t.Helper()
	for i, a := range p.Boxes {
		if a.X < 0 || a.Y < 0 || a.X+a.W > p.Width || a.Y+a.H > p.Height {
			t.Errorf("%v is outside of %d x %d: %+v", a.Lines, p.Width, p.Height, *a)
		}
		for _, b := range p.Boxes[:i] {
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("%v lies over %v", a.Lines, b.Lines)
			}
		}
	}
	for i, a := range p.Frames {
		for _, b := range p.Frames[:i] {
			if a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("the frame of %v lies over that of %v", a.Lines, b.Lines)
			}
		}
	}
}

func TestPicture(t *testing.T) {
	var three, small Host
	golden.Read(t, "testdata/hosts/three.yaml", &three)
	golden.Read(t, "testdata/hosts/small.yaml", &small)
	broken := small
	broken.Switch = &ovs.State{Running: true, Bridges: []ovs.BridgeState{{Name: "br-nic", Ports: []ovs.PortState{
		{ID: "pci/0001:3b:00.0", Name: "eth0", OFPort: 1},
		{ID: "pci/0001:3b:00.0/vf/1", Name: "eth4", OFPort: -1, Error: "no such device"},
		{ID: "port/tap0", Name: "tap0", OFPort: 3},
	}}}}
	broken.Bonds = []bond.Bond{{Name: "bond0", Mode: "802.3ad", LAG: bond.LAG{State: "disabled"}, Members: []bond.Member{{ID: "0001:3b:00.1", MIIStatus: "down"}}}}
	legacy := Host{}
	for i := range 2 {
		c := eswitch.Card{Model: "ConnectX-6 Dx", Serial: fmt.Sprint("a serial number that is long ", i)}
		for k := range 2 {
			p := eswitch.Port{Address: pci.Address(fmt.Sprintf("0000:%d0:00.%d", i, k)), Mode: "legacy", NumVFs: 64, TotalVFs: 64}
			for v := range 64 {
				p.VFs = append(p.VFs, eswitch.VF{Index: v, Driver: "mlx5_core", Netdev: fmt.Sprintf("eth%d", 10+v)})
			}
			p.VFs[7].Driver, p.VFs[7].Netdev = "vfio-pci", ""
			c.Ports = append(c.Ports, p)
		}
		legacy.Cards = append(legacy.Cards, c)
	}
	var b strings.Builder
	for _, tt := range []struct {
		name string
		host Host
	}{{"nothing", Host{}}, {"three", three}, {"broken", broken}, {"legacy", legacy}} {
		p := drawHost(tt.host)
		checkLayout(t, p)
		fmt.Fprintf(&b, "== %s\n%s", tt.name, described(p))
	}
	golden.Text(t, "testdata/text/pictures.txt", b.String())
}
