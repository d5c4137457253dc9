// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"

	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/style"
)

// centre moves each column to the middle of the height.
func (d *drawing) centre(columns [][]*box) {
	for _, col := range columns {
		if len(col) == 0 {
			continue
		}
		last := col[len(col)-1]
		shift := (d.Height - boxGap - (last.Y + last.H)) / 2
		for _, b := range col {
			b.Y += shift
		}
	}
}

// frame draws each card round its ports.
func (d *drawing) frame() {
	for _, c := range d.host.Cards {
		var f *box
		for _, p := range c.Ports {
			b := d.ports[p.Address]
			if f == nil {
				f = newBox("card", cardName(c))
				f.X, f.Y, f.W = b.X-boxPad, b.Y-frameHead, max(f.W, b.W+2*boxPad)
			}
			f.H = b.Y + b.H + boxPad - f.Y
		}
		if f != nil {
			d.Frames = append(d.Frames, f)
		}
	}
}

func cardName(c eswitch.Card) string {
	return strings.TrimSpace(style.OrDash(c.Model) + " " + c.Serial)
}

// D is the wire as an SVG path.
func (w wire) D() string {
	ty := w.To.Y + w.To.H/2
	if w.From == nil {
		return fmt.Sprintf("M%d %dH%d", boxPad, ty, w.To.X)
	}
	fx, fy := w.From.X+w.From.W, w.From.Y+w.From.H/2
	mid := (fx + w.To.X) / 2
	return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", fx, fy, mid, fy, mid, ty, w.To.X, ty)
}

// Out tells whether the wire leads out of the picture.
func (w wire) Out() bool { return w.From == nil }

// LabelY is above the middle of the box that a wire leads out from.
func (w wire) LabelY() int { return w.To.Y + w.To.H/2 - 5 }
