// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/rtattr"
)

// Of include/uapi/linux/if_link.h.
const (
	iflaStatsLinkOffloadXstats = 4
	iflaOffloadXstatsCPUHit    = 1
)

// CPUHits is the packets that a representor's netdev sent and received by the
// processor: what the card forwarded is not among them
// (IFLA_OFFLOAD_XSTATS_CPU_HIT).
func CPUHits(index int) (uint64, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETSTATS, unix.NLM_F_ACK)
	msg := make([]byte, 12) // struct if_stats_msg
	binary.NativeEndian.PutUint32(msg[4:], uint32(index))
	binary.NativeEndian.PutUint32(msg[8:], 1<<(iflaStatsLinkOffloadXstats-1))
	req.AddRawData(msg)
	answers, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWSTATS)
	if err == nil && len(answers) == 0 {
		err = errors.New("no answer")
	}
	var n uint64
	if err == nil {
		n, err = parseCPUHits(answers[0])
	}
	if err != nil {
		return 0, fmt.Errorf("reading what the processor saw at netdev %d (RTM_GETSTATS): %w", index, err)
	}
	return n, nil
}

// parseCPUHits reads the answer: struct if_stats_msg, then attributes. The
// struct rtnl_link_stats64 in it begins with the packets received and sent.
func parseCPUHits(b []byte) (uint64, error) {
	if len(b) < 12 {
		return 0, errors.New("the answer is cut short")
	}
	attrs, err := rtattr.Parse(b[12:])
	if err != nil {
		return 0, err
	}
	for _, a := range attrs {
		if a.Attr.Type&nl.NLA_TYPE_MASK != iflaStatsLinkOffloadXstats {
			continue
		}
		inner, err := rtattr.Parse(a.Value)
		if err != nil {
			return 0, err
		}
		for _, a := range inner {
			if a.Attr.Type&nl.NLA_TYPE_MASK == iflaOffloadXstatsCPUHit && len(a.Value) >= 16 {
				return binary.NativeEndian.Uint64(a.Value) + binary.NativeEndian.Uint64(a.Value[8:]), nil
			}
		}
	}
	return 0, errors.New("the driver does not count what the processor saw")
}
