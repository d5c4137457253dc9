#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Run inside the lab machine by `make bench`, whose time is instructions (lab run --icount): what TCP does between two VFs of
# the emulated card, against a pair of veths over a bridge in the same machine. The two take turns; the ratio of a turn is
# of two runs in a row.
#
#   throughput.sh [ROUNDS [SECONDS [IPERF3-FLAG...]]]
set -euo pipefail
rounds=${1:-5} seconds=${2:-5}
shift $(($# < 2 ? $# : 2))
flags=("$@")
pf=$(for d in /sys/bus/pci/drivers/mlx5_core/*:*; do [ -e "$d/physfn" ] || basename "$d"; done | sort | head -n 1)
sys=/sys/bus/pci/devices/$pf
modprobe -aq bridge veth cls_flower act_mirred sch_ingress

space() { # space NAME NETDEV ADDRESS
	ip netns add "$1"; ip link set "$2" netns "$1" name eth0
	ip -n "$1" addr add "$3/24" dev eth0; ip -n "$1" link set lo up; ip -n "$1" link set eth0 up
}
server() { ip netns exec "$1" iperf3 -s -D > /dev/null; }
vfs() {
	echo 0 > "$sys/sriov_numvfs"
	echo 2 > "$sys/sriov_numvfs"
	for i in 0 1; do space v$i "$(ls "$sys/virtfn$i/net")" 10.7.0.1$i; done
	server v1
}
gone() { pkill iperf3 || true; for i in 0 1; do ip netns del v$i; done; sleep 1; }
run() { # run NAMESPACE ADDRESS: Mbit/s
	ip netns exec "$1" iperf3 -c "$2" -t "$seconds" -J "${flags[@]}" | jq '.end.sum_received.bits_per_second / 1e6 * 10 | round / 10'
}
median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
compare() {
	local a b r ratios=
	ip netns exec v1 ping -c 3 -i 0.2 -W 10 -q 10.7.0.10 > /dev/null
	for ((r = 0; r < rounds; r++)); do
		a=$(run v0 10.7.0.11) b=$(run b0 10.8.0.11)
		ratios+=$(awk "BEGIN { printf \"%.2f\", $a / $b }")$'\n'
		echo "    VFs $a Mbit/s, veths $b Mbit/s"
	done
	echo "throughput ratio, $1:  $(echo -n "$ratios" | median)   (goal >= 0.5)"
}

ip link add br9 type bridge && ip link set br9 up
for i in 0 1; do
	ip link add b9p$i type veth peer name b9e$i && ip link set b9p$i master br9 up && space b$i b9e$i 10.8.0.1$i
done
server b1
echo 0 > "$sys/sriov_drivers_autoprobe"; echo 1 > "$sys/sriov_drivers_autoprobe"
vfs
compare "legacy eswitch"
gone; server b1
devlink dev eswitch set "pci/$pf" mode switchdev
vfs
for i in 0 1; do
	rep[i]=$(devlink -j port show | jq -r --arg pf "pci/$pf" --argjson i "$i" '.port | to_entries[] | select((.key | startswith($pf)) and .value.flavour == "pcivf" and .value.vfnum == $i) | .value.netdev')
	ip link set "${rep[i]}" up; tc qdisc add dev "${rep[i]}" ingress
done
for i in 0 1; do
	tc filter add dev "${rep[i]}" ingress flower skip_sw action mirred egress redirect dev "${rep[1 - i]}"
done
compare "switchdev, flows in the card"
gone
echo 0 > "$sys/sriov_numvfs"; devlink dev eswitch set "pci/$pf" mode legacy
for i in 0 1; do ip netns del b$i; done
ip link del br9
