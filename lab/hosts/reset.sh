#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From any of the hosts back to a machine as it was booted, with nothing of the product's.
. "$(dirname "$0")/lib.sh"
trap - ERR
set +e
exec 2>"$state/reset.log"
[[ -e $state/pids ]] && xargs kill -9 <"$state/pids"
rm -rf "$state"/pids /var/lib/nicwright /etc/nicwright /etc/NetworkManager /etc/systemd/network
for ns in /run/netns/*; do
	[[ -e $ns && ${ns##*/} != peer ]] && ip netns delete "${ns##*/}"
done

# Hardware offload once on stays on until ovs-vswitchd is started again.
pid=$(cat /run/openvswitch/ovs-vswitchd.pid)
kill -CONT "$pid"
if [[ $(ovs-vsctl --no-wait list-br; ovs-vsctl --no-wait get Open_vSwitch . other_config) != '{}' ]]; then
	for b in $(ovs-vsctl --no-wait list-br); do ovs-vsctl --timeout=10 del-br "$b"; done
	ovs-vsctl --no-wait clear Open_vSwitch . other_config
	ovs-appctl --timeout=10 -t ovs-vswitchd exit --cleanup || kill -9 "$pid"
	while [[ -e /proc/$pid ]]; do sleep 0.02; done
	ovs-vswitchd --pidfile --detach --no-chdir --log-file
	ovs-dpctl del-dp ovs-system
fi

# What is no device's and not the lab's goes; what hung on it goes with it.
for n in /sys/class/net/*; do
	case ${n##*/} in
	lo | bonding_masters | wire* | ovs-system) ;;
	*) [[ -e $n && ! -e $n/device ]] && ip link delete "${n##*/}" ;;
	esac
done
for f in -4 -6; do
	ip $f rule show | while IFS=: read -r priority _; do
		case $priority in 0 | 32766 | 32767) ;; *) ip $f rule delete priority "$priority" ;; esac
	done
	ip $f route flush table all proto static >/dev/null
done
ip nexthop flush >/dev/null

# A port that its driver takes anew has the driver's defaults.
again() {
	local d=$devices/$1
	echo 0 >"$d/sriov_numvfs"
	devlink dev eswitch set "pci/$1" mode legacy
	echo "$1" >"$d/driver/unbind"
	echo >"$d/driver_override"
	echo 1 >"$d/sriov_drivers_autoprobe"
	echo "$1" >"$drivers/mlx5_core/bind"
	wait_for 30 uplink "$1"
}
echo 1 >/sys/bus/pci/rescan
for p in "${pf[@]}"; do again "$p"; done # one at a time: two probes at once can meet in the slab caches of the driver (EEXIST)
for ((i = 0; i < ${#pf[@]}; i++)); do ip -n peer link set "wire$i" up; done
for p in "${pf[@]}"; do uplink "$p" >/dev/null || exit 1; done
