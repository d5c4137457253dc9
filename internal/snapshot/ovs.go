// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/openflow"
	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/rtattr"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/internal/unixctl"
)

// OVS is Open vSwitch as its database and its daemon answer.
type OVS struct {
	Running bool
	Reason  string // why it is not running or could not be read, and what to do
	// Unread: it is there, and did not answer in time or not as it should.
	Unread bool
	Rows   *ovsdb.Database
	// Stopped is why ovs-vswitchd does not answer, "" where it does: the database can be read and
	// written without it, and nothing comes of it.
	Stopped string
	// Ingress has the netdevs with an ingress or clsact qdisc, to which ovs-vswitchd hangs its TC rules,
	// by ifindex, with the number of the block that others share, 0 for none. CanIngress tells that the kernel has shown that it can make one.
	Ingress    map[int]uint32
	CanIngress bool
	// Flows are the OpenFlow rules of each bridge: ours, and where there are not many, all. Unasked are the bridges that
	// did not answer, with the reason.
	Flows   map[string][]openflow.Flow
	Unasked map[string]string
}

const (
	// ovsTimeout is how long ovsdb-server may take for all that is read. It takes milliseconds, and more than 5 s
	// were seen just after ovs-vswitchd had been killed and started on a machine with no processor to spare.
	ovsTimeout = ovsdb.CallTimeout
	// daemonTimeout is how long ovs-vswitchd may take to tell its version: it answers between two
	// rounds of its main loop, and making some hundred ports takes one of some seconds.
	daemonTimeout = 5 * time.Second
	// flowsTimeout is how long a bridge may take to list its flows.
	flowsTimeout = 10 * time.Second
	// manyFlows is more than a bridge has whose rules people write: of one with more, as a controller's, only ours are read.
	manyFlows = 1000
)

// readOVS never fails: a switch that cannot be read is one that says why.
func readOVS(ctx context.Context, sockets []string) OVS {
	var o OVS
	db, cancel := context.WithTimeoutCause(ctx, ovsTimeout, fmt.Errorf("%v are over", ovsTimeout))
	defer cancel()
	c, err := ovsdb.Dial(db, sockets)
	if err == nil {
		o.Rows, err = c.Read(db)
		err = errors.Join(err, c.Close())
	}
	switch {
	case o.Rows == nil:
		o.Reason, o.Unread = err.Error(), !errors.Is(err, ovsdb.ErrNotRunning)
		return o
	case o.Rows.Root == nil:
		o.Reason = "Open vSwitch's database was never initialised (it has no Open_vSwitch row): systemctl restart openvswitch-switch, or ovs-vsctl --no-wait init"
		return o
	}
	o.Running = true
	daemon, cancel := context.WithTimeoutCause(ctx, daemonTimeout, fmt.Errorf("%v are over", daemonTimeout))
	defer cancel()
	if _, err := unixctl.Call(daemon, "version"); err != nil {
		o.Stopped = err.Error()
	}
	o.readFlows(ctx)
	if o.Ingress, err = Ingress(ctx); err == nil {
		_, err := os.Stat("/sys/module/sch_ingress")
		o.CanIngress = len(o.Ingress) > 0 || !errors.Is(err, fs.ErrNotExist)
	}
	return o
}

// readFlows asks every bridge for its flows.
func (o *OVS) readFlows(ctx context.Context) {
	o.Flows, o.Unasked = map[string][]openflow.Flow{}, map[string]string{}
	for _, b := range o.Rows.Bridges {
		name := b.String("name")
		if o.Stopped != "" {
			o.Unasked[name] = o.Stopped
			continue
		}
		flows, err := flowsOf(ctx, name)
		if err != nil {
			o.Unasked[name] = err.Error()
			continue
		}
		o.Flows[name] = flows
	}
}

func flowsOf(ctx context.Context, bridge string) (flows []openflow.Flow, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, flowsTimeout, fmt.Errorf("%v are over", flowsTimeout))
	defer cancel()
	c, err := openflow.Dial(ctx, bridge)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	n, err := c.Count()
	if err != nil {
		return nil, err
	}
	if n > manyFlows {
		return c.Flows(openflow.Ours, openflow.OursMask)
	}
	return c.Flows(0, 0)
}

// Ingress tells which netdevs have an ingress or clsact qdisc, by ifindex, and the
// block that it shares, by one dump (RTM_GETQDISC).
func Ingress(ctx context.Context) (map[int]uint32, error) {
	msgs, err := rtattr.Dump(ctx, unix.NETLINK_ROUTE, unix.RTM_GETQDISC, unix.RTM_NEWQDISC, make([]byte, nl.SizeofTcMsg))
	if err != nil {
		return nil, kernel.Wrap("listing the qdiscs (RTM_GETQDISC)", "", err)
	}
	with := map[int]uint32{}
	for _, m := range msgs {
		if index, block, ok := parseIngress(m); ok {
			with[index] = block
		}
	}
	return with, nil
}

// parseIngress gives the ifindex of an ingress or clsact qdisc (struct tcmsg,
// include/uapi/linux/rtnetlink.h) and its block: both have the parent TC_H_INGRESS,
// the same as TC_H_CLSACT (include/uapi/linux/pkt_sched.h).
func parseIngress(m []byte) (index int, block uint32, ok bool) {
	if len(m) < nl.SizeofTcMsg || binary.NativeEndian.Uint32(m[12:]) != netlink.HANDLE_INGRESS {
		return 0, 0, false
	}
	attrs, err := rtattr.Parse(m[nl.SizeofTcMsg:])
	if err != nil {
		return 0, 0, false
	}
	for _, a := range attrs {
		if a.Attr.Type == nl.TCA_INGRESS_BLOCK && len(a.Value) == 4 {
			block = binary.NativeEndian.Uint32(a.Value)
		}
	}
	return int(int32(binary.NativeEndian.Uint32(m[4:]))), block, true
}

// BridgeOf gives, for the netdev of each port, the bridge of Open vSwitch that it
// is on, and the profile that put it there ("" for somebody else: external_ids:nicwright).
func (o OVS) BridgeOf() map[string]SwitchPort {
	all := map[string]SwitchPort{}
	if !o.Running {
		return all
	}
	for _, b := range o.Rows.Bridges {
		for _, id := range b.UUIDs("ports") {
			p := o.Rows.Ports[id]
			for _, i := range p.UUIDs("interfaces") {
				owner := p.Map("external_ids")["nicwright"]
				if owner == "1" { // of a version that named no profile
					owner = step.NoOwner
				}
				all[o.Rows.Interfaces[i].String("name")] = SwitchPort{Bridge: b.String("name"), Owner: owner}
			}
		}
	}
	return all
}

// SwitchPort is where a netdev is a port of Open vSwitch.
type SwitchPort struct {
	Bridge string
	Owner  string // "" for somebody else's
}
