#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Function level reset under the driver's feet: it finds out and recovers, VF and PF; and of a PF without a driver.
. "$(dirname "$0")/lib.sh"
load ports=1 vfs=2
D=/sys/bus/pci/devices
echo 2 > $D/$PF0/sriov_numvfs || die "no VFs"
V=$(basename "$(readlink -f $D/$PF0/virtfn0)") W=$(basename "$(readlink -f $D/$PF0/virtfn1)")
ip netns add peer && ip link set wire0 netns peer && ip -n peer addr add 10.9.0.20/24 dev wire0 && ip -n peer link set wire0 up || die "wire0"
up() { ip addr replace "$2/24" dev "$(netdev "$1")" && ip link set "$(netdev "$1")" up || die "$1 does not come up"; } # up FUNCTION ADDRESS
reach() { for _ in $(seq 30); do ip netns exec peer ping -c 1 -W 2 -q "$1" > /dev/null && return; sleep 0.5; done; die "$1 is not reached"; }
up $PF0 10.9.0.1; up "$V" 10.9.0.10; up "$W" 10.9.0.11
reach 10.9.0.10
# what an address is at does not survive in the peer's cache
forget() { ip -n peer neigh flush dev wire0; }

# lost FUNCTION: reset under the driver; it recovers by itself
recover() {
	reporter() { devlink -j health show "pci/$1" reporter fw_fatal | jq -r ".health[][0].$2"; }
	grep -qw flr "$D/$1/reset_method" || die "$1: no FLR"
	echo 1 > "$D/$1/reset" || die "$1: reset"
	for _ in $(seq 300); do [ "$(reporter "$1" recover)" = 1 ] && break; sleep 1; done
	[ "$(reporter "$1" error)" = 1 ] && [ "$(reporter "$1" recover)" = 1 ] && [ "$(reporter "$1" state)" = healthy ] ||
		die "$1 does not recover: $(devlink health show "pci/$1")"
	dmesg | grep -q "$1.*Fatal error" || die "$1: the driver did not notice"
	[ -d "$D/$1/net" ] || die "$1 has no netdev any more"
}
case $(uname -r) in
6.1.*) echo "6.1: not tried under the driver: its work that recovers waits for ever, as in faults.sh" ;;
*)
	recover "$V"
	up "$V" 10.9.0.10; forget; reach 10.9.0.10; reach 10.9.0.11
	echo "a bound VF: recovered, the other one undisturbed"
	echo 0 > $D/$PF0/sriov_numvfs || die "VFs do not go"
	recover $PF0
	up $PF0 10.9.0.1; forget; reach 10.9.0.1
	echo "a bound PF: recovered"
	;;
esac

echo 0 > $D/$PF0/sriov_numvfs
echo $PF0 > /sys/bus/pci/drivers/mlx5_core/unbind || die "unbind"
echo 1 > $D/$PF0/reset || die "reset"
echo $PF0 > /sys/bus/pci/drivers/mlx5_core/bind || die "bind"
up $PF0 10.9.0.1; forget; reach 10.9.0.1
echo 1 > $D/$PF0/sriov_numvfs && [ -d $D/$PF0/virtfn0/net ] || die "VFs after the reset"
log_clean
echo PASS
