// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/snapshot"
)

// tcOffload is the feature without which a driver takes no TC rules.
const tcOffload = "hw-tc-offload"

// inCard tells whether the card forwards both directions.
func (s seenFlows) inCard() bool {
	return len(s.flows) == 2 && s.flows[0].inCard() && s.flows[1].inCard()
}

// causes looks for what keeps the flows between representors out of the card. What
// cannot be read is no cause, and is said.
func causes(ctx context.Context, reps []netdev.Link) []string {
	var all []string
	note := func(why string, err error) {
		switch {
		case err != nil:
			all = append(all, "it cannot be told why: "+err.Error())
		case why != "":
			all = append(all, why)
		}
	}
	on, err := offloads(ctx)
	note("", err)
	if err == nil && !on {
		note("hw-offload of Open vSwitch is off: ovs-vsctl set Open_vSwitch . other_config:hw-offload=true", nil)
	}
	features, err := featuresOf(ctx, reps)
	note("", err)
	with, err := snapshot.Ingress(ctx)
	note("", err)
	for _, r := range reps {
		if f, ok := features[r.Index]; ok && !f.Active {
			note(fmt.Sprintf("%s of %s is off: ethtool -K %s %s on", tcOffload, r.Name, r.Name, tcOffload), nil)
		}
		if _, has := with[r.Index]; err == nil && !has {
			note(noQdisc(r.Name), nil)
		}
	}
	return all
}

// noQdisc says what a netdev without its ingress qdisc means, and the mend.
func noQdisc(netdevs ...string) string {
	return fmt.Sprintf("the ingress qdisc that ovs-vswitchd makes and hangs its rules to is gone from %s: another program (a network manager?) removed it; run nicwright apply, which puts the port again, or systemctl restart openvswitch-switch",
		strings.Join(netdevs, ", "))
}

// offloads asks for other_config:hw-offload.
func offloads(ctx context.Context) (on bool, err error) {
	c, err := ovsdb.Dial(ctx, ovsdb.Sockets())
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	r, err := c.Transact(ctx, ovsdb.Select(ovsdb.TableRoot, "other_config"))
	if err != nil || len(r[0].Rows) == 0 {
		return false, err
	}
	return strings.EqualFold(r[0].Rows[0].Map("other_config")[keyOffload], "true"), nil
}

func featuresOf(ctx context.Context, reps []netdev.Link) (_ map[int]ethtool.Feature, err error) {
	c, err := ethtool.Dial(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	all := map[int]ethtool.Feature{}
	for _, r := range reps {
		f, err := c.Get(r.Index)
		if err != nil {
			return all, err
		}
		if one, ok := f.Get(tcOffload); ok {
			all[r.Index] = one
		}
	}
	return all, nil
}
