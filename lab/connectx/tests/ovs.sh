#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Open vSwitch with hardware offload: VF to VF, VF to the wire, access and trunk ports, in the card; through the software path without it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/ovslib.sh"
load
ovs_start
devlink dev eswitch set pci/$PF0 mode switchdev || die "no switchdev"
echo 4 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VFs"
U=$(rep p0)
for i in 0 1 2 3; do R[i]=$(rep pf0vf$i); vf_ns $PF0 $i t$i 10.9.0.1$i/24; done
ovs-vsctl --timeout=60 add-br br0 || die "bridge"
for n in "$U" "${R[@]}"; do ip link set "$n" up && ovs-vsctl --timeout=60 add-port br0 "$n" || die "port $n"; done
ip netns add peer && ip link set wire0 netns peer && ip -n peer addr add 10.9.0.20/24 dev wire0 &&
	ip -n peer link set wire0 up && ip -n peer link add link wire0 name v100 type vlan id 100 &&
	ip -n peer addr add 10.100.0.20/24 dev v100 && ip -n peer link set v100 up || die "wire0"

in_card t0 vf0 t1 vf0 10.9.0.11 "VF to VF"
in_card t0 vf0 peer wire0 10.9.0.20 "VF to wire"

# the flow goes, the traffic stays: first through the software path, then a new flow is in the card
f=$(ovs-appctl dpctl/dump-flows -m type=offloaded | grep -i "eth(src=$(m t0 vf0),dst=$(m t1 vf0))" | grep -o 'ufid:[0-9a-f-]*' | head -n 1)
n=$(seen)
ovs-appctl dpctl/del-flow "$f" || ovs-appctl dpctl/del-flows || die "the flow is not deleted"
ping_ok t0 10.9.0.11
[ $(($(seen) - n)) -ge 1 ] || die "no packet took the software path"
in_card t0 vf0 t1 vf0 10.9.0.11 "VF to VF again"

# without hardware offload of a port's flows everything goes by the representors
ethtool -K "${R[0]}" hw-tc-offload off
ovs-appctl dpctl/del-flows
n=$(seen)
pings t0 20 0.05 10.9.0.11 || die "the slow path loses packets"
[ $(($(seen) - n)) -ge 15 ] || die "the slow path was not taken"
ethtool -K "${R[0]}" hw-tc-offload on

# access ports: VLAN 100 for two VFs and, tagged, the wire; another VF has another
ovs-vsctl set port "${R[0]}" tag=100 -- set port "${R[2]}" tag=100 -- set port "${R[1]}" tag=200 || die "tags"
ovs-appctl dpctl/del-flows
for n in t0 t2; do ip -n $n addr add 10.100.0.1${n#t}/24 dev vf0; done
ip -n t1 addr add 10.100.0.11/24 dev vf0
in_card t0 vf0 t2 vf0 10.100.0.12 "access to access"
in_card t0 vf0 peer v100 10.100.0.20 "access to the wire, tagged"
ip netns exec t0 ping -c 3 -i 0.2 -w 2 -q 10.100.0.11 > /dev/null && die "VLAN 100 reaches VLAN 200"

# a trunk: the VF makes the tags itself
ovs-vsctl set port "${R[3]}" trunks=100 || die "trunk"
ip -n t3 link add link vf0 name v100 type vlan id 100 && ip -n t3 addr add 10.100.0.13/24 dev v100 && ip -n t3 link set v100 up &&
	ip -n t3 link add link vf0 name v200 type vlan id 200 && ip -n t3 addr add 10.200.0.13/24 dev v200 && ip -n t3 link set v200 up || die "VLANs of the VF"
ip -n t1 addr add 10.200.0.11/24 dev vf0
in_card t3 v100 t0 vf0 10.100.0.10 "trunk to access"
in_card t3 v100 peer v100 10.100.0.20 "trunk to the wire"
ip netns exec t3 ping -c 3 -i 0.2 -w 2 -q 10.200.0.11 > /dev/null && die "a VLAN that is not the trunk's passes"

# counters age: what has no traffic leaves the datapath
ovs-vsctl set Open_vSwitch . other_config:max-idle=1000
for _ in $(seq 40); do [ -z "$(flows offloaded "$(m t0 vf0)" "$(m t2 vf0)")" ] && break; sleep 1; done
[ -z "$(flows offloaded "$(m t0 vf0)" "$(m t2 vf0)")" ] || die "an idle flow stays"
ovs-vsctl --timeout=60 del-br br0
ovs_stop
log_clean
echo PASS
