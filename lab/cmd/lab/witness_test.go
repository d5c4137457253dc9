// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/lab/internal/kernels"
)

// The stock devices of the lab: others wrote them and their drivers.

func TestIGB(t *testing.T) {
	const command = `set -e
pf=$(basename $(ls -d /sys/bus/pci/drivers/igb/*:*)); sys=/sys/bus/pci/devices/$pf
echo "total $(cat $sys/sriov_totalvfs)"
echo 7 >$sys/sriov_numvfs
echo "VFs $(ls -d $sys/virtfn* | wc -l)"
for i in $(seq 100); do [ $(ls -d $sys/virtfn*/net/* 2>/dev/null | wc -l) = 7 ] && break; sleep 0.1; done
echo "netdevs $(ls -d $sys/virtfn*/net/* | wc -l), driver $(basename $(readlink $sys/virtfn6/driver))"
dev=$(ls $sys/net)
ip link set $dev vf 3 mac 02:00:00:00:00:33 vlan 100
ip -j link show $dev | jq -r '.[0].vfinfo_list[3] | "\(.address // .mac) \(.vlan_list[0].vlan // .vlan)"'
ip link set $dev up
echo 0 >$sys/sriov_numvfs
echo "left $(ls -d $sys/virtfn* 2>/dev/null | wc -l)"
`
	stdout, stderr, status := runLab(t, "", "run", "--igb", "--time-limit", "4m", "--", "bash", "-c", command)
	want := "total 7\nVFs 7\nnetdevs 7, driver igbvf\n02:00:00:00:00:33 100\nleft 0\n"
	if status != 0 || stdout != want {
		t.Errorf("the status is %d, stdout %q, want %q; stderr %q", status, stdout, want, stderr)
	}
}

// TestVFIO: what the emulated card's tests say of VFs, groups and vfio-pci is so with a stock IOMMU and a stock card as well.
func TestVFIO(t *testing.T) {
	const command = `set -e
pf=$(basename $(ls -d /sys/bus/pci/drivers/igb/*:*)); sys=/sys/bus/pci/devices/$pf
echo 1 >$sys/sriov_numvfs
vf=$(basename $(readlink $sys/virtfn0)); sys=/sys/bus/pci/devices/$vf
for i in $(seq 100); do [ -e $sys/net ] && break; sleep 0.1; done
group=$(basename $(readlink $sys/iommu_group))
echo "in its group $(ls $sys/iommu_group/devices | sed s/$vf/itself/)"
modprobe -a vfio-pci vfio_iommu_type1
echo "unsafe $(cat /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts)"
echo $vf >/sys/bus/pci/drivers/igbvf/unbind
echo vfio-pci >$sys/driver_override
echo $vf >/sys/bus/pci/drivers/vfio-pci/bind
[ -c /dev/vfio/$group ] && echo "driver $(basename $(readlink $sys/driver))"
echo $vf >/sys/bus/pci/drivers/vfio-pci/unbind
echo >$sys/driver_override
echo $vf >/sys/bus/pci/drivers/igbvf/bind
echo "driver $(basename $(readlink $sys/driver))"
`
	stdout, stderr, status := runLab(t, "", "run", "--igb", "--iommu", "--time-limit", "6m", "--", "bash", "-c", command)
	want := "in its group itself\nunsafe N\ndriver vfio-pci\ndriver igbvf\n"
	if status != 0 || stdout != want {
		t.Errorf("the status is %d, stdout %q, want %q; stderr %q", status, stdout, want, stderr)
	}
}

// TestNetdevsim is for the default kernel, with NICWRIGHT_KERNELS=1 for all.
func TestNetdevsim(t *testing.T) {
	const command = `set -e
echo "10 2" >/sys/bus/netdevsim/new_device
dev=/sys/bus/netdevsim/devices/netdevsim10
echo "ports $(ls $dev/net | wc -l)"
echo 2 >$dev/sriov_numvfs
devlink dev eswitch set netdevsim/netdevsim10 mode switchdev
devlink -j port show | jq -r '[.port | to_entries[] | select((.key | startswith("netdevsim/netdevsim10")) and .value.flavour == "pcivf")] | "representors \(length)"'
echo 10 >/sys/bus/netdevsim/del_device
`
	for _, k := range kernels.Table() {
		if k.Name != kernels.Default && os.Getenv("NICWRIGHT_KERNELS") != "1" {
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			stdout, stderr, status := runLab(t, "", "run", "--kernel", k.Name, "--no-card", "--netdevsim", "--time-limit", "4m", "--", "bash", "-c", "uname -r; "+command)
			release, rest, _ := strings.Cut(stdout, "\n")
			if want := "ports 2\nrepresentors 2\n"; status != 0 || rest != want || !strings.HasPrefix(release, k.Name+".") {
				t.Errorf("the status is %d, on %s stdout is %q, want %q; stderr %q", status, release, rest, want, stderr)
			}
		})
	}
}
