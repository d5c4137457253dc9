#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A function behind the IOMMU: groups, domains, and a VF that is driven through VFIO by a program (../vfiotest, at VFIOTEST). The kernel's log says what was
# refused, tcpdump on the representor what was sent.
. "$(dirname "$0")/lib.sh"
VFIOTEST=${VFIOTEST:-/lab/bin/vfiotest}
[ -x "$VFIOTEST" ] || die "no $VFIOTEST"
load ports=2 vfs=4
D=/sys/bus/pci/devices
group() { basename "$(readlink "$D/$1/iommu_group")"; }
kind() { cat "$D/$1/iommu_group/type"; }
devlink dev eswitch set pci/$PF0 mode switchdev || die "switchdev"
echo 2 > $D/$PF0/sriov_numvfs || die "no VFs"
V=$(basename "$(readlink -f $D/$PF0/virtfn0)") W=$(basename "$(readlink -f $D/$PF0/virtfn1)")
R=$(rep pf0vf0)
ip link set "$R" up; ip link set "$(rep pf0vf1)" up

# each function is a group of its own, and the kernel's drivers have physical addresses: no other kind can be asked for
for f in $PF0 $PF1 "$V" "$W"; do
	[ "$(ls "/sys/kernel/iommu_groups/$(group $f)/devices")" = $f ] || die "$f is not alone in its group"
	[ "$(kind $f)" = identity ] || die "$f: the domain is $(kind $f)"
done
echo $PF1 > /sys/bus/pci/drivers/mlx5_core/unbind
echo DMA > $D/$PF1/iommu_group/type 2>/dev/null && die "a kernel's driver gets a map"
echo $PF1 > /sys/bus/pci/drivers/mlx5_core/bind || die "$PF1 does not bind"
grep -q "$PF0" <(ls /sys/class/iommu/connectx_emu/devices) || die "the IOMMU does not know $PF0"

modprobe -a vfio-pci vfio_iommu_type1 || die "vfio-pci"
[ "$(cat /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts)" = N ] || die "interrupts are not isolated"
give() {
	echo "$1" > /sys/bus/pci/drivers/mlx5_core/unbind
	echo vfio-pci > "$D/$1/driver_override"
	echo "$1" > /sys/bus/pci/drivers/vfio-pci/bind && [ -c "/dev/vfio/$(group "$1")" ] || die "vfio-pci does not take $1"
}
back() {
	echo "$1" > /sys/bus/pci/drivers/vfio-pci/unbind
	echo > "$D/$1/driver_override"
	echo "$1" > /sys/bus/pci/drivers/mlx5_core/bind && [ -d "$D/$1/net" ] || die "$1 does not come back"
}
give "$V"; give "$W"

# what the IOMMU has refused f2, the first VF; the log is limited to so many lines in five seconds, so it is looked at after each run
ran() { "$VFIOTEST" "$@" || die "vfiotest $*"; }
refused() { dmesg | grep -c "connectx_emu: f2 DMA fault: $1"; }
faults() { # faults PATTERN SCENARIO: it refuses what matches
	local before; before=$(refused "$1")
	ran "$2" "$V"
	[ "$(refused "$1")" -gt "$before" ] || die "$2: no fault of $1 in the log: $(dmesg | tail -n 5)"
}
ran answers "$V"
[ "$(refused .)" = 0 ] || die "faults: $(dmesg | grep fault)"
faults "write of 2048 bytes" unmapped
faults "write of 576 bytes" mailbox
faults "write of 576 bytes" readonly
ran hugekey "$V"
ran foreign "$V"
dmesg | grep -q "connectx_emu: f2 interrupt 1 is not its own" || die "the log does not say whose interrupt that was"

# a PF, whose scalable functions go with it, is given as well
give $PF1; ran answers $PF1; back $PF1
[ "$(kind $PF1)" = identity ] || die "the domain of $PF1 is $(kind $PF1) afterwards"

# 100 frames come out at the representor, and of the one whose bytes are not mapped nothing
tcpdump -i "$R" -w /tmp/sent.pcap -U --immediate-mode ether proto 0x88b5 2> /tmp/sent.log & dump=$!
for _ in $(seq 300); do grep -q 'listening on' /tmp/sent.log && break; sleep 0.1; done
faults "read of 64 bytes" data
for _ in $(seq 100); do [ "$(stat -c %s /tmp/sent.pcap)" -ge $((24 + 100 * (16 + 64))) ] && break; sleep 0.1; done
kill $dump; wait $dump
grep -q '^100 packets captured' /tmp/sent.log || die "at the representor: $(cat /tmp/sent.log)"

# resets under traffic, and two VFs at a time, of one owner and of two
ran reset "$V"
ran two "$V" "$W"
"$VFIOTEST" reset "$V" & one=$!
"$VFIOTEST" reset "$W" & other=$!
wait $one || die "the first of two"
wait $other || die "the second of two"

# the VF goes while it is held: whoever has it is asked, and the VFs go after that
held() {
	"$VFIOTEST" held "$V" > /tmp/held & one=$!
	for _ in $(seq 600); do grep -q held /tmp/held && return; sleep 0.1; done
	die "vfiotest does not hold $V"
}
held
echo 0 > $D/$PF0/sriov_numvfs || die "the VFs do not go"
wait $one || die "vfiotest was not asked"
[ -e "$D/$V" ] && die "$V is there"

# as it was: the kernel's driver has both, and what it sends arrives
echo 2 > $D/$PF0/sriov_numvfs || die "no VFs any more"
give "$V"; back "$V"
[ "$(kind "$V")" = identity ] || die "the domain of $V is $(kind "$V") afterwards"
R=$(rep pf0vf0); ip link set "$R" up; ip addr add 10.9.0.2/24 dev "$R"
vf_ns $PF0 0 a 10.9.0.1/24
ping_ok a 10.9.0.2
ip netns del a

# the module goes while a VF is held
give "$V"
held
rmmod connectx_emu || die "rmmod"
wait $one || die "vfiotest was not asked before the module went"
[ -z "$(ls /sys/class/iommu)" ] || die "an IOMMU is left: $(ls /sys/class/iommu)"
insmod "$LAB_MODULES/connectx_emu.ko" ports=1 vfs=1 && [ -d "$D/$PF0/net" ] || die "the card does not come again"
[ "$(kind $PF0)" = identity ] || die "no group the second time"
log_clean
echo PASS
