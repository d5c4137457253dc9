#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A bond that the host is reached through: addresses and default routes of both families, a VLAN with a gateway of its own, a table and a rule for it, a neighbour that never changes.
. "$(dirname "$0")/lib.sh"
modprobe 8021q
bond_of bond0 802.3ad "$(uplink "${pf[0]}")" "$(uplink "${pf[1]}")" -- xmit_hash_policy layer3+4 lacp_rate slow
addresses bond0
ip link add link bond0 name bond0.70 type vlan id 70
ip link set bond0.70 up
ip address add 203.0.113.10/24 dev bond0.70
ip -6 address add 2001:db8:70::10/64 dev bond0.70 nodad
ip route add 192.0.2.0/24 via 203.0.113.1 dev bond0.70
ip -6 route add 2001:db8:99::/48 via 2001:db8:70::1 dev bond0.70
ip route add default via 203.0.113.1 dev bond0.70 table 70
ip rule add from 203.0.113.0/24 lookup 70 priority 1070
ip rule add oif bond0.70 lookup 70 priority 1071
ip -6 rule add from 2001:db8:70::/64 lookup 70 priority 1070
ip neighbour add 198.51.100.1 lladdr 02:00:5e:00:01:01 dev bond0 nud permanent
