#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Scalable functions: made, used and taken away by devlink; traffic between them, VFs and the wire, by a bridge and in the card; refusals.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/sflib.sh"
load ports=2 vfs=2 sfs=3 log=1
modprobe -a bridge cls_flower act_mirred sch_ingress
# refused REASON COMMAND...
refused() {
	local why=$1 out; shift
	! out=$("$@" 2>&1) || die "not refused: $*"
	grep -q "$why" <<< "$out" || die "$*: refused for another reason than $why: $out"
}
tcp() {
	ip netns exec "$2" iperf3 -s -1 -D > /dev/null
	ip netns exec "$1" iperf3 -c "$3" -n 20M --connect-timeout 5000 > /dev/null || die "TCP from $1 to $2"
}

# none in the legacy eswitch
refused "only supported in eswitch switchdev mode" add 0 88
devlink dev eswitch set pci/$PF0 mode switchdev && devlink dev eswitch set pci/$PF1 mode switchdev || die "switchdev"
echo 1 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VF"
r=$(devlink resource show pci/$PF0 2> /dev/null) && { grep -q 'max_local_SFs size 3' <<< "$r" || die "resources: $r"; }	# 6.1 does not say

# as many as there may be, a number once, on the own port only; what is taken away leaves room
add 0 88 && add 0 89 && add 0 90 || die "devlink port add"
refused "No space left on device" add 0 91
devlink port del "$(port 0 90)" || die "devlink port del"
refused "SF already exist" add 0 88
refused "Invalid pfnum" devlink port add pci/$PF0 flavour pcisf pfnum 1 sfnum 91
refused "must provide unique sfnum" devlink port add pci/$PF0 flavour pcisf pfnum 0
add 0 91 && devlink port del "$(port 0 91)" || die "another one"
[ -z "$(port 0 90; port 0 91)" ] || die "deleted ports stay"
add 1 88 || die "an SF of the second port with the first one's number"

# a port with its representor, and no function yet
for s in "0 88" "0 89" "1 88"; do
	is $s function.state inactive && is $s function.opstate detached && no_device $s || die "SF $s: $(devlink port show "$(port $s)")"
	[ "$(cat "/sys/class/net/$(value $s netdev)/phys_port_name")" = "pf${s% *}sf${s#* }" ] || die "representor of SF $s"
done

# the functions
on 0 88 hw_addr 02:00:00:00:88:00
[ "$(cat "/sys/class/net/$N/address")" = 02:00:00:00:88:00 ] || die "the SF does not have its address"
into s0 10.9.0.10/24
on 0 89 hw_addr 02:00:00:00:88:01; into s1 10.9.0.11/24
on 1 88 hw_addr 02:00:00:00:88:02; into s2 10.9.1.12/24
vf_ns $PF0 0 v0 10.9.0.13/24
V=$(devlink -j port | jq -r '.port[] | select(.flavour == "pcivf") | .netdev')
for i in 0 1; do
	ip netns add peer$i && ip link set wire$i netns peer$i && ip -n peer$i addr add 10.9.$i.20/24 dev wire$i && ip -n peer$i link set wire$i up || die "wire$i"
done

# a bridge for each port
R=("$(value 0 88 netdev)" "$(value 0 89 netdev)" "$V" "$(rep p0)")
for i in 0 1; do ip link add br$i type bridge && ip link set br$i up || die "br$i"; done
for n in "${R[@]}"; do ip link set "$n" master br0 up || die "$n"; done
for n in "$(value 1 88 netdev)" "$(rep p1)"; do ip link set "$n" master br1 up || die "$n"; done
ping_ok s0 10.9.0.11; ping_ok s0 10.9.0.13; ping_ok s0 10.9.0.20; ping_ok s2 10.9.1.20
tcp s0 s1 10.9.0.11; tcp s0 v0 10.9.0.13; tcp v0 s0 10.9.0.10; tcp s0 peer0 10.9.0.20; tcp peer1 s2 10.9.1.12

