#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What an administrator's script does to bring a two-port card to the state of the profile vm-host, with ip,
# devlink, ethtool and ovs-vsctl. `make bench` times nicwright against it.
#
#   apply.sh PF0 PF1 VFS
#
# Prints "PHASE SECONDS" a line. Idempotent in the way such scripts are: it asks before it acts.
set -euo pipefail
pfs=("$1" "$2"); vfs=$3
now() { echo "${EPOCHREALTIME/,/.}"; }
start=$(now)
phase() { local t; t=$(now); echo "$1 $(awk "BEGIN{print $t-$start}")"; start=$t; }
sys=/sys/bus/pci/devices
uplink() { ip -d -j link show | jq -r --arg d "$1" '.[] | select(.parentdev == $d and (.phys_port_name // "" | test("^p[0-9]+$"))) | .ifname'; }

for pf in "${pfs[@]}"; do
	if [ "$(cat $sys/$pf/sriov_numvfs)" != "$vfs" ]; then
		echo 0 > $sys/$pf/sriov_drivers_autoprobe
		echo "$vfs" > $sys/$pf/sriov_numvfs
		echo 1 > $sys/$pf/sriov_drivers_autoprobe
	fi
done
phase sriov
for pf in "${pfs[@]}"; do
	if [ "$(devlink -j dev eswitch show "pci/$pf" | jq -r '.dev[].mode')" != switchdev ]; then
		for ((i = 0; i < vfs; i++)); do
			vf=$(basename "$(readlink -f $sys/$pf/virtfn$i)")
			[ ! -e $sys/$vf/driver ] || echo "$vf" > $sys/$vf/driver/unbind
		done
		devlink dev eswitch set "pci/$pf" mode switchdev
	fi
done
phase eswitch
declare -A rep
while read -r pf vf dev; do rep[$pf/$vf]=$dev; done < <(devlink -j port show | jq -r '.port | to_entries[] | select(.value.flavour == "pcivf") | [(.key | split("/")[1]), .value.vfnum, .value.netdev] | @tsv')
for dev in "${rep[@]}"; do
	ip -j link show dev "$dev" | jq -e '.[0].flags | index("UP")' > /dev/null || ip link set dev "$dev" up
	[ "$(ip -j link show dev "$dev" | jq '.[0].mtu')" = 1500 ] || ip link set dev "$dev" mtu 1500
done
phase functions
if ! ip link show dev bond0 > /dev/null 2>&1; then
	ip link add bond0 type bond mode 802.3ad xmit_hash_policy layer3+4 lacp_rate fast miimon 100
fi
for pf in "${pfs[@]}"; do
	dev=$(uplink "$pf")
	if [ "$(ip -j link show dev "$dev" | jq -r '.[0].master // ""')" != bond0 ]; then
		ip link set dev "$dev" down
		ip link set dev "$dev" master bond0
	fi
done
ip link set dev bond0 up
phase bond
for pf in "${pfs[@]}"; do
	until grep -q active /sys/kernel/debug/mlx5/$pf/lag/state; do sleep 0.1; done
done
phase lag
for pf in "${pfs[@]}"; do
	for ((i = 0; i < vfs; i++)); do
		vf=$(basename "$(readlink -f $sys/$pf/virtfn$i)")
		[ -e $sys/$vf/driver ] || echo "$vf" > /sys/bus/pci/drivers/mlx5_core/bind
	done
done
phase bind
[ "$(ovs-vsctl --if-exists get Open_vSwitch . other_config:hw-offload)" = '"true"' ] || ovs-vsctl set Open_vSwitch . other_config:hw-offload=true
ovs-vsctl --may-exist add-br br-nic
[ "$(ovs-vsctl --if-exists get Port bond0 trunks)" = '[100, 200]' ] || ovs-vsctl --may-exist add-port br-nic bond0 trunks=100,200 vlan_mode=trunk
for ((i = 0; i < vfs; i++)); do
	for pf in "${pfs[@]}"; do
		dev=${rep[$pf/$i]}; tag=$((i < vfs / 2 ? 100 : 200))
		[ "$(ovs-vsctl --if-exists get Port "$dev" tag)" = $tag ] || ovs-vsctl --may-exist add-port br-nic "$dev" tag=$tag
	done
done
phase switch
for pf in "${pfs[@]}"; do
	for ((i = 0; i < vfs; i++)); do
		vf=$(basename "$(readlink -f $sys/$pf/virtfn$i)")
		for d in $sys/$vf/net/*; do
			ethtool -k "${d##*/}" | grep -q 'tls-hw-tx-offload: on' || ethtool -K "${d##*/}" tls-hw-tx-offload on
		done
	done
done
phase offload
