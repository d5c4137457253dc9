#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A container host: the first VF of each port is in a container, with its address and route; the second is free.
. "$(dirname "$0")/lib.sh"
for i in 0 1; do
	vfs "${pf[i]}" 2
	ip netns add "pod$i"
	n=$(vfnet "${pf[i]}" 0)
	ip link set "$n" netns "pod$i"
	ip -n "pod$i" link set "$n" name net1
	ip -n "pod$i" address add "10.1.$i.5/24" dev net1
	ip -n "pod$i" link set net1 up
	ip -n "pod$i" route add default via "10.1.$i.1"
	ip link set "$(uplink "${pf[i]}")" up
done
ip link set "$(uplink "${pf[0]}")" vf 0 mac 02:00:00:00:01:05 vlan 100 spoofchk on
