#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# After a reboot: OVSDB has what was there before, the kernel has not. Bridges with ports of netdevs that do not exist (sriov-network-operator 1048).
. "$(dirname "$0")/lib.sh"
for p in "${pf[@]}"; do ip link set "$(uplink "$p")" up; done
ovs-vsctl --timeout=10 set Open_vSwitch . other_config:hw-offload=true
ovs-vsctl --timeout=10 add-br br-int -- set Bridge br-int fail-mode=secure
ovs-vsctl --timeout=10 add-port br-int bond7 trunks=100,200 -- add-port br-int vm0_rep tag=100 -- add-port br-int vm1_rep tag=200
