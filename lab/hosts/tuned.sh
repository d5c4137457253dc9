#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A host that was tuned: rings, channels, coalescing, features, a qdisc with classes, sysctls of a netdev, queue length, steering of packets to processors.
. "$(dirname "$0")/lib.sh"
modprobe -a sch_htb sch_fq
n=$(uplink "${pf[0]}")
ip link set "$n" up
ethtool -G "$n" rx 2048 tx 2048
ethtool -L "$n" combined 1
ethtool -C "$n" adaptive-rx off rx-usecs 32
ethtool -K "$n" gro off ntuple on
ip link set "$n" txqueuelen 5000
tc qdisc add dev "$n" root handle 1: htb default 10
tc class add dev "$n" parent 1: classid 1:10 htb rate 1gbit
tc qdisc add dev "$n" parent 1:10 handle 10: fq
sysctl -q -w "net.ipv4.conf.$n.rp_filter=2" "net.ipv4.conf.$n.arp_ignore=1" "net.ipv6.conf.$n.accept_ra=0" "net.ipv4.neigh.$n.base_reachable_time_ms=60000"
