#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What "ip link set PF vf N" sets in a legacy eswitch, seen in what the card does: address, VLAN and priority, spoof check, trust,
# link state; counters of a VF. Rates are in rates.sh.
. "$(dirname "$0")/lib.sh"
load
N=$(netdev $PF0)
ip link set "$N" up
echo 3 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VFs"
attr() { ip -j -d -s link show dev "$N" | jq -r ".[0].vfinfo_list[$1].$2"; }
set_vf() { ip link set "$N" vf "$@" || die "vf $*"; }
refused() { ! "$@" > /dev/null 2>&1 || die "not refused: $*"; }
deaf() { ip netns exec "$1" ping -c 2 -i 0.3 -w 3 -q "$2" > /dev/null && die "$3"; true; }

# the address that the administrator gives is the VF's from its next start on
set_vf 0 mac 02:00:00:00:09:10
d=$(basename "$(readlink -f /sys/bus/pci/devices/$PF0/virtfn0)")
echo "$d" > /sys/bus/pci/drivers/mlx5_core/unbind && echo "$d" > /sys/bus/pci/drivers/mlx5_core/bind || die "rebind"
[ "$(cat "/sys/class/net/$(vf $PF0 0)/address")" = 02:00:00:00:09:10 ] || die "the VF does not have its address"
[ "$(attr 0 address)" = 02:00:00:00:09:10 ] || die "the address is not shown"
refused ip link set "$N" vf 0 mac 01:00:00:00:09:10
refused ip link set "$N" vf 8 mac 02:00:00:00:09:18	# there are eight, though three are enabled
for i in 0 1 2; do vf_ns $PF0 $i t$i 10.9.0.1$i/24; done
ip netns add peer && ip link set wire0 netns peer && ip -n peer addr add 10.9.0.20/24 dev wire0 && ip -n peer link set wire0 up &&
	ip -n peer link add link wire0 name v100 type vlan id 100 && ip -n peer addr add 10.100.0.20/24 dev v100 && ip -n peer link set v100 up || die "wire0"
sleep 1
ping_ok t0 10.9.0.11; ping_ok t0 10.9.0.20

# capture NAMESPACE DEVICE FILTER COMMAND...: sets GOT, what tcpdump shows while the command runs
capture() {
	local ns=$1 dev=$2 filter=$3 t; shift 3
	ip netns exec "$ns" tcpdump -lnepi "$dev" $filter > /tmp/dump 2> /tmp/dump.err &
	t=$!
	for _ in $(seq 100); do grep -q 'listening on' /tmp/dump.err && break; sleep 0.1; done
	"$@"
	sleep 1; kill $t; wait $t
	GOT=$(cat /tmp/dump)
}
pings() { ip netns exec "$1" ping -c 3 -i 0.2 -W 2 -q "$2" > /dev/null; true; }

# a VLAN and its priority: pushed on the way out, stripped on the way in; the VF knows nothing of it, and may send no tag
set_vf 0 vlan 100 qos 5
[ "$(attr 0 'vlan_list[0] | "\(.vlan) \(.qos)"')" = "100 5" ] || die "the VLAN is not shown"
ip -n t0 addr add 10.100.0.10/24 dev vf0
ping_ok t0 10.100.0.20
capture peer wire0 "vlan and icmp" pings t0 10.100.0.20
grep -q '10.100.0.10 > 10.100.0.20' <<< "$GOT" && grep '10.100.0.10 > 10.100.0.20' <<< "$GOT" | grep -q 'vlan 100, p 5' || die "VLAN 100, priority 5 is not on the wire: $GOT"
capture t0 vf0 "" pings t0 10.100.0.20
grep -q '10.100.0.20 > 10.100.0.10' <<< "$GOT" && ! grep -q 'vlan' <<< "$GOT" || die "the VF sees tags: $GOT"
ip -n t1 addr add 10.100.0.11/24 dev vf0
n=$(attr 0 stats.rx.dropped)
deaf t1 10.100.0.10 "a VF without the VLAN reaches one with it"
[ "$(attr 0 stats.rx.dropped)" -gt "$n" ] || die "what has another VLAN is not counted: $(attr 0 stats)"
ip -n t0 link add link vf0 name v100 type vlan id 100 && ip -n t0 addr add 10.100.1.10/24 dev v100 && ip -n t0 link set v100 up
ip -n peer addr add 10.100.1.20/24 dev v100
deaf t0 10.100.1.20 "a VF with a VLAN sends tags of its own"
ip -n t0 link del v100
refused ip link set "$N" vf 0 vlan 100 proto 802.1ad
refused ip link set "$N" vf 0 vlan 5000
set_vf 0 vlan 0 qos 0
ping_ok t0 10.9.0.11

# spoof check: another source address than the administrator's is dropped, and counted
set_vf 0 spoofchk on
[ "$(attr 0 spoofchk)" = true ] || die "spoofchk is not shown"
ping_ok t0 10.9.0.11
ip -n t0 link set vf0 address 02:00:00:00:09:99
ip -n t1 neigh flush all
n=$(attr 0 stats.tx.dropped)
deaf t0 10.9.0.11 "a false source address passes the spoof check"
[ "$(attr 0 stats.tx.dropped)" -gt "$n" ] || die "no drop is counted: $(attr 0 stats)"
set_vf 0 spoofchk off
ping_ok t0 10.9.0.11
ip -n t0 link set vf0 address 02:00:00:00:09:10
ip -n t1 neigh flush all
ping_ok t0 10.9.0.11

