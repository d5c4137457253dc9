#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SR-IOV as it was before switchdev: the isolation of machines is in what the PF's driver keeps of the VFs.
. "$(dirname "$0")/lib.sh"
p=${pf[0]} n=$(uplink "${pf[0]}")
ip link set "$n" up
vfs "$p" 2
ip link set "$n" vf 0 mac 02:11:22:33:44:00 vlan 100 qos 3
ip link set "$n" vf 0 spoofchk on
ip link set "$n" vf 0 trust on
ip link set "$n" vf 0 max_tx_rate 1000 min_tx_rate 100
ip link set "$n" vf 1 mac 02:11:22:33:44:01 vlan 200
ip link set "$n" vf 1 spoofchk on
ip link set "$n" vf 1 state enable
