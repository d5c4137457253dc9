#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rates that the card enforces: of a VF (ip, devlink, tc police), of a node for the sum of its VFs, shares of a node.
. "$(dirname "$0")/lib.sh"
load
N=$(netdev $PF0)
ip link set "$N" up
echo 3 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VFs"
for i in 0 1 2; do vf_ns $PF0 $i t$i 10.9.0.1$i/24; done
for p in 1 2; do ip netns exec t2 iperf3 -s -p 500$p -D > /dev/null || die "iperf3"; done

# mbit FROM PORT [SECONDS]: what arrives at t2 in some seconds, in Mbit/s
mbit() {
	ip netns exec "$1" iperf3 -J -c 10.9.0.12 -p "500$2" -t "${3:-5}" > "/tmp/iperf$2" || die "iperf3 from $1: $(jq -r .error "/tmp/iperf$2")"
	jq '.end.sum_received.bits_per_second / 1e6 | floor' "/tmp/iperf$2"
}
# rate_is WHAT RATE LOW HIGH: the low end is low, for a busy machine may not reach a limit
rate_is() { echo "$1: $2 Mbit/s"; [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] || die "$1: $2 Mbit/s, not $3 to $4"; }
# both: sets A and B, what t0 and t1 send at the same time
both() {
	mbit t1 2 8 > /tmp/b &
	A=$(mbit t0 1 8); wait $! || die "iperf3 from t1"
	B=$(cat /tmp/b)
}
refused() { ! "$@" 2> /dev/null || die "not refused: $*"; }
info() { ip -j -d link show dev "$N" | jq ".[0].vfinfo_list[$1].rate.$2"; }

sleep 1
ping_ok t0 10.9.0.12
rate_is "legacy, no limit" "$(mbit t0 1 3)" 15 100000
ip link set "$N" vf 0 max_tx_rate 10 || die "max_tx_rate"
[ "$(info 0 max_tx)" = 10 ] || die "max_tx_rate is not shown"
rate_is "legacy, max_tx_rate 10" "$(mbit t0 1)" 3 12
rate_is "legacy, the other VF" "$(mbit t1 1 3)" 15 100000
ip link set "$N" vf 0 max_tx_rate 20 min_tx_rate 10 || die "min_tx_rate"
[ "$(info 0 min_tx)" = 10 ] || die "min_tx_rate is not shown"
rate_is "legacy, max_tx_rate 20" "$(mbit t0 1)" 6 24
ip link set "$N" vf 0 max_tx_rate 0 min_tx_rate 0 || die "no limit again"
rate_is "legacy, no limit again" "$(mbit t0 1 3)" 15 100000
# of queues and priorities the card has no rates, and does not say so
refused tc qdisc add dev "$N" root handle 1: htb offload
refused dcb pfc set dev "$N" prio-pfc 3:on
refused dcb maxrate set dev "$N" tc-maxrate all:1gbit

echo 0 > /sys/bus/pci/devices/$PF0/sriov_numvfs
for i in 0 1 2; do ip netns del t$i; done
devlink dev eswitch set pci/$PF0 mode switchdev || die "no switchdev"
echo 3 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VFs"
for i in 0 1 2; do
	R[i]=$(rep pf0vf$i)
	P[i]=$(devlink -j port | jq -r ".port | to_entries[] | select(.value.netdev == \"${R[i]}\") | .key")
	vf_ns $PF0 $i t$i 10.9.0.1$i/24
	ip link set "${R[i]}" up && tc qdisc add dev "${R[i]}" ingress || die "representor $i"
done
for p in 1 2; do ip netns exec t2 iperf3 -s -p 500$p -D > /dev/null || die "iperf3"; done
for i in 0 1; do
	m=$(ip -n t$i -j link show vf0 | jq -r '.[0].address')
	tc filter add dev "${R[i]}" ingress prio 2 flower skip_sw action mirred egress redirect dev "${R[2]}" &&
		tc filter add dev "${R[2]}" ingress prio 2 flower skip_sw dst_mac "$m" action mirred egress redirect dev "${R[i]}" || die "flows"
done
sleep 1
ping_ok t0 10.9.0.12; ping_ok t1 10.9.0.12
rate() { devlink port function rate "$@"; }
show() { rate show "$1" -j | jq -r ".rate[].$2"; }
rate_is "switchdev, no limit" "$(mbit t0 1 3)" 15 100000
rate set "${P[0]}" tx_max 10mbit || die "tx_max"
[ "$(show "${P[0]}" tx_max)" = 1250000 ] || die "tx_max is not shown"
rate_is "tx_max 10mbit" "$(mbit t0 1)" 3 12
rate set "${P[0]}" tx_max 0 || die "no tx_max"

rate add pci/$PF0/g1 || die "no rate node"
rate set pci/$PF0/g1 tx_max 20mbit || die "tx_max of the node"
for i in 0 1; do rate set "${P[i]}" parent g1 || die "parent"; done
[ "$(show "${P[1]}" parent)" = g1 ] || die "the parent is not shown"
both
rate_is "a node of 20mbit, two VFs: $A and $B" $((A + B)) 6 24
[ "$A" -ge $((B / 3)) ] && [ "$B" -ge $((A / 3)) ] || die "the node is not shared: $A and $B"
rate set "${P[0]}" tx_share 10mbit && rate set "${P[1]}" tx_share 2mbit || die "tx_share"
both
rate_is "shares of 10 and 2: $A and $B" $((A + B)) 6 24
[ "$A" -ge $((2 * B)) ] || die "the shares are not kept: $A and $B"
refused rate del pci/$PF0/g1	# it has leaves
refused rate set "${P[2]}" tx_max 1500kbit
refused rate set "${P[2]}" tx_max 200gbit
for i in 0 1; do rate set "${P[i]}" tx_share 0 && rate set "${P[i]}" noparent || die "noparent"; done
rate del pci/$PF0/g1 || die "the node stays"
rate_is "out of the node" "$(mbit t0 1 3)" 15 100000

# the policer of a representor is the card's rate of the VF
tc filter add dev "${R[1]}" ingress prio 1 matchall skip_sw action police rate 10mbit burst 64k conform-exceed drop/continue ||
	die "police"
rate_is "police 10mbit" "$(mbit t1 1)" 3 12
tc filter del dev "${R[1]}" ingress prio 1
rate_is "no police" "$(mbit t1 1 3)" 15 100000
for i in 0 1 2; do ip netns del t$i; done
log_clean
echo PASS
