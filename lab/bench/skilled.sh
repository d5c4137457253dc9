#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What somebody who knows the tools would write to bring a two-port card to the state of the profile vm-host: ip and
# ethtool in few calls, the ports and the VFs of different ports side by side, one transaction for Open vSwitch.
#
#   skilled.sh PF0 PF1 VFS
#
# Prints "PHASE SECONDS" a line. It asks before it acts, as such scripts do.
set -euo pipefail
pfs=("$1" "$2") vfs=$3
sys=/sys/bus/pci/devices
last=${EPOCHREALTIME/,/.}
phase() { local now=${EPOCHREALTIME/,/.}; awk -v p="$1" -v a="$last" -v b="$now" 'BEGIN {print p, b - a}'; last=$now; }
unbound() { for v in "$sys/$1"/virtfn*; do [ -e "$v/driver" ] || basename "$(readlink "$v")"; done; }

make_vfs() {
	[ "$(<"$sys/$1/sriov_numvfs")" = "$vfs" ] && return
	echo 0 > "$sys/$1/sriov_drivers_autoprobe"
	echo "$vfs" > "$sys/$1/sriov_numvfs"
	echo 1 > "$sys/$1/sriov_drivers_autoprobe"
}
for pf in "${pfs[@]}"; do make_vfs "$pf" & done; wait
phase sriov

switchdev() {
	devlink -j dev eswitch show "pci/$1" | grep -q switchdev && return
	for v in "$sys/$1"/virtfn*; do [ ! -e "$v/driver" ] || basename "$(readlink "$v")" > "$v/driver/unbind"; done
	devlink dev eswitch set "pci/$1" mode switchdev
}
for pf in "${pfs[@]}"; do switchdev "$pf" & done; wait
phase eswitch

batch=$(mktemp)
mapfile -t reps < <(devlink -j port show | jq -r '.port[] | select(.flavour == "pcivf") | "\(.netdev) \(.vfnum)"')
printf 'link set dev %s up mtu 1500\n' "${reps[@]% *}" > "$batch"
ip -batch "$batch"
phase functions

ip link show dev bond0 > /dev/null 2>&1 || echo "link add bond0 type bond mode 802.3ad xmit_hash_policy layer3+4 lacp_rate fast miimon 100" > "$batch.bond"
for pf in "${pfs[@]}"; do
	for dev in "$sys/$pf"/net/*; do
		[[ "$(cat "$dev/phys_port_name")" =~ ^p[0-9]+$ && ! -e $dev/master ]] || continue
		printf 'link set dev %s down\nlink set dev %s master bond0\n' "${dev##*/}" "${dev##*/}"
	done
done >> "$batch.bond"
echo "link set dev bond0 up" >> "$batch.bond"
ip -batch "$batch.bond"
phase bond

for pf in "${pfs[@]}"; do until grep -q active "/sys/kernel/debug/mlx5/$pf/lag/state"; do sleep 0.05; done; done
phase lag

bind() { unbound "$1" | while read -r vf; do echo "$vf" > /sys/bus/pci/drivers/mlx5_core/bind; done; }
for pf in "${pfs[@]}"; do bind "$pf" & done; wait
phase bind

ports=()
for r in "${reps[@]}"; do ports+=(-- --may-exist add-port br-nic "${r% *}" tag=$((${r#* } < vfs / 2 ? 100 : 200))); done
ovs-vsctl set Open_vSwitch . other_config:hw-offload=true -- --may-exist add-br br-nic \
	-- --may-exist add-port br-nic bond0 trunks=100,200 vlan_mode=trunk "${ports[@]}"
phase switch

for dev in "${pfs[@]/#/$sys/}"; do
	for net in "$dev"/virtfn*/net/*; do ethtool -K "${net##*/}" tls-hw-tx-offload on tls-hw-rx-offload on; done
done
phase offload
rm -f "$batch" "$batch.bond"
