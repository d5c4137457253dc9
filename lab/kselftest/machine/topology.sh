#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The netdevs that the kernel's self-tests are given (table.go), under names that are the same on every kernel, so that the names of
# subtests are as well.
#
#   topology.sh switchdev   vf0, vf1 and their representors rep0, rep1; the uplink p0 and the far end of its cable, w0
#   topology.sh port        the port p0 in legacy mode, 10.9.0.1 and fd09::1; w0 in the namespace far, 10.9.0.2 and fd09::2
#   topology.sh wire        the port p0 in legacy mode and w0
#   topology.sh vfs         legacy mode, two VFs: vf0 in the namespace a, 10.9.0.1 and fd09::1, and vf0 in b, 10.9.0.2 and fd09::2, with TLS offload both ways
#   topology.sh ports       legacy mode, two VFs: server and client, with the addresses that net/gro.sh gives them
. "${TESTS:-/lab/tests}/lib.sh"

# named NETDEV NAME [STATE]
named() { ip link set dev "$1" down && ip link set dev "$1" name "$2" && ip link set dev "$2" "${3:-up}" || die "name $1 $2"; }
vfs() { echo "$1" > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VFs"; }

load
# What modprobe would be asked for by names that the kernel asks with, where it finds no usermode helper.
modprobe -aq bridge vrf veth dummy macvlan act_pedit act_skbedit act_csum cls_matchall cls_u32 cls_basic act_police act_tunnel_key \
	mpls_router mpls_gso sch_prio chacha20poly1305 ccm cmac aria_generic sm4_generic libchacha20poly1305 aes_generic camellia
case $1 in
switchdev)
	modprobe -aq ip_gre ip6_gre # they bring netdevs, of which drivers/net's tests on a port cannot read all
	devlink dev eswitch set pci/$PF0 mode switchdev || die "no switchdev"
	vfs 2
	for i in 0 1; do
		named "$(rep pf0vf$i)" rep$i
		named "$(vf $PF0 $i)" vf$i
	done
	named "$(rep p0)" p0
	named wire0 w0
	for n in vf0 vf1 rep0 rep1 p0; do ethtool -K $n hw-tc-offload on || die "$n has no hw-tc-offload"; done
	;;
port | wire)
	named "$(netdev $PF0)" p0
	named wire0 w0
	[ "$1" = wire ] && exit
	ethtool -K p0 ntuple on || die "no ntuple filters"
	sysctl -q net.ipv6.conf.p0.keep_addr_on_down=1 || die "keep addresses" # stats.py sets it down, and csum.py and rss_ctx.py go by IPv6 after it
	ip netns add far && ip link set w0 netns far && ip -n far link set lo up && ip -n far link set w0 up &&
		ip -n far addr add 10.9.0.2/24 dev w0 && ip -n far addr add fd09::2/64 dev w0 nodad &&
		ip addr add 10.9.0.1/24 dev p0 && ip addr add fd09::1/64 dev p0 nodad || die "addresses"
	ping -c 3 -i 0.3 -w 30 -q 10.9.0.2 > /dev/null || die "10.9.0.2 does not answer"
	;;
vfs | ports)
	ip link set "$(netdev $PF0)" up
	vfs 2
	case $1 in
	vfs)
		vf_ns $PF0 0 a 10.9.0.1/24
		vf_ns $PF0 1 b 10.9.0.2/24
		for n in a b; do
			ip netns exec $n sysctl -q net.ipv4.tcp_rmem="4096 8388608 16777216" net.ipv4.tcp_wmem="4096 8388608 16777216" || die "buffers"
			ip netns exec $n ethtool -K vf0 tls-hw-tx-offload on tls-hw-rx-offload on || die "no TLS offload"
		done
		ip -n a addr add fd09::1/64 dev vf0 nodad && ip -n b addr add fd09::2/64 dev vf0 nodad || die "addresses"
		ping_ok a 10.9.0.2
		;;
	ports)
		named "$(vf $PF0 0)" server down
		named "$(vf $PF0 1)" client down
		ip link set server address aa:00:00:00:00:02 && ip link set client address aa:00:00:00:00:01 || die "addresses"
		;;
	esac
	;;
*) die "no topology $1" ;;
esac
