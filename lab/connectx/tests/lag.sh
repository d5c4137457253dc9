#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Link aggregation: VFs of both ports over a bond of the uplinks, with port selection by hash and by queue; a port that fails; what is no LAG.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/laglib.sh"

# vf_flows: the VFs' packets are the card's alone: to the bond, and from either uplink
vf_flows() {
	local k n M
	for n in $U0 $U1; do tc qdisc add dev $n ingress_block 22 ingress || die "block of $n"; done
	vf_up 10.9.0
	for k in 0 1 2 3; do
		M=$(ip -n t$k -j link show vf0 | jq -r '.[].address')
		ip -n t$k neigh replace $PEER lladdr "$(ip -n peer -j link show bond1 | jq -r '.[].address')" dev vf0
		ip -n peer neigh replace 10.9.0.1$k lladdr "$M" dev bond1
		tc filter add dev "${R[k]}" ingress protocol ip prio 1 flower skip_sw action mirred egress redirect dev bond0 ||
			die "no flow from ${R[k]} to the bond"
		tc filter add block 22 protocol ip prio 1 flower skip_sw dst_mac "$M" action mirred egress redirect dev "${R[k]}" ||
			die "no flow from the uplinks to ${R[k]}"
	done
	tc -s filter show block 22 | grep -q in_hw || die "the flows are not in the card"
}
vf_end() {
	local n
	for n in $U0 $U1; do tc qdisc del dev $n ingress_block 22 ingress; done
	for n in "${R[@]}"; do tc qdisc del dev "$n" clsact; done
	vf_down
}
both_ways() { # the peer and each VF, while WHAT
	local k
	for k in 0 1 2 3; do soon "t$k reaches the peer, $1" reaches t$k; done
	ip netns exec peer ping -c 5 -i 0.1 -W 10 -q 10.9.0.13 > /dev/null || die "the peer does not reach t3, $1"
}

# hashed SEL BOTH FIRST SECOND: 802.3ad; mappings with both ports, and with only one
hashed() {
	bonds mode 802.3ad xmit_hash_policy layer3+4 lacp_rate fast
	soon "LAG is active" state active
	soon "LAG is switchdev, by $1" kind switchdev "$1"
	lag flags | grep -qx "shared_fdb:$FDB" || die "flags: $(lag flags)"
	[ "$(lag members | tr '\n' ' ')" = "$PF0 $PF1 " ] || die "members: $(lag members)"
	soon "both ports are mapped" mapping "$2"
	vf_flows
	both_ways "over both ports"
	spread t0 "$1, VF of port 0" 10 10
	spread t3 "$1, VF of port 1" 10 10
	echo 1 > $CX/wire0/down
	soon "the map without port 0" mapping "$4"
	both_ways "over port 1"
	spread t0 "$1, cable 0 pulled" 0 64
	spread t2 "$1, cable 0 pulled, VF of port 1" 0 64
	echo 0 > $CX/wire0/down
	soon "port 0 is back" mapping "$2"
	both_ways "over both ports again"
	spread t1 "$1, cable 0 back" 10 10
	ip -n peer link set wire1 down
	soon "the map without port 1" mapping "$3"
	both_ways "over port 0"
	spread t2 "$1, wire1 down" 64 0
	ip -n peer link set wire1 up
	soon "port 1 is back" mapping "$2"
	spread t3 "$1, wire1 up" 10 10
	vf_end
	unbond
}
# backup SEL FIRST SECOND: active-backup; the mappings with the one port and with the other
backup() {
	bonds mode active-backup
	soon "LAG is active" state active
	soon "LAG is switchdev, by $1" kind switchdev "$1"
	lag flags | grep -qx "shared_fdb:$FDB" || die "flags: $(lag flags)"
	soon "port 0 is active" mapping "$2"
	vf_flows
	both_ways "over port 0"
	spread t0 "active-backup" 64 0
	spread t3 "active-backup, VF of port 1" 64 0
	echo 1 > $CX/wire0/down
	soon "port 1 takes over" mapping "$3"
	both_ways "over port 1"
	spread t1 "active-backup, cable 0 pulled" 0 64
	spread t2 "active-backup, cable 0 pulled, VF of port 1" 0 64
	echo 0 > $CX/wire0/down
	soon "port 0 is active again" mapping "$2"
	both_ways "over port 0 again"
	spread t2 "active-backup, cable 0 back" 64 0
	vf_end
	unbond
}
# none MODE WHAT DEVICE...: a bond that is no LAG
none() {
	local mode=$1 what=$2 n; shift 2
	ip link add bond0 type bond mode "$mode" miimon 50
	for n in "$@"; do ip link set "$n" down; ip link set "$n" master bond0 || die "$n does not join"; done
	ip link set bond0 up
	not_active "$what"
	ip link del bond0
}

load lag=${LAG_MODE:=hash}
wires
if [ "$LAG_MODE" = hash ]; then FDB=on SEL=hash; else FDB=off SEL=queue_affinity; fi
U0=$(uplink $PF0) U1=$(uplink $PF1)

# legacy, without VFs: the RoCE LAG, of which the netdevs take no notice
bonds mode 802.3ad xmit_hash_policy layer3+4 lacp_rate fast
soon "a LAG of PFs in legacy mode" state active
soon "LAG in legacy mode, by $SEL" kind roce "$SEL"
ip addr add 10.9.0.1/24 dev bond0
soon "the bond reaches the peer" reaches host
spread host "legacy" 10 10
echo 1 > $CX/wire1/down
soon "the bond reaches the peer over port 0" reaches host
echo 0 > $CX/wire1/down
unbond

# no LAG
none active-backup "a bond of one port" "$U0"
none balance-rr "round robin" "$U0" "$U1"
ip link add dummy0 type dummy
none active-backup "a bond with another device" "$U0" "$U1" dummy0
echo 1 > /sys/bus/pci/devices/$PF0/sriov_numvfs
none active-backup "VFs in legacy mode" "$U0" "$U1"
echo 0 > /sys/bus/pci/devices/$PF0/sriov_numvfs
switchdev 1 $PF0
none active-backup "ports in different modes" "$(uplink $PF0)" "$U1"
legacy $PF0

switchdev 2 $PF0 $PF1
case $LAG_MODE,$(uname -r) in	# the drivers before 7 ask for port selection tables with 802.3ad alone
hash,7.*) backup hash 1 2 ;;
*) backup queue_affinity "1:1 2:1" "1:2 2:2" ;;
esac
if [ "$LAG_MODE" = hash ]; then hashed hash "1 2" 1 2; else hashed queue_affinity "1:1 2:2" "1:1 2:1" "1:2 2:2"; fi
legacy $PF0 $PF1
log_clean
echo PASS
