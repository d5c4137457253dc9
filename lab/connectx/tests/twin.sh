#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A twin of another card: it has that one's address, serial number, PSID and firmware version, and works as ever.
. "$(dirname "$0")/lib.sh"
PF0=0000:5e:00.0
load domain=0 busnr=0x5e serial=MT2034X01234 psid=MT_0000000436 firmware=22.39.1002
info=$(devlink dev info pci/$PF0)
grep -q 'fw.version 22.39.1002' <<<"$info" || die "firmware version: $info"
grep -q 'fw.psid MT_0000000436' <<<"$info" || die "PSID: $info"
grep -aq MT2034X01234 /sys/bus/pci/devices/$PF0/vpd || die "the serial number is not in the VPD"
echo 2 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VFs"
vf_ns $PF0 0 t0 10.9.0.10/24
vf_ns $PF0 1 t1 10.9.0.11/24
sleep 1
ping_ok t0 10.9.0.11
for n in t0 t1; do ip netns del $n; done
rmmod connectx_emu
for wrong in firmware=22.39 firmware=22.39.70000 psid=MT_00000000000436 serial=MT2034X012340123456789012345678901; do
	insmod /lab/modules/connectx_emu.ko "$wrong" 2>/dev/null && die "$wrong was taken"
done
log_clean
echo PASS
