// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"context"
	"fmt"
	"slices"

	"github.com/nicwright/nicwright/internal/ovsdb"
)

// watcher follows what ovs-vswitchd says of the configuration number and of the
// interfaces. Each change costs a look at the row that changed.
type watcher struct {
	c      *ovsdb.Client
	cur    int
	byName map[string]ovsdb.Columns
	names  map[string]string // UUID -> name
}

func watch(ctx context.Context, c *ovsdb.Client) (*watcher, error) {
	w := &watcher{c: c, byName: map[string]ovsdb.Columns{}, names: map[string]string{}}
	events, err := c.Monitor(ctx, map[string][]string{
		ovsdb.TableRoot:      {"cur_cfg"},
		ovsdb.TableInterface: {"name", "ofport", "ifindex", "error"},
	})
	if err != nil {
		return nil, err
	}
	w.see(events)
	return w, nil
}

// see takes events in and gives the names of the interfaces that changed.
func (w *watcher) see(events []ovsdb.Event) (changed []string) {
	for _, gone := range []bool{true, false} { // a name may be given on from one row to another
		for _, e := range events {
			switch {
			case (e.Row == nil) != gone:
			case e.Table == ovsdb.TableRoot && !gone:
				if n := e.Row.Int("cur_cfg"); n != nil {
					w.cur = *n
				}
			case e.Table != ovsdb.TableInterface:
			case gone:
				name := w.names[e.UUID]
				delete(w.names, e.UUID)
				delete(w.byName, name)
				changed = append(changed, name)
			default:
				name := e.Row.String("name")
				w.names[e.UUID], w.byName[name] = name, e.Row
				changed = append(changed, name)
			}
		}
	}
	return changed
}

// until waits for ovs-vswitchd to carry the transaction out.
func (w *watcher) until(ctx context.Context, t *transaction, n names) error {
	pending := map[string]string{}
	for name := range t.put {
		pending[name] = ""
	}
	look := slices.Collect(mapKeys(pending))
	reached := false
	for {
		if w.cur >= t.next {
			if !reached {
				reached, look = true, slices.Collect(mapKeys(pending)) // what was said before is of the configuration before
			}
			for _, name := range look {
				if _, waits := pending[name]; !waits {
					continue
				}
				why, err := w.unattached(name, t.put[name], n)
				if err != nil {
					return err
				}
				if pending[name] = why; why == "" {
					delete(pending, name)
				}
			}
			if len(pending) == 0 {
				return nil
			}
		}
		events, err := w.c.Next(ctx)
		if err == nil {
			look = w.see(events)
			continue
		}
		err = fmt.Errorf("waiting until ovs-vswitchd has carried the transaction out: %w", err)
		if !reached {
			return fmt.Errorf("%w: ovs-vswitchd does not answer: systemctl status openvswitch-switch, /var/log/openvswitch/ovs-vswitchd.log", err)
		}
		for _, why := range pending {
			return fmt.Errorf("%w: %s: see /var/log/openvswitch/ovs-vswitchd.log", err, why)
		}
		return err
	}
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// unattached says why an interface is not attached yet, "" if it is. One that
// ovs-vswitchd cannot attach is an error.
func (w *watcher) unattached(name, id string, n names) (string, error) {
	row, ok := w.byName[name]
	ofport, index := row.Int("ofport"), row.Int("ifindex")
	switch {
	case !ok:
		return "", fmt.Errorf("OVS port %s (%s) vanished from the database: another program deleted it; run apply again", name, id)
	case ofport == nil || *ofport == 0:
		return fmt.Sprintf("port %s (%s) has no ofport yet", name, id), nil
	case *ofport < 0:
		said := row.String("error")
		if said == "" {
			said = "no reason given"
		}
		return "", fmt.Errorf("OVS port %s (%s): ovs-vswitchd cannot attach it: %s (is the netdev in another bridge or bond?)", name, id, said)
	case index != nil && n.index[id] != 0 && *index != n.index[id]:
		// It still holds the netdev that had this name before.
		return fmt.Sprintf("port %s (%s) is on ifindex %d, and the netdev has %d", name, id, *index, n.index[id]), nil
	}
	return "", nil
}
