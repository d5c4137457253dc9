// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ovn-org/libovsdb/cache"
	"github.com/ovn-org/libovsdb/client"
	"github.com/ovn-org/libovsdb/model"
	"github.com/ovn-org/libovsdb/ovsdb"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/step"
)

const (
	netdevTimeout  = 30 * time.Second
	switchTimeout  = 60 * time.Second
	timeoutPerPort = 500 * time.Millisecond
	// attempts at a transaction whose premises another writer changed meanwhile.
	attempts = 5
)

// Doer does the steps of the switch. Its zero value works.
type Doer struct {
	// Sockets of ovsdb-server; the first that is there is used. None: the usual ones.
	Sockets []string
	// Timeout is how long ovs-vswitchd may take to carry the transaction out; 0: 60 s, and
	// 0.5 s more for each port.
	Timeout time.Duration
}

var _ step.Doer = Doer{}

// Do does all the steps in one transaction, then waits until ovs-vswitchd has
// carried it out and every port concerned has an OpenFlow port number.
func (d Doer) Do(ctx context.Context, steps []step.Step) error {
	e, err := parseEdits(steps)
	if err != nil {
		return err
	}
	n, err := awaitNames(ctx, e)
	if err != nil {
		return err
	}
	paths := d.Sockets
	if len(paths) == 0 {
		paths = sockets()
	}
	c, err := connect(ctx, paths)
	if err != nil {
		return err
	}
	defer c.Close()
	events := changes(c) // before the act: what it causes is not missed
	next, err := transact(ctx, c, e, n)
	if err != nil {
		return err
	}
	timeout := d.Timeout
	if timeout == 0 {
		timeout = switchTimeout + time.Duration(len(e.ports))*timeoutPerPort
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%v are over", timeout))
	defer cancel()
	return awaitSwitch(ctx, c, events, e, n, next)
}

// edits is what the steps say, taken together.
type edits struct {
	offload *bool
	bridges map[string]string  // name -> present, "" (delete it) or keyMark (only take the mark away)
	ports   map[portKey]string // -> vlan text, "" (delete it)
	order   []portKey          // of the ports that are to be there
}

type portKey struct{ bridge, id string }

func parseEdits(steps []step.Step) (edits, error) {
	e := edits{bridges: map[string]string{}, ports: map[portKey]string{}}
	for _, s := range steps {
		bridge, id, isPort := strings.Cut(strings.TrimPrefix(s.Resource, resourcePrefix), "/")
		switch {
		case s.Resource == resourceRoot && s.Attribute == attrOffload:
			on := s.To == "true"
			e.offload = &on
		case !strings.HasPrefix(s.Resource, resourcePrefix):
			return e, fmt.Errorf("%s: the OVS domain has no such resource", s.Resource)
		case isPort && s.Attribute == attrPort:
			k := portKey{bridge, id}
			e.ports[k] = s.To
			if s.To != "" {
				e.order = append(e.order, k)
			}
		case !isPort && s.Attribute == attrBridge:
			e.bridges[bridge] = s.To
		case !isPort && s.Attribute == attrMark && s.To == "":
			e.bridges[bridge] = keyMark
		default:
			return e, fmt.Errorf("%s: the OVS domain has no attribute %q", s.Resource, s.Attribute)
		}
	}
	return e, nil
}

// awaitNames resolves the netdevs of the ports that are to be there, which may
// still be on their way after a change of the eswitch.
func awaitNames(ctx context.Context, e edits) (names, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, netdevTimeout, fmt.Errorf("%v are over", netdevTimeout))
	defer cancel()
	events, err := await.Links(ctx)
	if err != nil {
		return names{}, err
	}
	var n names
	var missing string
	err = await.Until(ctx, "every OVS port's netdev is there", events, func() (bool, error) {
		var err error
		if n, err = readNames(ctx); err != nil {
			return false, err
		}
		for _, k := range e.order {
			if _, ok := n.netdevs[k.id]; !ok && !strings.HasPrefix(k.id, idPort) {
				missing = k.id
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil && missing != "" && ctx.Err() != nil {
		return names{}, fmt.Errorf("%w: %s has none in this network namespace: is its eswitch in switchdev mode, and does it have the VF? (nicwright show)", err, missing)
	}
	return n, err
}

// netdev is the name of the netdev of the port with that ID.
func (n names) netdev(id string) string {
	if name, ok := strings.CutPrefix(id, idPort); ok {
		return name
	}
	return n.netdevs[id]
}

// changes is an event source of the client's monitor.
func changes(c client.Client) <-chan struct{} {
	ch := make(chan struct{}, 1)
	signal := func() {
		select {
		case ch <- struct{}{}:
		default: // one event is waiting: it covers this one
		}
	}
	c.Cache().AddEventHandler(&cache.EventHandlerFuncs{
		AddFunc:    func(string, model.Model) { signal() },
		UpdateFunc: func(string, model.Model, model.Model) { signal() },
		DeleteFunc: func(string, model.Model) { signal() },
	})
	return ch
}

// transact does the edits in one transaction and returns the configuration
// number (next_cfg) that ovs-vswitchd has to reach. The transaction holds only if
// the rows it was made from are still the same; if not, it is made anew.
func transact(ctx context.Context, c client.Client, e edits, n names) (int, error) {
	for i := 0; ; i++ {
		r, err := read(ctx, c)
		if err != nil {
			return 0, err
		}
		if r.Root == nil {
			return 0, errors.New(assemble(r, n).Reason)
		}
		ops, err := operations(c, r, e, n)
		if err != nil {
			return 0, err
		}
		results, err := c.Transact(ctx, ops...)
		if err != nil {
			return 0, fmt.Errorf("OVSDB: the transaction of the switch's %d changes: %w", len(ops), err)
		}
		failed, err := ovsdb.CheckOperationResults(results, ops)
		if err == nil {
			return nextCfg(results)
		}
		var late *ovsdb.TimedOut
		for _, f := range failed {
			if errors.As(f, &late) && i+1 < attempts {
				break
			}
			return 0, refused(f)
		}
		if late == nil {
			return 0, fmt.Errorf("OVSDB: the transaction of the switch was refused: %w (does a netdev or a bridge of this name belong to another bridge? ovs-vsctl show)", err)
		}
	}
}

func refused(f ovsdb.OperationError) error {
	what := "the transaction"
	if op := f.Operation(); op != nil {
		what = op.Op + " in table " + op.Table
		if name, ok := op.Row["name"].(string); ok {
			what += " of " + name
		}
	}
	return fmt.Errorf("OVSDB: %s was refused: %w (does a bridge or a port of this name exist elsewhere? ovs-vsctl show)", what, f)
}

// nextCfg is the answer of the select that ends the transaction.
func nextCfg(results []ovsdb.OperationResult) (int, error) {
	last := results[len(results)-1]
	if len(last.Rows) == 1 {
		switch v := last.Rows[0]["next_cfg"].(type) {
		case float64:
			return int(v), nil
		case int:
			return v, nil
		}
	}
	return 0, fmt.Errorf("OVSDB: the transaction was carried out, but it did not tell next_cfg: %v", last)
}

// awaitSwitch waits for ovs-vswitchd.
func awaitSwitch(ctx context.Context, c client.Client, events <-chan struct{}, e edits, n names, next int) error {
	var missing string
	reached := false
	err := await.Until(ctx, "ovs-vswitchd has carried the transaction out", events, func() (bool, error) {
		r, err := read(ctx, c)
		if err != nil {
			return false, err
		}
		if r.Root == nil || !c.Connected() {
			return false, errors.New("the connection to ovsdb-server ended: systemctl status openvswitch-switch")
		}
		reached = r.Root.CurCfg >= next
		if !reached {
			return false, nil
		}
		missing, err = unattached(r, e, n)
		return missing == "", err
	})
	switch {
	case err == nil || ctx.Err() == nil:
		return err
	case !reached:
		return fmt.Errorf("%w: ovs-vswitchd does not answer: systemctl status openvswitch-switch, /var/log/openvswitch/ovs-vswitchd.log", err)
	}
	return fmt.Errorf("%w: %s: see /var/log/openvswitch/ovs-vswitchd.log", err, missing)
}

// unattached says which port ovs-vswitchd has not attached yet, "" for none. A
// port that it cannot attach is an error.
func unattached(r rows, e edits, n names) (string, error) {
	byName := make(map[string]interfaceRow, len(r.Interfaces))
	for _, i := range r.Interfaces {
		byName[i.Name] = i
	}
	for _, k := range e.order {
		name := n.netdev(k.id)
		i, ok := byName[name]
		switch {
		case !ok:
			return "", fmt.Errorf("OVS port %s (%s) on %s vanished from the database: another program deleted it; run apply again", name, k.id, k.bridge)
		case i.OFPort == nil || *i.OFPort == 0:
			return fmt.Sprintf("port %s (%s) has no ofport yet", name, k.id), nil
		case *i.OFPort < 0:
			said := "no reason given"
			if i.Error != nil {
				said = *i.Error
			}
			return "", fmt.Errorf("OVS port %s (%s) on %s: ovs-vswitchd cannot attach it: %s (is the netdev in another bridge or bond?)", name, k.id, k.bridge, said)
		case i.Ifindex != nil && n.index[k.id] != 0 && *i.Ifindex != n.index[k.id]:
			// It still holds the netdev that had this name before.
			return fmt.Sprintf("port %s (%s) is on ifindex %d, and the netdev has %d", name, k.id, *i.Ifindex, n.index[k.id]), nil
		}
	}
	return "", nil
}
