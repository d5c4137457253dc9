#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Legacy eswitch: VFs reach one another, the PF and the wire; the link follows the cable.
. "$(dirname "$0")/lib.sh"
load
N=$(netdev $PF0)
ip link set "$N" up
echo 2 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VFs"
vf_ns $PF0 0 t0 10.9.0.10/24
vf_ns $PF0 1 t1 10.9.0.11/24
ip netns add peer && ip link set wire0 netns peer && ip -n peer addr add 10.9.0.20/24 dev wire0 &&
	ip -n peer link set wire0 up || die "wire0"
ip addr add 10.9.0.1/24 dev "$N"
sleep 1
ping_ok t0 10.9.0.11
ping_ok t0 10.9.0.1
ping_ok t0 10.9.0.20
ping_ok peer 10.9.0.1
ethtool "$N" | grep -q 'Speed: 100000Mb/s' || die "speed of the PF"
ethtool "$N" | grep -q 'Duplex: Full' || die "duplex of the PF"
ip -n peer link set wire0 down; sleep 1
ethtool "$N" | grep -q 'Link detected: no' || die "the link stays up without a cable"
ip -n peer link set wire0 up; sleep 1
ethtool "$N" | grep -q 'Link detected: yes' || die "the link does not come back"
ping_ok t0 10.9.0.20
devlink dev info pci/$PF0 | grep -q 'fw.version 22.35.4030' || die "firmware version"
for n in t0 t1; do ip netns del $n; done
ip -n peer link set wire0 netns 1; ip netns del peer
log_clean
echo PASS
