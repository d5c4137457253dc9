#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The card is put in and taken out 50 times, every tenth time with VFs in switchdev; nothing is left and nothing grows.
. "$(dirname "$0")/lib.sh"
load ports=1
slab() { sync; echo 3 > /proc/sys/vm/drop_caches; awk '$1 == "SUnreclaim:" { print $2 }' /proc/meminfo; }
for i in $(seq 50); do
	if [ $((i % 10)) = 0 ]; then
		echo 2 > /sys/bus/pci/devices/$PF0/sriov_numvfs && devlink dev eswitch set pci/$PF0 mode switchdev ||
			die "time $i: VFs in switchdev"
	fi
	rmmod connectx_emu || die "time $i: rmmod"
	[ -z "$(lspci -Dn -d 15b3:)" ] && [ ! -e /sys/class/net/wire0 ] && [ ! -e /sys/kernel/debug/connectx_emu ] ||
		die "time $i: something is left"
	[ $i = 10 ] && before=$(slab)
	[ $i = 50 ] && after=$(slab)
	[ $i = 50 ] || { insmod "$LAB_MODULES/connectx_emu.ko" ports=1 && [ -d /sys/bus/pci/devices/$PF0/net ] || die "time $i: load"; }
done
echo "unreclaimable slab: $before kB after 10 times, $after kB after 50"
[ $((after - before)) -lt 4000 ] || die "slab grew by $((after - before)) kB"
rmmod mlx5_core || die "rmmod mlx5_core"
log_clean
echo PASS
