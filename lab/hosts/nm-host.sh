#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A host that NetworkManager configured: connection files, and the kernel as it leaves it (prefix routes of its own with a metric, an address by DHCP that ends). The daemon itself is not in the lab.
. "$(dirname "$0")/lib.sh"
mkdir -p /etc/NetworkManager/system-connections
cat >/etc/NetworkManager/system-connections/bond0.nmconnection <<'F'
[connection]
id=bond0
type=bond
interface-name=bond0
[bond]
mode=802.3ad
miimon=100
xmit_hash_policy=layer3+4
[ipv4]
method=manual
address1=198.51.100.10/24,198.51.100.1
[ipv6]
method=auto
F
for i in 0 1; do
	cat >"/etc/NetworkManager/system-connections/bond0-port$i.nmconnection" <<-F
	[connection]
	id=bond0-port$i
	type=ethernet
	interface-name=$(uplink "${pf[i]}")
	controller=bond0
	port-type=bond
	F
done
chmod 600 /etc/NetworkManager/system-connections/*
bond_of bond0 802.3ad "$(uplink "${pf[0]}")" "$(uplink "${pf[1]}")" -- xmit_hash_policy layer3+4
ip link set bond0 addrgenmode none
ip address add 198.51.100.10/24 brd + dev bond0 noprefixroute
ip address add 198.51.100.77/24 brd + dev bond0 noprefixroute valid_lft 86000 preferred_lft 86000
ip route add 198.51.100.0/24 dev bond0 proto kernel scope link src 198.51.100.10 metric 300
ip route add default via 198.51.100.1 dev bond0 proto static metric 300
ip -6 address add 2001:db8:51::10/64 dev bond0 noprefixroute nodad
ip -6 route add 2001:db8:51::/64 dev bond0 proto ra metric 300
ip -6 route add default via fe80::1 dev bond0 proto ra metric 300 expires 1800
