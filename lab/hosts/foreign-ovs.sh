#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A provider bridge of somebody's: one port untagged in VLAN 10 with trunks, an internal port with the host's address, flows by hand.
. "$(dirname "$0")/lib.sh"
n=$(uplink "${pf[0]}")
ip link set "$n" up
ovs-vsctl add-br br-ex -- set Bridge br-ex fail-mode=secure other-config:forward-bpdu=true external-ids:bridge-id=br-ex \
	-- add-port br-ex "$n" tag=10 vlan_mode=native-untagged trunks=10,100,200 \
	-- add-port br-ex mgmt0 tag=10 -- set Interface mgmt0 type=internal
ovs-ofctl add-flow br-ex 'priority=10,in_port=mgmt0,actions=NORMAL'
ovs-ofctl add-flow br-ex "priority=10,in_port=$n,actions=NORMAL"
ip link set mgmt0 up
addresses mgmt0
