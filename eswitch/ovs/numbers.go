// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"context"
	"errors"
	"fmt"

	"github.com/nicwright/nicwright/internal/ovsdb"
)

// Numbers are the OpenFlow numbers of the bridge's ports, by their IDs: of those that work, and of those that an interrupted
// operation took off, which get theirs again.
func (b BridgeState) Numbers() map[string]int {
	all := map[string]int{}
	for _, a := range b.Away {
		if v, err := parseValue(a.Value); err == nil && v.ofport > 0 {
			all[a.ID] = v.ofport
		}
	}
	for _, p := range b.Ports {
		if p.OFPort > 0 {
			all[p.ID] = p.OFPort
		}
	}
	return all
}

// ReadNumbers looks at a bridge's ports: the OpenFlow numbers of those that work, by PortState.ID.
func ReadNumbers(ctx context.Context, bridge string) (numbers map[string]int, err error) {
	n, err := readNames(ctx)
	if err != nil {
		return nil, err
	}
	c, err := ovsdb.Dial(ctx, ovsdb.Sockets())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	r, err := c.Read(ctx)
	if err != nil {
		return nil, err
	}
	if r.Root != nil {
		for _, b := range assemble(r, n).Bridges {
			if b.Name == bridge {
				return b.Numbers(), nil
			}
		}
	}
	return nil, fmt.Errorf("Open vSwitch has no bridge %s: somebody removed it meanwhile, apply again", bridge) //nolint:staticcheck // a name begins with a capital
}