# trust: only who has it sees unicast and multicast that is for others
foreign() {
	ip -n peer neigh replace 10.9.0.77 lladdr 02:00:00:00:77:77 dev wire0
	ip netns exec peer ping -c 3 -i 0.2 -W 1 -q 10.9.0.77 > /dev/null
	ip netns exec peer ping -c 3 -i 0.2 -W 1 -q -I wire0 239.1.2.3 > /dev/null
	true
}
ip -n t1 link set vf0 promisc on allmulticast on; sleep 1
capture t1 vf0 icmp foreign
! grep -q '10.9.0.77\|239.1.2.3' <<< "$GOT" || die "without trust a VF sees what is for others: $GOT"
set_vf 1 trust on
[ "$(attr 1 trust)" = true ] || die "trust is not shown"
sleep 1
capture t1 vf0 icmp foreign
grep -q '> 10.9.0.77' <<< "$GOT" && grep -q '> 239.1.2.3' <<< "$GOT" || die "a trusted promiscuous VF does not see what is for others: $GOT"
ip -n t1 link set vf0 promisc off; sleep 1
capture t1 vf0 icmp foreign
! grep -q '> 10.9.0.77' <<< "$GOT" && grep -q '> 239.1.2.3' <<< "$GOT" || die "allmulticast alone: $GOT"
set_vf 1 trust off; sleep 1
capture t1 vf0 icmp foreign
! grep -q '10.9.0.77\|239.1.2.3' <<< "$GOT" || die "the trust stays: $GOT"
ip -n t1 link set vf0 allmulticast off

# link state: the cable's, always up, always down; what comes for a VF that is down is dropped and counted
carrier() { for _ in $(seq 50); do [ "$(ip -n "$1" -j link show vf0 | jq '.[0].flags | index("LOWER_UP") != null')" = "$2" ] && return; sleep 0.1; done; die "carrier of $1 is not $2: $3"; }
carrier t2 true "at first"
set_vf 2 state disable
[ "$(attr 2 link_state)" = disable ] || die "link state is not shown"
carrier t2 false "disabled"
n=$(attr 2 stats.rx.dropped)
m=$(ip -n t2 -j link show vf0 | jq -r '.[0].address')
ip -n t0 neigh replace 10.9.0.12 lladdr "$m" dev vf0
deaf t0 10.9.0.12 "a VF with its link down answers"
[ "$(attr 2 stats.rx.dropped)" -gt "$n" ] || die "no drop is counted: $(attr 2 stats)"
set_vf 2 state enable
carrier t2 true "enabled"
ip -n peer link set wire0 down
carrier t0 false "auto, no cable"
[ "$(ip -n t2 -j link show vf0 | jq '.[0].flags | index("LOWER_UP") != null')" = true ] || die "an enabled link goes with the cable"
set_vf 1 state enable
carrier t1 true "enabled, no cable"
ping_ok t1 10.9.0.12
set_vf 2 state auto
carrier t2 false "auto again, no cable"
ip -n peer link set wire0 up
carrier t2 true "auto again"
ping_ok t0 10.9.0.12

# counters are the card's, of one VF
a=$(attr 2 stats.rx.packets) b=$(attr 2 stats.tx.tx_bytes) c=$(attr 2 stats.rx.broadcast)
ip netns exec t0 ping -c 20 -i 0.05 -s 1000 -W 10 -q 10.9.0.12 > /dev/null
ip netns exec t0 ping -c 3 -i 0.2 -W 1 -b -q 10.9.0.255 > /dev/null 2>&1
[ $(($(attr 2 stats.rx.packets) - a)) -ge 23 ] || die "received packets are not counted"
[ $(($(attr 2 stats.tx.tx_bytes) - b)) -ge 20800 ] || die "sent bytes are not counted"
[ $(($(attr 2 stats.rx.broadcast) - c)) -ge 3 ] || die "broadcasts are not counted"

# VEPA: what one VF sends another leaves by the wire first, where nobody reflects it
ip -n t0 neigh replace 10.9.0.11 lladdr "$(ip -n t1 -j link show vf0 | jq -r '.[0].address')" dev vf0
bridge link set dev "$N" hwmode vepa || die "no VEPA"
capture peer wire0 icmp deaf t0 10.9.0.11 "VEPA: a VF reaches another without the switch outside"
grep -q '10.9.0.10 > 10.9.0.11' <<< "$GOT" || die "VEPA: not on the wire: $GOT"
bridge link set dev "$N" hwmode veb
ping_ok t0 10.9.0.11

# none of it in switchdev
for n in t0 t1 t2; do ip netns del $n; done
devlink dev eswitch set pci/$PF0 mode switchdev || die "no switchdev"
N=$(netdev $PF0 | while read -r n; do [ "$(cat /sys/class/net/"$n"/phys_port_name)" = p0 ] && echo "$n"; done)
refused ip link set "$N" vf 0 vlan 100
refused ip link set "$N" vf 0 spoofchk on
refused ip link set "$N" vf 0 trust on
ip -n peer link set wire0 netns 1; ip netns del peer
log_clean
echo PASS
