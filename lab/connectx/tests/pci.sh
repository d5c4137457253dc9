#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# PCI: two cards with all their VFs, identity (VPD, serial numbers), MSI-X, binding and its overrides, reset, vfio-pci.
. "$(dirname "$0")/lib.sh"
load cards=2 ports=2 vfs=127
C=0001:3b:00.0 D=0001:3c:00.0
[ -d /sys/bus/pci/devices/$D/net ] || die "$D has no netdev"
[ "$(lspci -Dn -d 15b3:101d | wc -l)" = 4 ] || die "not four PFs"
s() { lspci -vv -s "$1" | sed -n 's/.*Device Serial Number //p'; }
[ -n "$(s $C)" ] && [ "$(s $C)" != "$(s $D)" ] || die "serial numbers: $(s $C), $(s $D)"
n() { grep -ao 'EMU2026X[0-9]*' "/sys/bus/pci/devices/$1/vpd"; }
[ "$(n $C)" = EMU2026X00001 ] && [ "$(n ${C%0}1)" = EMU2026X00001 ] && [ "$(n $D)" = EMU2026X00002 ] || die "VPD: $(n $C), $(n $D)"
lspci -vv -s $C | grep -q 'Part number: MCX623106AN-CDAT' || die "part number"
lspci -vv -s $C | grep -q 'MSI-X: Enable+ Count=32' || die "MSI-X"
g() { cat "/sys/class/net/$(netdev "$1")/address"; }
[ "$(g $C)" = b8:59:9f:aa:bb:00 ] && [ "$(g $D)" = b8:59:9f:aa:bc:00 ] || die "addresses: $(g $C), $(g $D)"
devlink dev info pci/$D | grep -q 'fw.psid MT_0000000359' || die "PSID"
devlink dev info pci/$D | grep -A 3 stored: | grep -q 'fw.version 22.35.4030' || die "stored firmware version"

# all VFs of a port are there; only some are bound, for the machine is small
for f in $C $D; do
	echo 0 > /sys/bus/pci/devices/$f/sriov_drivers_autoprobe
	[ "$(cat /sys/bus/pci/devices/$f/sriov_totalvfs)" = 127 ] || die "TotalVFs"
	echo 127 > /sys/bus/pci/devices/$f/sriov_numvfs || die "$f: 127 VFs"
	[ "$(ls -d /sys/bus/pci/devices/$f/virtfn* | wc -l)" = 127 ] || die "$f: number of VFs"
done
[ "$(lspci -Dn -d 15b3:101e | wc -l)" = 254 ] || die "not 254 VFs"
V=$(basename "$(readlink -f /sys/bus/pci/devices/$C/virtfn126)")
W=$(basename "$(readlink -f /sys/bus/pci/devices/$D/virtfn0)")
[ "$V" = 0001:3b:10.0 ] || die "the last VF is $V"
for f in $C $D; do echo 1 > /sys/bus/pci/devices/$f/sriov_drivers_autoprobe; done

# bound by name, against the override of another driver, and again
echo vfio-pci > /sys/bus/pci/devices/$V/driver_override
echo $V > /sys/bus/pci/drivers/mlx5_core/bind 2>/dev/null && die "bound against its override"
echo > /sys/bus/pci/devices/$V/driver_override
for i in 1 2; do
	echo $V > /sys/bus/pci/drivers/mlx5_core/bind || die "VF does not bind, time $i"
	[ -d /sys/bus/pci/devices/$V/net ] || die "VF has no netdev, time $i"
	echo $V > /sys/bus/pci/drivers/mlx5_core/unbind || die "VF does not unbind, time $i"
done

# two cards know nothing of one another
echo $W > /sys/bus/pci/drivers/mlx5_core/bind && ip link set "$(netdev $W)" address 02:00:00:00:00:0a up || die "VF of the second card"
echo $V > /sys/bus/pci/drivers/mlx5_core/bind && ip link set "$(netdev $V)" address 02:00:00:00:00:0b up || die "VF of the first card"
for f in $C $D; do ip link set "$(netdev $f)" up; done
ip netns add far && ip link set wire2 netns far && ip -n far addr add 10.9.2.20/24 dev wire2 && ip -n far link set wire2 up &&
	ip addr add 10.9.2.1/24 dev "$(netdev $W)" || die "addresses"
timeout 5 tcpdump -i wire0 -c 1 host 10.9.2.1 > /dev/null 2>&1 &
ping -c 3 -i 0.3 -w 10 -q 10.9.2.20 > /dev/null || die "a VF of the second card does not reach its wire"
wait $! && die "the first card's wire saw a packet of the second card"

# function level reset, under the driver and without it
grep -q flr /sys/bus/pci/devices/$V/reset_method || die "no FLR"
echo $V > /sys/bus/pci/drivers/mlx5_core/unbind
echo 1 > /sys/bus/pci/devices/$V/reset || die "reset"
echo $V > /sys/bus/pci/drivers/mlx5_core/bind && [ -d /sys/bus/pci/devices/$V/net ] || die "VF after its reset"

# each function is a group of its own before the IOMMU; vfio-pci takes the VF, and gives it back (vfio.sh has the rest)
G=$(basename "$(readlink /sys/bus/pci/devices/$V/iommu_group)")
[ "$(ls /sys/kernel/iommu_groups/$G/devices)" = $V ] || die "the VF is not alone in its IOMMU group"
modprobe vfio-pci || die "vfio-pci"
echo $V > /sys/bus/pci/drivers/mlx5_core/unbind
echo vfio-pci > /sys/bus/pci/devices/$V/driver_override
echo $V > /sys/bus/pci/drivers/vfio-pci/bind && [ -c /dev/vfio/$G ] || die "vfio-pci does not take the VF"
echo $V > /sys/bus/pci/drivers/vfio-pci/unbind
echo > /sys/bus/pci/devices/$V/driver_override
echo $V > /sys/bus/pci/drivers/mlx5_core/bind && [ -d /sys/bus/pci/devices/$V/net ] || die "VF after vfio-pci"

for f in $C $D; do echo 0 > /sys/bus/pci/devices/$f/sriov_numvfs || die "$f: VFs do not go"; done
[ -z "$(lspci -Dn -d 15b3:101e)" ] || die "VFs are left"

# what the module refuses
rmmod connectx_emu || die "rmmod"
for p in cards=0 cards=5 ports=3 vfs=128 "cards=4 ports=2 vfs=127"; do
	insmod "$LAB_MODULES/connectx_emu.ko" $p 2>/dev/null && die "loaded with $p"
done
log_clean
echo PASS
