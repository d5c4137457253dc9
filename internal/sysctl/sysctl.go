// SPDX-License-Identifier: Apache-2.0

// Package sysctl has the settings of a netdev below /proc/sys/net/ipv4/conf and
// /proc/sys/net/ipv6/conf: read from the link dump, which has them all, and written
// one by one.
package sysctl

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/rtlink"
)

// Conf are sysctls of a netdev, or those that new netdevs get: by
// "ipv4/rp_filter", "ipv6/accept_ra".
type Conf map[string]int32

// ipv4Conf are the files below /proc/sys/net/ipv4/conf/X by IPV4_DEVCONF_ less 1
// (include/uapi/linux/ip.h, net/ipv4/devinet.c).
var ipv4Conf = map[int]string{
	0: "forwarding", 2: "proxy_arp", 3: "accept_redirects", 4: "secure_redirects", 5: "send_redirects", 6: "shared_media",
	7: "rp_filter", 8: "accept_source_route", 9: "bootp_relay", 10: "log_martians", 11: "tag", 12: "arp_filter", 13: "medium_id",
	14: "disable_xfrm", 15: "disable_policy", 16: "force_igmp_version", 17: "arp_announce", 18: "arp_ignore",
	19: "promote_secondaries", 20: "arp_accept", 21: "arp_notify", 22: "accept_local", 23: "src_valid_mark", 24: "proxy_arp_pvlan",
	25: "route_localnet", 28: "ignore_routes_with_linkdown", 29: "drop_unicast_in_l2_multicast", 30: "drop_gratuitous_arp",
	31: "bc_forwarding", 32: "arp_evict_nocarrier",
}

// ipv6Conf are those below /proc/sys/net/ipv6/conf/X by DEVCONF_
// (include/uapi/linux/ipv6.h, net/ipv6/addrconf.c). What the kernel tells in
// milliseconds and takes in seconds is left out, and so is the MTU, which follows
// the link's.
var ipv6Conf = map[int]string{
	0: "forwarding", 1: "hop_limit", 3: "accept_ra", 4: "accept_redirects", 5: "autoconf", 6: "dad_transmits",
	7: "router_solicitations", 10: "use_tempaddr", 15: "max_addresses", 16: "force_mld_version", 17: "accept_ra_defrtr",
	18: "accept_ra_pinfo", 19: "accept_ra_rtr_pref", 21: "accept_ra_rt_info_max_plen", 22: "proxy_ndp", 23: "optimistic_dad",
	24: "accept_source_route", 26: "disable_ipv6", 27: "accept_dad", 28: "force_tllao", 29: "ndisc_notify",
	32: "suppress_frag_ndisc", 33: "accept_ra_from_local", 34: "use_optimistic", 35: "accept_ra_mtu", 37: "use_oif_addrs_only",
	38: "accept_ra_min_hop_limit", 39: "ignore_routes_with_linkdown", 40: "drop_unicast_in_l2_multicast", 41: "drop_unsolicited_na",
	42: "keep_addr_on_down", 44: "seg6_enabled", 45: "seg6_require_hmac", 46: "enhanced_dad", 47: "addr_gen_mode", 48: "disable_policy",
	49: "accept_ra_rt_info_min_plen", 50: "ndisc_tclass",
}

// Of are the sysctls of a netdev as the link dump tells them.
func Of(l rtlink.Link) Conf {
	c := Conf{}
	for family, side := range map[string]struct {
		names map[int]string
		now   []int32
	}{"ipv4/": {ipv4Conf, l.Conf4}, "ipv6/": {ipv6Conf, l.Conf6}} {
		for n, name := range side.names {
			if n < len(side.now) {
				c[family+name] = side.now[n]
			}
		}
	}
	return c
}

const procNet = "/proc/sys/net"

// Defaults reads the sysctls that new netdevs get. What the kernel does not
// have is not among them.
func Defaults() (Conf, error) {
	c := Conf{}
	for family, names := range map[string]map[int]string{"ipv4": ipv4Conf, "ipv6": ipv6Conf} {
		for _, name := range names {
			b, err := os.ReadFile(filepath.Join(procNet, family, "conf", "default", name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, kernel.Wrap("reading the sysctls that new netdevs get", "", err)
			}
			n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 32)
			if err != nil {
				return nil, fmt.Errorf("reading the sysctl %s/conf/default/%s: %w", family, name, err)
			}
			c[family+"/"+name] = int32(n)
		}
	}
	return c, nil
}

// Write sets one of a netdev.
func Write(netdev, name string, value int32) error {
	family, attribute, _ := strings.Cut(name, "/")
	if !known(family, attribute) {
		return fmt.Errorf("%s: setting the sysctl %q: it is none of those that are kept", netdev, name)
	}
	path := filepath.Join(procNet, family, "conf", filepath.Base(netdev), filepath.Base(attribute))
	return kernel.Wrapf(netdev, os.WriteFile(path, []byte(strconv.Itoa(int(value))), 0), "setting the sysctl net/%s/conf/%s/%s to %d", family, netdev, attribute, value)
}

func known(family, attribute string) bool {
	for f, names := range map[string]map[int]string{"ipv4": ipv4Conf, "ipv6": ipv6Conf} {
		if f == family {
			return slices.Contains(slices.Collect(maps.Values(names)), attribute)
		}
	}
	return false
}

// Other are those of c that are not as in the defaults.
func (c Conf) Other(defaults Conf) Conf {
	out := Conf{}
	for name, v := range c {
		if d, ok := defaults[name]; ok && d != v {
			out[name] = v
		}
	}
	return out
}
