#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A host that systemd-networkd configured: its files, and the kernel as it leaves it (altnames, MTU and queues by .link, static routes of several metrics, a lease). The daemon itself is not run.
. "$(dirname "$0")/lib.sh"
mkdir -p /etc/systemd/network
n=$(uplink "${pf[0]}") m=$(uplink "${pf[1]}")
cat >/etc/systemd/network/10-nic.link <<'F'
[Match]
Driver=mlx5_core
[Link]
AlternativeName=lan-a
MTUBytes=2000
F
cat >/etc/systemd/network/20-nic.network <<F
[Match]
Name=$n
[Network]
Address=198.51.100.10/24
Gateway=198.51.100.1
[Link]
RequiredForOnline=yes
F
ip link set "$n" mtu 2000
ip link set "$m" mtu 2000
ip link property add dev "$n" altname lan-a
ip link set "$n" alias 'rack 7, port a' up
ip link set "$m" up
wait_for 10 grep -qx up "/sys/class/net/$n/operstate"
ip address add 198.51.100.10/24 brd + dev "$n"
ip route add default via 198.51.100.1 dev "$n" proto static
ip route add default via 198.51.100.2 dev "$n" proto static metric 2048
ip -6 address add 2001:db8:51::10/64 dev "$n" nodad valid_lft 80000 preferred_lft 40000
ip -6 route add default via fe80::1 dev "$n" proto ra metric 1024 expires 1800
