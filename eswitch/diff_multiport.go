// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"slices"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// One eswitch for all ports of a card: each of its ports has the same value. It takes switchdev on all of them
// and no LAG of a bond, and goes with the mode of any (m5/lag/mpesw.c, enable_mpesw; m5/lag/lag.c,
// mlx5_lag_disable_change).
const paramMultiport = "params esw_multiport runtime"

// multiport is what is to become of the multiport eswitch of a card.
type multiport struct {
	now, to string      // "" where there is none, or it is left alone
	moves   bool        // a port's mode changes, if only for a while
	legacy  pci.Address // a port that will not be in switchdev, "" for none
}

// oneMultiport is of each card what its ports want of the multiport eswitch: what the profile says of any of
// them; else of what was before what differs from now.
func oneMultiport(have []Card, differs []*differ) {
	for _, c := range have {
		of := slices.DeleteFunc(slices.Clone(differs), func(d *differ) bool {
			return !slices.ContainsFunc(c.Ports, func(p Port) bool { return p.Address == d.port.Address })
		})
		m := multiport{}
		for _, p := range c.Ports {
			mode := p.Mode
			if i := slices.IndexFunc(of, func(d *differ) bool { return d.port.Address == p.Address }); i >= 0 {
				mode, m.moves = of[i].mode, m.moves || of[i].modeMoves
			}
			if mode != switchdev && m.legacy == "" {
				m.legacy = p.Address
			}
			if v, has := p.Param(paramMultiport).Get(); has {
				m.now = v
			}
		}
		for _, d := range of {
			v, wanted := d.want.ParamsAs[paramMultiport]
			_, said := d.want.Params["esw_multiport"]
			if wanted && (said || m.to == "" || v != m.now) {
				m.to = v
			}
			if said {
				break
			}
		}
		for _, d := range of {
			d.multi = m
		}
	}
}

// multiportOff takes it back before a mode changes: it would go with it, and a reload is refused with it.
func (d *differ) multiportOff() {
	if !d.multi.moves || d.multi.now != "true" {
		return
	}
	s := d.setMultiport("true", "false")
	s.Phase, s.Reason = step.Params, "it goes with the mode of the eswitch"
	d.pf(s)
}

// multiportEnds sets it at the end: on when all ports are in switchdev and bonds have let go of them, off before
// bonds take them. Each port has the step, so that a rollback of any knows.
func (d *differ) multiportEnds() {
	now := d.multi.now
	if now == "true" && d.multi.moves {
		now = "false"
	}
	if d.multi.to == "" || now == "" || now == d.multi.to || d.multi.to == "true" && d.multi.legacy != "" {
		return
	}
	s := d.setMultiport(now, d.multi.to)
	if s.Phase = step.Functions; d.multi.to == "true" {
		s.Phase = step.LAG
	}
	d.pf(s)
}

func (d *differ) setMultiport(from, to string) step.Step {
	s := d.setParam(paramMultiport, step.Text(from), to)
	s.Effects = []step.Effect{step.Stop(resource.OfFunction(pci.PF(d.port.Address)), step.Moment, "all traffic of the card's ports and their VFs")}
	return s
}
