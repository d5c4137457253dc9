#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A router: both ports in a VRF, routes over both with nexthop objects and without. (containernetworking/plugins 1275, ovn-kubernetes 6820: such routes have no netdev at their top, and are lost by who looks there.)
. "$(dirname "$0")/lib.sh"
modprobe vrf
ip link add blue type vrf table 1001
ip link set blue up
net=20
for p in "${pf[@]}"; do
	n=$(uplink "$p")
	ip link set "$n" master blue
	ip link set "$n" up
	ip address add "192.0.2.$net/28" dev "$n"
	ip -6 address add "2001:db8:$net::2/64" dev "$n" nodad
	net=$((net + 20))
done
a=$(uplink "${pf[0]}") b=$(uplink "${pf[1]}")
ip route add 203.0.113.0/24 table 1001 nexthop via 192.0.2.21 dev "$a" weight 1 nexthop via 192.0.2.41 dev "$b" weight 3
ip -6 route add 2001:db8:ff::/48 table 1001 nexthop via 2001:db8:20::1 dev "$a" nexthop via 2001:db8:40::1 dev "$b"
ip nexthop add id 11 via 192.0.2.21 dev "$a"
ip nexthop add id 12 via 192.0.2.41 dev "$b"
ip nexthop add id 20 group 11/12,2
ip route add 198.51.100.0/24 table 1001 nhid 20
