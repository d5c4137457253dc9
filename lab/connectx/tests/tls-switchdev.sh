#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# TLS offload in switchdev: the VFs have it in both directions, through flows that are in the card; the uplink has not.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tls.sh"
load "$@"
tls_files
P=$(netdev $PF0)
devlink dev eswitch set pci/$PF0 mode switchdev || die "no switchdev"
echo 2 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VFs"
P=$(netdev $PF0 | head -n 1)

U=$(rep p0) R0=$(rep pf0vf0) R1=$(rep pf0vf1)
for n in "$U" "$R0" "$R1"; do
	ip link set "$n" up && tc qdisc add dev "$n" clsact || die "$n"
done
vf_ns $PF0 0 t0 10.9.0.10/24
vf_ns $PF0 1 t1 10.9.0.11/24
ip netns add peer && ip link set wire0 netns peer && ip -n peer addr add 10.8.0.20/24 dev wire0 &&
	ip -n peer link set wire0 up && ip -n t1 addr add 10.8.0.11/24 dev vf0 || die "wire0"

# flow FROM TO PREFERENCE MATCH...
flow() {
	local f=$1 t=$2 p=$3; shift 3
	tc filter add dev "$f" ingress pref "$p" protocol "$@" skip_sw action mirred egress redirect dev "$t" || die "flow $f $t"
}
flow "$R0" "$R1" 1 ip flower dst_ip 10.9.0.11
flow "$R1" "$R0" 1 ip flower dst_ip 10.9.0.10
flow "$R1" "$U" 2 ip flower dst_ip 10.8.0.20
flow "$U" "$R1" 2 ip flower dst_ip 10.8.0.11
m() { ip -n "$1" -br link show dev "$2" | awk '{ print $3 }'; }
ip -n t0 neigh add 10.9.0.11 lladdr "$(m t1 vf0)" dev vf0 && ip -n t1 neigh add 10.9.0.10 lladdr "$(m t0 vf0)" dev vf0 &&
	ip -n t1 neigh add 10.8.0.20 lladdr "$(m peer wire0)" dev vf0 &&
	ip -n peer neigh add 10.8.0.11 lladdr "$(m t1 vf0)" dev wire0 || die "neighbours"
ping_ok t0 10.9.0.11
ping_ok peer 10.8.0.11

ethtool -K "$U" tls-hw-rx-offload on 2>/dev/null
ethtool -k "$U" | grep -q '^tls-hw-rx-offload: off' || die "the uplink has TLS"
for n in t0 t1; do in_ns $n ethtool -K vf0 tls-hw-rx-offload on || die "$n: tls-hw-rx-offload"; done
offloaded t0 10.9.0.10 t1 vf0 $AES128 $((SIZE * 3 / 4))
offloaded t1 10.9.0.11 t0 vf0 $AES256 $((SIZE * 3 / 4))
offloaded peer 10.8.0.20 t1 vf0 $AES256 $((SIZE * 3 / 4))
for n in t0 t1; do
	[ "$(tls $n TlsTxDevice)" -ge 1 ] && [ "$(stat $n vf0 tx_tls_encrypted_bytes)" -ge $SIZE ] || die "$n: transmit offload"
done
tc -s filter show dev "$R0" ingress | grep -q 'Sent hardware [1-9][0-9]\{6\}' || die "the flow is not the card's"
log_clean
echo PASS
