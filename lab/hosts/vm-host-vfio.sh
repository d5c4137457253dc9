#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A hypervisor whose machines have VFs. Where the functions have an IOMMU a process holds the group of vfio-pci; else it holds the device of uio_pci_generic, and pci-stub has the other.
. "$(dirname "$0")/lib.sh"
modprobe -a pci-stub uio_pci_generic vfio_pci
p=${pf[0]}
ip link set "$(uplink "$p")" up
vfs "$p" 3
ip link set "$(uplink "$p")" vf 0 mac 02:00:00:00:01:00 vlan 100
ip link set "$(uplink "$p")" vf 1 mac 02:00:00:00:01:01 vlan 100
if [[ -e $devices/$(vf "$p" 0)/iommu_group ]]; then
	give "$(vf "$p" 0)" vfio-pci
	group=$(basename "$(readlink "$devices/$(vf "$p" 0)/iommu_group")")
	wait_for 5 test -e "/dev/vfio/$group"
	hold "/dev/vfio/$group"
else
	give "$(vf "$p" 0)" uio_pci_generic
	u=$(basename "$devices/$(vf "$p" 0)"/uio/uio*)
	[[ -e /dev/$u ]] || mknod "/dev/$u" c $(tr : ' ' <"/sys/class/uio/$u/dev")
	hold "/dev/$u"
fi
give "$(vf "$p" 1)" pci-stub
