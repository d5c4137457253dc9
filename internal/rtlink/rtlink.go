// SPDX-License-Identifier: Apache-2.0

// Package rtlink reads and changes netdevs, bonds above all, over rtnetlink in
// the current network namespace. It knows nothing of cards: which netdev is
// whose is internal/netdev's.
package rtlink

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

func init() {
	// The library asks the kernel for extended acks only when this is set; it is set before
	// anything can read it, and never changed.
	nl.EnableErrorMessageReporting = true
}

// ErrNone is returned when there is no netdev of that name or index.
var ErrNone = errors.New("no such netdev in this network namespace")

// Link is a netdev as an RTM_NEWLINK message describes it
// (include/uapi/linux/if_link.h).
type Link struct {
	Index  int
	Name   string
	Alias  string // IFLA_IFALIAS
	Kind   string // IFLA_INFO_KIND: "bond", "openvswitch", ...; "" for hardware
	Master int    // ifindex, 0 = none
	// Lower is the netdev below it (IFLA_LINK), of a VLAN for example; 0 = none, or in another network namespace.
	Lower    int
	AltNames []string // IFLA_PROP_LIST, IFLA_ALT_IFNAME
	MTU      int      // bytes
	Up       bool     // IFF_UP: administratively up
	Carrier  bool     // IFF_LOWER_UP
	// ParentBus and Parent are the device it belongs to ("pci", "0000:3b:00.0"); "" for virtual ones.
	ParentBus, Parent string
	PhysPortName      string // IFLA_PHYS_PORT_NAME, for people to read
	Bond              *Bond  // of a bond
	Slave             *Slave // of a member of a bond
}

// rtextFilterSkipStats is RTEXT_FILTER_SKIP_STATS (include/uapi/linux/rtnetlink.h).
const rtextFilterSkipStats = 1 << 3

// Dump reads all netdevs with one request, without statistics and without VF
// records: with those, the driver asks the firmware about every VF.
func Dump(ctx context.Context) ([]Link, error) {
	for {
		links, err := dump()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return links, err
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("listing the netdevs: %w", context.Cause(ctx))
		}
	}
}

func dump() ([]Link, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(rtextFilterSkipStats)))
	msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if err != nil {
		return nil, fmt.Errorf("listing the netdevs over rtnetlink (RTM_GETLINK): %w", err)
	}
	links := make([]Link, 0, len(msgs))
	for _, m := range msgs {
		l, err := parse(m)
		if err != nil {
			return nil, fmt.Errorf("listing the netdevs over rtnetlink: %w", err)
		}
		links = append(links, l)
	}
	return links, nil
}

// ByName reads one netdev; errors.Is(err, ErrNone) when there is none of that
// name.
func ByName(name string) (Link, error) {
	return get(name, 0)
}

// ByIndex reads one netdev; errors.Is(err, ErrNone) when there is none.
func ByIndex(index int) (Link, error) {
	return get("", index)
}

func get(name string, index int) (Link, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(rtextFilterSkipStats)))
	what := fmt.Sprintf("netdev %d", index)
	if name != "" {
		what = name
		req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	}
	msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if errors.Is(err, unix.ENODEV) || (err == nil && len(msgs) == 0) {
		return Link{}, fmt.Errorf("%s: %w", what, ErrNone)
	}
	if err != nil {
		return Link{}, fmt.Errorf("reading %s over rtnetlink (RTM_GETLINK): %w", what, err)
	}
	l, err := parse(msgs[0])
	if err != nil {
		return Link{}, fmt.Errorf("reading %s over rtnetlink: %w", what, err)
	}
	return l, nil
}
