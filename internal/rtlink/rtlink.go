// SPDX-License-Identifier: Apache-2.0

// Package rtlink reads and changes netdevs, bonds above all, over rtnetlink in
// the current network namespace. It knows nothing of cards: which netdev is
// whose is internal/netdev's.
package rtlink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/rtattr"
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
	Index    int
	Name     string
	AltNames []string // IFLA_ALT_IFNAME: further names, as good as Name
	Alias    string   // IFLA_IFALIAS
	Kind     string   // IFLA_INFO_KIND: "bond", "openvswitch", ...; "" for hardware
	Master   int      // ifindex, 0 = none
	MTU      int      // bytes
	MaxMTU   int      // IFLA_MAX_MTU, bytes: the most that the driver takes; 0 where it does not say
	Up       bool     // IFF_UP: administratively up
	Carrier  bool     // IFF_LOWER_UP
	Promisc  int      // IFLA_PROMISCUITY: how many asked for it
	// CarrierChanges is how often Carrier has changed since the netdev was made (IFLA_CARRIER_CHANGES).
	CarrierChanges int
	// Lower is the netdev that a VLAN, macvlan, ... is on (IFLA_LINK); 0 = none, or in another network namespace.
	Lower int
	// LowerElsewhere: it is on one in another network namespace (IFLA_LINK_NETNSID).
	LowerElsewhere bool
	MAC            net.HardwareAddr // IFLA_ADDRESS
	PermMAC        net.HardwareAddr // IFLA_PERM_ADDRESS: the device's own; none of virtual ones
	TxQLen         int              // IFLA_TXQLEN, packets
	Group          int              // IFLA_GROUP
	// ParentBus and Parent are the device it belongs to ("pci", "0000:3b:00.0"); "" for virtual ones.
	ParentBus, Parent string
	PhysPortName      string // IFLA_PHYS_PORT_NAME, for people to read
	Data              []byte // IFLA_INFO_DATA as it is: what the kind needs to be made again
	SlaveKind         string // IFLA_INFO_SLAVE_KIND: the master's kind
	SlaveData         []byte // IFLA_INFO_SLAVE_DATA as it is
	// Conf4 and Conf6 are the sysctls of net/ipv4/conf/X and net/ipv6/conf/X, by the
	// IPV4_DEVCONF_ numbers less 1 and the DEVCONF_ numbers (include/uapi/linux/{ip,ipv6}.h).
	Conf4, Conf6 []int32
	Bond         *Bond  // of a bond
	Slave        *Slave // of a member of a bond
}

// KindText is a Link's Kind in words.
func KindText(kind string) string {
	if kind == "" {
		return "hardware"
	}
	return kind
}

// rtextFilterSkipStats is RTEXT_FILTER_SKIP_STATS (include/uapi/linux/rtnetlink.h).
const rtextFilterSkipStats = 1 << 3

// Dump reads all netdevs with one request, without statistics and without VF
// records: with those, the driver asks the firmware about every VF. What a change
// interrupts is read again, as rtattr.Whole does.
func Dump(ctx context.Context) (links []Link, err error) {
	err = rtattr.Whole(ctx, func() error {
		links, err = dump()
		return err
	})
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("listing the netdevs: %w", err)
	}
	return links, err
}

func dump() ([]Link, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(rtextFilterSkipStats)))
	msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if err != nil {
		return nil, kernel.Wrap("listing the netdevs over rtnetlink (RTM_GETLINK)", "", err)
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

// ByName reads one netdev by its name or one of its altnames; errors.Is(err,
// ErrNone) when there is none of that name.
func ByName(name string) (Link, error) {
	return get(name, 0)
}

// Named finds a netdev in a dump by its name or one of its altnames.
func Named(links []Link, name string) (Link, bool) {
	for _, l := range links {
		if l.Name == name || slices.Contains(l.AltNames, name) {
			return l, true
		}
	}
	return Link{}, false
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
		// It finds names too (since Linux 5.5), and takes those that are longer than IFNAMSIZ.
		req.AddData(nl.NewRtAttr(unix.IFLA_ALT_IFNAME, nl.ZeroTerminated(name)))
	}
	msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if errors.Is(err, unix.ENODEV) || (err == nil && len(msgs) == 0) {
		return Link{}, fmt.Errorf("%s: %w", what, ErrNone)
	}
	if err != nil {
		return Link{}, kernel.Wrap("reading it over rtnetlink (RTM_GETLINK)", what, err)
	}
	l, err := parse(msgs[0])
	if err != nil {
		return Link{}, fmt.Errorf("reading %s over rtnetlink: %w", what, err)
	}
	return l, nil
}
