// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/step"
)

// attrNetdev is the attribute of a netdev on another that it is there at all.
const attrNetdev = "netdev"

// Upper is what a netdev on another is made of.
type Upper struct {
	Data []byte `json:"data,omitempty"` // IFLA_INFO_DATA
	MAC  string `json:"mac,omitempty"`  // where it is not that of the netdev below
}

// remakeable are the kinds that are made again from what the kernel tells of them.
var remakeable = []string{"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"}

// upperOf is what l, on lower, is made of; nil of what is not on another, or of a kind
// that cannot be made again.
func upperOf(l, lower rtlink.Link) *Upper {
	if l.Lower == 0 || !slices.Contains(remakeable, l.Kind) {
		return nil
	}
	u := &Upper{Data: l.Data}
	if l.MAC.String() != lower.MAC.String() && !strings.HasPrefix(l.Kind, "ipv") { // an ipvlan has that of the netdev below
		u.MAC = l.MAC.String()
	}
	return u
}

// upper plans that a netdev on another, which goes with that, is made again; true
// where it is.
func (d *differ) upper(id resource.ID) bool {
	w := d.want.Netdevs[id]
	below, goes := d.lost(id)
	_, there := d.have.Netdevs[id]
	switch {
	case !there && d.effects.On(id, step.Remade): // by the domain whose it is
		return false
	case !there && !goes && step.OwnerOf(w.Settings[attrAlias]) != "": // one that a profile said, and says no more
		return false
	case there && !goes:
		return false
	case goes && d.effects.On(below, step.Gone) && !d.effects.On(below, step.Remade):
		d.leave(id, attrNetdev, fmt.Sprintf("it is on %s, which ceases to be, and goes with it", d.have.called(below)))
		return false
	case w.Upper == nil && !goes:
		return false
	case w.Upper == nil:
		d.leave(id, attrNetdev, fmt.Sprintf("it is on %s, goes with it, and has to be made again by whoever made it: nicwright makes %s again only",
			d.have.called(below), strings.Join(remakeable, ", ")))
		return false
	}
	if !goes { // as after an apply that was killed: what it was on has to be there, or to come
		at := w.Lower
		_, has := d.have.Netdevs[at]
		if !has && !d.effects.On(at, step.Remade) && !d.made(at) {
			d.leave(id, attrNetdev, fmt.Sprintf("it was on %s, which is not there any more", d.want.called(at)))
			return false
		}
	}
	s := step.Step{Phase: d.phase(id), Resource: id, Attribute: attrNetdev, To: step.Text(w.Kind + " on " + d.want.called(w.Lower)), Reason: "it is not there any more"}
	if strings.HasSuffix(w.Kind, "tap") {
		d.leave(id, attrNetdev, "it is made again, and the machine that has its /dev/tap open has to be started anew")
	}
	if goes {
		s.From, s.Reason = step.Unknown(), d.have.called(below)+" below it is made again"
	}
	s.Effects = []step.Effect{{Kind: step.Remade, On: id, For: step.Apply}}
	d.add(s)
	d.effects = append(slices.Clip(d.effects), s.Effects...)
	return true
}

// made tells a netdev that a step before makes.
func (d *differ) made(id resource.ID) bool {
	return slices.ContainsFunc(d.Steps, func(s step.Step) bool { return s.Resource == id && s.Attribute == attrNetdev })
}

// upperLink plans the state of a netdev on another: of one that is made again, and of
// a VLAN that is down, which the kernel sets up with what it is on
// (net/8021q/vlan.c, vlan_device_event).
func (d *differ) upperLink(id resource.ID, h Netdev, f fate, again bool) {
	s := step.Step{Phase: d.phase(id), Resource: id, Attribute: attrUp, From: step.Unknown(), To: step.Text("up"), Reason: f.why}
	switch {
	case again && d.want.Netdevs[id].Up:
		d.add(s)
	case !again && h.Kind == "vlan" && f.down && !f.remade && !h.Up && !d.want.Netdevs[id].Up && !slices.Contains(d.want.Told[id], attrUp):
		s.To, s.Reason = step.Text("down"), f.why+", and the kernel sets VLANs up with what they are on"
		d.add(s)
	}
}

// upperMTU plans the MTU of a VLAN, which the kernel lowers with that of the netdev below, and does not raise again
// (net/8021q/vlan.c, vlan_device_event).
func (d *differ) upperMTU(id resource.ID, h Netdev, f fate) {
	if h.Kind != "vlan" || f.remade || slices.Contains(d.want.Told[id], attrMTU) {
		return
	}
	to, why := h.MTU, "it was so before"
	if d.back || slices.Contains(d.want.Again[id], attrMTU) {
		to = d.want.Netdevs[id].MTU
	}
	if most, said := d.want.MTUs[h.Lower]; said && to > most {
		to, why = most, "the kernel lowers it with that of "+d.have.called(h.Lower)
	}
	if to != 0 && to != h.MTU {
		d.add(step.Step{Phase: d.phase(id), Resource: id, Attribute: attrMTU, From: step.Text(strconv.Itoa(h.MTU)), To: step.Text(strconv.Itoa(to)), Reason: why})
	}
}

// makeUpper makes it; one that is there on the right netdev is right.
func (d *Doer) makeUpper(s step.Step, now map[resource.ID]int) error {
	w := d.want.Netdevs[s.Resource]
	lower, there := now[w.Lower]
	switch {
	case w.Upper == nil:
		return fmt.Errorf("%s: making it again: nobody knows what it was: the plan is from elsewhere", s.Resource)
	case !there:
		return fmt.Errorf("%s: making it again: %s, which it is on: %w: is its driver bound, and is it in this network namespace?", s.Resource, w.Lower, netdev.ErrNone)
	}
	if index, there := now[s.Resource]; there {
		l, err := rtlink.ByIndex(index)
		if err != nil {
			return err
		}
		if l.Lower == lower && l.Kind == w.Kind {
			return nil
		}
		return fmt.Errorf("%s: making it again: there is another netdev of that name, %s on ifindex %d: rename it, and apply again", s.Resource, rtlink.KindText(l.Kind), l.Lower)
	}
	u := rtlink.Upper{Name: w.Name, Kind: w.Kind, Lower: lower, Data: w.Upper.Data, MTU: w.MTU}
	if w.Upper.MAC != "" {
		mac, err := net.ParseMAC(w.Upper.MAC)
		if err != nil {
			return fmt.Errorf("%s: making it again: %w", s.Resource, err)
		}
		u.MAC = mac
	}
	if err := rtlink.AddUpper(u); err != nil {
		return err
	}
	l, err := rtlink.ByName(w.Name)
	now[s.Resource] = l.Index
	return err
}
