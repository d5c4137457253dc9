#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# No bond: one port has the host's addresses and default routes.
. "$(dirname "$0")/lib.sh"
n=$(uplink "${pf[0]}")
ip link set "$n" up
wait_for 10 grep -qx up "/sys/class/net/$n/operstate"
addresses "$n"
ip address add 198.51.100.11/32 dev "$n" label "$n:vip"
ip neighbour add 198.51.100.1 lladdr 02:00:5e:00:01:01 dev "$n" nud permanent
