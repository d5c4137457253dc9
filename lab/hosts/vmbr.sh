#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A hypervisor with a VLAN-aware Linux bridge on one port; the bridge has the host's address.
. "$(dirname "$0")/lib.sh"
modprobe -a bridge 8021q
n=$(uplink "${pf[0]}")
ip link add vmbr0 type bridge vlan_filtering 1 stp_state 0 forward_delay 0
ip link set "$n" master vmbr0
ip link set "$n" up
bridge vlan add dev "$n" vid 100-109
bridge vlan add dev "$n" vid 200
bridge fdb add 02:00:00:00:00:99 dev "$n" master static vlan 100
ip link set vmbr0 up
addresses vmbr0
