#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A provider's customer port: QinQ by Open vSwitch.
. "$(dirname "$0")/lib.sh"
n=$(uplink "${pf[0]}")
ip link set "$n" up
ovs-vsctl add-br br-ex -- add-port br-ex "$n" vlan_mode=dot1q-tunnel tag=300 cvlans=100,200 other_config:qinq-ethtype=802.1q
