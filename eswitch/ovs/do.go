// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/rtlink"
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

// NewDoer is the Doer of an operation.
func NewDoer() Doer { return Doer{} }

var _ step.Doer = Doer{}

// Do does all the steps in one transaction, then waits until ovs-vswitchd has
// carried it out: every port that is put there has an OpenFlow port number, and of
// every one that is taken off the TC rules are gone.
func (d Doer) Do(ctx context.Context, steps []step.Step) (err error) {
	e, err := parseEdits(steps)
	if err != nil {
		return err
	}
	n, err := awaitNames(ctx, e)
	if err != nil {
		return err
	}
	if err := n.leaveMasters(e); err != nil {
		return err
	}
	paths := d.Sockets
	if len(paths) == 0 {
		paths = ovsdb.Sockets()
	}
	timeout := d.Timeout
	if timeout == 0 {
		timeout = switchTimeout + time.Duration(len(steps))*timeoutPerPort
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%v are over", timeout))
	defer cancel()
	c, err := ovsdb.Dial(ctx, paths)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	rules, err := await.TC(ctx) // before the act: what it causes is not missed
	if err != nil {
		return err
	}
	w, err := watch(ctx, c)
	if err != nil {
		return err
	}
	t, err := transact(ctx, c, e, n)
	if err != nil {
		return err
	}
	if err := w.until(ctx, t, n); err != nil {
		return err
	}
	if err := e.setOwn(ctx); err != nil {
		return err
	}
	if err := t.awaitNoRules(ctx, rules, n); err != nil {
		return err
	}
	if err := n.unhook(ctx, e.leaves()); err != nil {
		return err
	}
	if err := n.hook(ctx, e.hooks()); err != nil {
		return err
	}
	return unask(ctx, c, t.requests)
}

func readNames(ctx context.Context) (names, error) {
	devices, err := netdev.All(ctx)
	if err != nil {
		return names{}, fmt.Errorf("OVS ports: which functions they stand for: %w", err)
	}
	links, err := rtlink.Dump(ctx)
	if err != nil {
		return names{}, fmt.Errorf("OVS ports: which are bonds: %w", err)
	}
	return makeNames(devices, links), nil
}

// awaitNames resolves the netdevs of the ports that are to be there, which may
// still be on their way after a change of the eswitch.
func awaitNames(ctx context.Context, e *edits) (n names, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, netdevTimeout, fmt.Errorf("%v are over", netdevTimeout))
	defer cancel()
	events, err := await.Links(ctx)
	if err != nil {
		return names{}, err
	}
	var missing []string
	for _, p := range e.puts() {
		if p.on.rest != nil && len(p.on.rest.Of) > 0 {
			missing = append(missing, p.on.rest.Of...)
		} else {
			missing = append(missing, p.id)
		}
	}
	err = await.Until(ctx, "every OVS port's netdev is there", events, func() (bool, error) {
		var err error
		if n, err = readNames(ctx); err != nil {
			return false, err
		}
		missing = slices.DeleteFunc(missing, func(id string) bool { return id == "" || n.netdev(id) != "" })
		return len(missing) == 0, nil
	})
	if err != nil && len(missing) > 0 && ctx.Err() != nil {
		return names{}, fmt.Errorf("%w: %s has none in this network namespace: is its eswitch in switchdev mode, and does it have the VF? (nicwright show)", err, missing[0])
	}
	return n, err
}

// leaveMasters takes the netdevs that become ports out of what the profile said.
// What has left already, or is in something else by now, is left alone: the
// datapath says so then.
func (n names) leaveMasters(e *edits) error {
	for _, m := range e.masters {
		if n.masters[m.id].Name != m.master {
			continue
		}
		if err := rtlink.ClearMaster(n.links[n.netdev(m.id)]); err != nil {
			return fmt.Errorf("taking %s out of %s, to be a port of Open vSwitch: %w", m.id, m.master, err)
		}
	}
	return nil
}

// transact does the edits in one transaction. It holds only if the rows it was
// made from are still the same; if not, it is made anew.
func transact(ctx context.Context, c *ovsdb.Client, e *edits, n names) (*transaction, error) {
	for i := 0; ; i++ {
		r, err := c.Read(ctx)
		if err != nil {
			return nil, err
		}
		if r.Root == nil {
			return nil, errors.New("Open vSwitch's database was never initialised: systemctl restart openvswitch-switch") //nolint:staticcheck // a name begins with a capital
		}
		t, err := newTransaction(r, e, n)
		if err != nil {
			return nil, err
		}
		results, err := c.Transact(ctx, t.ops...)
		var refused *ovsdb.OpError
		switch {
		case errors.As(err, &refused) && refused.Moved() && i+1 < attempts:
			continue
		case refused != nil:
			return nil, fmt.Errorf("%w (does a bridge or a port of this name exist elsewhere? ovs-vsctl show)", err)
		case err != nil:
			return nil, err
		}
		last := results[len(results)-1]
		if len(last.Rows) != 1 || last.Rows[0].Int("next_cfg") == nil {
			return nil, fmt.Errorf("OVSDB: the transaction was carried out, but it did not tell next_cfg: %v", last)
		}
		t.next = *last.Rows[0].Int("next_cfg")
		return t, nil
	}
}

// unask takes back what was asked for only until it was so: the OpenFlow numbers that
// ports were put back with, where nothing was said before (a port keeps the one it has,
// vswitchd/bridge.c, bridge_delete_or_reconfigure_ports), and former MTUs.
func unask(ctx context.Context, c *ovsdb.Client, requests map[string][]string) error {
	if len(requests) == 0 {
		return nil
	}
	r, err := c.Read(ctx)
	if err != nil {
		return err
	}
	var ops []ovsdb.Op
	for id, row := range r.Interfaces {
		columns := ovsdb.Columns{}
		for _, column := range requests[row.String("name")] {
			columns[column] = ovsdb.Set[int]()
		}
		if len(columns) > 0 {
			ops = append(ops, ovsdb.Update(ovsdb.TableInterface, id, columns))
		}
	}
	if len(ops) == 0 {
		return nil
	}
	_, err = c.Transact(ctx, ops...)
	return err
}