# without it, by flows that are in the card only
ip link del br0
NS=(s0 s1 v0 peer0) DEV=(vf0 vf0 vf0 wire0)
mac() { ip -n "${NS[$1]}" -br link show dev "${DEV[$1]}" | awk '{ print $3 }'; }
for i in 0 1 2 3; do
	tc qdisc add dev "${R[$i]}" ingress
	for j in 0 1 2 3; do
		[ $i = $j ] || tc filter add dev "${R[$i]}" ingress prio 1 flower skip_sw dst_mac "$(mac $j)" action mirred egress redirect dev "${R[$j]}" ||
			die "a flow from ${R[$i]} to ${R[$j]}"
		[ $i = $j ] || ip -n "${NS[$i]}" neigh replace "$(ip -n "${NS[$j]}" -j addr show dev "${DEV[$j]}" | jq -r '.[].addr_info[] | select(.family == "inet").local')" \
			lladdr "$(mac $j)" nud permanent dev "${DEV[$i]}" || die "neighbours"
	done
done
ping_ok s0 10.9.0.11; ping_ok s0 10.9.0.13; ping_ok s0 10.9.0.20
tcp s0 s1 10.9.0.11; tcp v0 s1 10.9.0.11; tcp s1 peer0 10.9.0.20
tc -s filter show dev "${R[1]}" ingress | grep -q 'in_hw' || die "not in the card"

# off and on again: the port stays
devlink port function set "$(port 0 88)" state inactive || die "state inactive"
wait_for no_device 0 88 || die "the device stays"
wait_for eval "is 0 88 function.opstate detached" || die "an SF without a driver is not detached"
is 0 88 function.state inactive && [ -d "/sys/class/net/${R[0]}" ] || die "the port of an inactive SF"
ping_ok s1 10.9.0.13
ip netns del s0
on 0 88
[ "$(cat "/sys/class/net/$N/address")" = 02:00:00:00:88:00 ] || die "the SF has lost its address"
into s0 10.9.0.10/24
ip -n s0 neigh replace 10.9.0.11 lladdr "$(mac 1)" nud permanent dev vf0
ping_ok s0 10.9.0.11

# deleted while it is used: all of it goes, and there is room for another with that number
devlink port del "$(port 0 88)" || die "devlink port del of an SF in use"
[ -z "$(port 0 88)" ] && [ ! -d "/sys/class/net/${R[0]}" ] || die "the port stays"
wait_for no_device 0 88 || die "the device of a deleted SF stays"
ping_ok s1 10.9.0.20
ip netns del s0
add 0 88 && add 0 90 || die "the places are not free again"
on 0 88; on 0 90
ping_ok s2 10.9.1.20

# legacy ends those of its port, the others stay; flows would keep the driver from it
for n in "${R[@]:1}"; do tc qdisc del dev "$n" ingress || die "flows of $n"; done
devlink dev eswitch set pci/$PF0 mode legacy || die "legacy"
wait_for no_device 0 88 && wait_for no_device 0 89 && wait_for no_device 0 90 && [ -z "$(port 0 88; port 0 89; port 0 90)" ] || die "SFs in legacy mode"
ping_ok s2 10.9.1.20

# the driver goes and comes, then the card, with SFs in use
add_one() { devlink dev eswitch set "pci/0001:3b:00.$1" mode switchdev && add "$1" 7 && on "$1" 7; }
# leave PFNUM SFNUM
leave() {
	case $(uname -r) in 7.*)
		echo "7.3: port $1 is not left with SFs: its driver waits for the work that unbinds them, which waits for devlink's lock of the port"
		devlink port del "$(port "$1" "$2")" && wait_for no_device "$1" "$2" || die "SF $2 of port $1 does not go"
	esac
}
for n in s1 s2 v0 peer0 peer1; do ip netns del $n; done
ip link del br1
leave 1 88
rmmod mlx5_core && [ -z "$(ls /sys/bus/auxiliary/devices | grep mlx5)" ] || die "rmmod mlx5_core with SFs"
load
add_one 0; add_one 1
leave 0 7; leave 1 7
rmmod connectx_emu || die "rmmod connectx_emu with SFs"
load ports=1 vfs=2 sfs=64
add_one 0
leave 0 7
rmmod connectx_emu && load sfs=0 && devlink dev eswitch set pci/$PF0 mode switchdev || die "a card without SFs"
refused "SF ports are \(not supported\|disabled\)" add 0 7
[ "$(awk 'NR == 3 { print $1 }' /sys/bus/pci/devices/$PF0/resource)" = 0x0000000000000000 ] || die "a BAR 2 for nothing"
log_clean
echo PASS
