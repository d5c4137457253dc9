#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Multiport eswitch: VFs of both ports in one eswitch, whose flows say by which port.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/laglib.sh"
load
wires
param() { devlink dev param set pci/$PF0 name esw_multiport value "$1" cmode runtime 2>&1; }
if ! devlink dev param show pci/$PF0 name esw_multiport > /dev/null 2>&1; then
	case $(uname -r) in 6.1.*) echo "6.1 has no esw_multiport"; log_clean; echo PASS; exit ;; esac
	die "no esw_multiport"
fi
param true | grep -q . || die "multiport in legacy mode"
switchdev 2 $PF0 $PF1
U0=$(uplink $PF0) U1=$(uplink $PF1)
param true && state active && [ "$(lag type)" = multiport_eswitch ] && [ "$(lag port_sel_mode)" = mpesw ] ||
	die "LAG is $(lag type), $(lag state), $(lag port_sel_mode)"
lag flags | grep -qx shared_fdb:on && lag flags | grep -qx fdb_selection_mode:native || die "flags: $(lag flags)"

# a bond of the same ports is no LAG now
ip link add bond0 type bond mode active-backup
for n in "$U0" "$U1"; do ip link set "$n" down; ip link set "$n" master bond0; done
sleep 2
[ "$(lag type)" = multiport_eswitch ] || die "the bond has taken over"
ip link del bond0

vf_up 10.9.0
# flow FROM TO MAC: packets to that address
flow() {
	tc filter add dev "$1" ingress protocol ip prio 1 flower skip_sw dst_mac "$3" action mirred egress redirect dev "$2" ||
		die "no flow from $1 to $2"
}
mac() { ip -n "$1" -j link show "$2" | jq -r '.[].address'; }
for n in "$U0" "$U1"; do ip link set "$n" up; tc qdisc add dev "$n" clsact || die "$n"; done
ip -n peer addr add $PEER/24 dev wire0 && ip -n peer addr add 10.9.0.21/32 dev wire1 || die "addresses of the wires"
W0=$(mac peer wire0) W1=$(mac peer wire1)
for k in 0 1 2 3; do
	M=$(mac t$k vf0)
	for j in 0 1 2 3; do [ $j = $k ] || { flow "${R[j]}" "${R[k]}" "$M"; ip -n t$j neigh replace 10.9.0.1$k lladdr "$M" dev vf0; }; done
	flow "${R[k]}" "$U0" "$W0"; flow "${R[k]}" "$U1" "$W1"
	flow "$U0" "${R[k]}" "$M"; flow "$U1" "${R[k]}" "$M"
	ip -n t$k neigh replace $PEER lladdr "$W0" dev vf0; ip -n t$k neigh replace 10.9.0.21 lladdr "$W1" dev vf0
	ip -n peer neigh replace 10.9.0.1$k lladdr "$M" dev wire0
done
ping_all() { ip netns exec "$1" ping -c 5 -i 0.1 -W 10 -q "$2" > /dev/null || die "$1 does not reach $2"; }
# VF to VF, of the same port and of the other
ping_all t0 10.9.0.11; ping_all t0 10.9.0.12; ping_all t3 10.9.0.10
# VFs of each port to the wire of each
for k in 0 1 2 3; do
	for w in 0 1; do
		a=$(came icmp wire$w) b=$(came icmp wire$((1 - w)))
		ping_all t$k 10.9.0.2$w
		[ $(($(came icmp wire$w) - a)) = 5 ] && [ "$(came icmp wire$((1 - w)))" = "$b" ] || die "t$k to wire$w: came of the other"
	done
done
# packets that come by port 1 for VFs of port 0, and the other way round
ip -n peer neigh replace 10.9.0.10 lladdr "$(mac t0 vf0)" dev wire1
ip -n peer route add 10.9.0.10/32 dev wire1
ping_all peer 10.9.0.10; ping_all peer 10.9.0.13
for n in "$U0" "$U1" "${R[@]}"; do tc -s filter show dev "$n" ingress | grep -q in_hw || die "the flows of $n are not in the card"; done
tc -s filter show dev "$U1" ingress | grep -q 'Sent hardware [1-9]' || die "no packet from port 1 was the card's"

# the uplinks themselves: each its own wire
for n in "$U0" "$U1" "${R[@]}"; do tc qdisc del dev "$n" clsact; done
ip addr add 10.9.1.1/24 dev "$U0"; ip addr add 10.9.2.1/24 dev "$U1"
ip -n peer addr add 10.9.1.20/24 dev wire0; ip -n peer addr add 10.9.2.20/24 dev wire1
ping_all host 10.9.1.20; ping_all host 10.9.2.20

vf_down
param false && state disabled || die "multiport eswitch does not end"
legacy $PF0 $PF1
log_clean
echo PASS
