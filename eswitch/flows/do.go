// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/openflow"
	"github.com/nicwright/nicwright/internal/step"
)

// timeout is how long a bridge may take for all its rules.
const timeout = 30 * time.Second

// Doer does the steps of rules of one operation.
type Doer struct {
	was map[string]map[string]int // State.Ports before it
}

// NewDoer makes the Doer of steps from have.
func NewDoer(have State) Doer { return Doer{have.Ports} }

var _ step.Doer = Doer{}

// Do brings the rules of one bridge to what the steps say, all or none of them.
func (d Doer) Do(ctx context.Context, steps []step.Step) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%v are over", timeout))
	defer cancel()
	bridge := steps[0].Resource.Name
	numbers, err := ovs.ReadNumbers(ctx, bridge)
	if err != nil {
		return err
	}
	remove, add, err := changes(steps, resolver(d.was[bridge], numbers), resolver(numbers))
	if err != nil {
		return err
	}
	c, err := openflow.Dial(ctx, bridge)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	for _, f := range add {
		if err := free(c, bridge, f); err != nil {
			return err
		}
	}
	if err := c.Change(remove, add); err != nil {
		return err
	}
	return seen(c, bridge, remove, add)
}

// resolver gives the number of a port, by the first that knows it.
func resolver(numbers ...map[string]int) func(string) (uint32, error) {
	return func(id string) (uint32, error) {
		for _, known := range numbers {
			if n, ok := known[id]; ok {
				return uint32(n), nil
			}
		}
		if n, err := openflow.ParsePort(id); err == nil {
			return n, nil
		}
		return 0, fmt.Errorf("the bridge has no port that works for %s: name it under its ports in the profile, or look at `ovs-vsctl show`", id)
	}
}

// changes is what the steps say. What goes had its ports before them: they may be gone by now.
func changes(steps []step.Step, before, now func(string) (uint32, error)) (remove, add []openflow.Flow, err error) {
	for _, s := range steps {
		if s.Attribute != attrActions {
			return nil, nil, fmt.Errorf("%s: the flows domain has no such attribute", s)
		}
		to, value, number := &add, s.To, now
		if s.To.IsAbsent() {
			to, value, number = &remove, s.From, before
		}
		f, err := flowOf(s, value.Str(), number)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", s.Resource, err)
		}
		*to = append(*to, f)
	}
	return remove, add, nil
}

// flowOf is the rule of a step with the value.
func flowOf(s step.Step, value string, number func(string) (uint32, error)) (openflow.Flow, error) {
	i := strings.LastIndex(value, wordOwner)
	if i < 0 {
		return openflow.Flow{}, fmt.Errorf("%q does not say whose it is: the plan is from elsewhere", value)
	}
	table, priority, match, err := ofWhich(s.Resource.Of)
	if err != nil {
		return openflow.Flow{}, err
	}
	f, err := parse(match, value[:i], number)
	if err != nil {
		return openflow.Flow{}, err
	}
	f.Table, f.Priority, f.Cookie = table, priority, openflow.Cookie(value[i+len(wordOwner):])
	var c Cookie
	if err := c.UnmarshalText([]byte(value[i+len(wordOwner):])); err == nil && uint64(c)&openflow.OursMask == openflow.Ours {
		f.Cookie = uint64(c)
	}
	return f, nil
}

// free refuses to put a rule in the place of somebody else's.
func free(c *openflow.Conn, bridge string, f openflow.Flow) error {
	like, err := c.Like(f)
	if err != nil {
		return err
	}
	for _, o := range like {
		if o.Same(f) && o.Cookie&openflow.OursMask != openflow.Ours {
			return fmt.Errorf("bridge %s has a rule of somebody else's (cookie %#x) in the place of one that is to be made, table=%d,priority=%d,%s: give the rule another priority, or take that one away (ovs-ofctl --strict del-flows %s)",
				bridge, o.Cookie, f.Table, f.Priority, f.Match.Text(nil), bridge)
		}
	}
	return nil
}

// seen looks whether the bridge has what it was told.
func seen(c *openflow.Conn, bridge string, remove, add []openflow.Flow) error {
	all, err := c.Flows(openflow.Ours, openflow.OursMask)
	if err != nil {
		return err
	}
	has := func(f openflow.Flow) bool {
		return slices.ContainsFunc(all, func(o openflow.Flow) bool { return o.Same(f) && o.Cookie == f.Cookie && o.Actions.Equal(f.Actions) })
	}
	for _, f := range add {
		if !has(f) {
			return fmt.Errorf("bridge %s took the rule table=%d,priority=%d,%s, and does not show it as it was told: somebody else changes its rules (ovs-ofctl dump-flows %s)", bridge, f.Table, f.Priority, f.Match.Text(nil), bridge)
		}
	}
	for _, f := range remove {
		if has(f) && !slices.ContainsFunc(add, f.Same) {
			return fmt.Errorf("bridge %s was told to take the rule table=%d,priority=%d,%s away, and shows it still: somebody else changes its rules (ovs-ofctl dump-flows %s)", bridge, f.Table, f.Priority, f.Match.Text(nil), bridge)
		}
	}
	return nil
}
