// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/step"
)

// Attributes of a bridge's own netdev, which is its internal port. The MTU is asked for
// in the database, where it outlives a reboot; up is the kernel's alone.
const (
	attrMTU = "mtu"
	attrUp  = "up"
)

// mtu is that of a bridge's own netdev, and what the database asks for (Interface,
// mtu_request), 0 for nothing: then ovs-vswitchd has it follow the bridge's ports.
type mtu struct{ is, asked int }

const notAsked = "(not asked for)"

// text is "9000", or "1500 (not asked for)", or "1500 (9000 is asked for)".
func (m mtu) text() string {
	switch m.asked {
	case m.is:
		return strconv.Itoa(m.is)
	case 0:
		return strconv.Itoa(m.is) + " " + notAsked
	}
	return fmt.Sprintf("%d (%d is asked for)", m.is, m.asked)
}

// parseMTU reads what text wrote.
func parseMTU(text string) (m mtu, err error) {
	bad := fmt.Errorf("%q is no MTU of a bridge", text)
	number, rest, more := strings.Cut(text, " ")
	if m.is, err = strconv.Atoi(number); err != nil || m.is <= 0 {
		return mtu{}, bad
	}
	switch asked, ok := strings.CutSuffix(strings.TrimPrefix(rest, "("), " is asked for)"); {
	case !more:
		m.asked = m.is
	case rest == notAsked:
	case ok:
		if m.asked, err = strconv.Atoi(asked); err != nil || m.asked <= 0 {
			return mtu{}, bad
		}
	default:
		return mtu{}, bad
	}
	if m.text() != text {
		return mtu{}, bad
	}
	return m, nil
}

func (b BridgeState) mtu() mtu { return mtu{b.MTU, b.AskedMTU} }

// mtu is what is wanted; ok is false where nothing is said.
func (b Bridge) mtu() (m mtu, ok bool) {
	switch {
	case b.MTU == nil:
		return m, false
	case b.AskedMTU != nil && *b.AskedMTU == 0:
		return mtu{is: *b.MTU}, true
	case b.AskedMTU != nil:
		return mtu{*b.AskedMTU, *b.AskedMTU}, true
	}
	return mtu{*b.MTU, *b.MTU}, true
}

// own plans what a bridge's own netdev is told.
func (d *differ) own(w Bridge, b BridgeState, there bool) {
	r := resource.OfBridge(w.Name)
	if m, said := w.mtu(); said && (m.asked != b.AskedMTU || m.asked > 0 && m.is != b.MTU) { // one that is not asked for follows the ports
		from := step.Absent()
		if there && b.MTU > 0 {
			from = step.Text(b.mtu().text())
		}
		d.add(r, attrMTU, from, step.Text(m.text()))
	}
	if w.Up == nil || there && b.MTU > 0 && *w.Up == b.Up || !there && !*w.Up {
		return
	}
	from := step.Absent()
	if there && b.MTU > 0 {
		from = step.Text(step.UpDown(b.Up))
	}
	s := d.add(r, attrUp, from, step.Text(step.UpDown(*w.Up)))
	if !*w.Up {
		own := resource.OfLink(w.Name)
		s.Effects = []step.Effect{{Kind: step.Down, On: own, For: step.ForGood}, step.Stop(own, step.ForGood, "what the host itself sends and takes by "+w.Name)}
	}
}

// internal is the UUID of the Interface of a bridge's internal port, "" for none.
func (t *transaction) internal(bridge ovsdb.Columns) string {
	name := bridge.String("name")
	for _, id := range bridge.UUIDs("ports") {
		for _, i := range t.r.Ports[id].UUIDs("interfaces") {
			if t.r.Interfaces[i].String("name") == name {
				return i
			}
		}
	}
	return ""
}

// ask sets the MTU that is asked for of a bridge that is there. One that nobody shall ask
// for any more is asked for first, and let go when it is so (release): ovs-vswitchd goes on
// with the least MTU that it has heard of a bridge, and takes a netdev without a request of
// its own back to that (ofproto/ofproto.c, update_mtu).
func (t *transaction) ask(bridge ovsdb.Columns, m *mtu) {
	id := ""
	if m != nil {
		id = t.internal(bridge)
	}
	if id == "" {
		return
	}
	is, to := 0, m.asked
	if n := t.r.Interfaces[id].Int(columnMTU); n != nil {
		is = *n
	}
	if to == 0 && is != 0 {
		to = m.is
		t.release(bridge.String("name"), columnMTU)
	}
	if is != to {
		t.add(ovsdb.Update(ovsdb.TableInterface, id, ovsdb.Columns{columnMTU: ovsdb.Atom(to)}))
	}
}

const columnMTU = "mtu_request"

func (m mtu) column() []byte {
	if m.asked == 0 {
		return ovsdb.Set[int]()
	}
	return ovsdb.Atom(m.asked)
}

// setOwn has the bridges' own netdevs be what the steps say, when ovs-vswitchd has made
// them.
func (e *edits) setOwn(ctx context.Context) error {
	for _, name := range e.order {
		b := e.bridges[name]
		if b.gone || b.mtu == nil && b.up == nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		l, err := rtlink.ByName(name)
		if err != nil {
			return fmt.Errorf("bridge %s of Open vSwitch: its own netdev: %w (is it in this network namespace, and does ovs-vswitchd run? ovs-vsctl show)", name, err)
		}
		if b.mtu != nil && l.MTU != b.mtu.is {
			if err := rtlink.SetMTU(l, b.mtu.is); err != nil {
				return fmt.Errorf("bridge %s of Open vSwitch: its own netdev: %w", name, err)
			}
		}
		if b.up != nil && l.Up != *b.up {
			if err := rtlink.SetUp(l, *b.up); err != nil {
				return fmt.Errorf("bridge %s of Open vSwitch: its own netdev: %w", name, err)
			}
		}
	}
	return nil
}
