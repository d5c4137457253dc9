#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Debian's own mlx5_core binary drives the card: PFs, VFs, switchdev, traffic. It is built without TLS and IPsec.
. "$(dirname "$0")/lib.sh"
DRIVER="modprobe mlx5_core"
load
modinfo -F filename mlx5_core | grep -q "^/usr/lib/modules/$(uname -r)/kernel/\|^/lib/modules/$(uname -r)/kernel/" || die "not Debian's: $(modinfo -F filename mlx5_core)"
[ "$(cat /sys/module/mlx5_core/taint)" = "" ] || die "not the signed module: taint $(cat /sys/module/mlx5_core/taint)"
P=$(netdev $PF0)
ip link set "$P" up
ethtool -k "$P" | grep -q '^tls-hw-tx-offload: off \[fixed\]' || die "Debian's driver has TLS: the lab need not build it"
ethtool -k "$P" | grep -q '^esp-hw-offload: off \[fixed\]' || die "Debian's driver has IPsec: the lab need not build it"
echo 2 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VFs"
vf_ns $PF0 0 t0 10.9.0.10/24
vf_ns $PF0 1 t1 10.9.0.11/24
ip netns add peer && ip link set wire0 netns peer && ip -n peer addr add 10.9.0.20/24 dev wire0 &&
	ip -n peer link set wire0 up || die "wire0"
ping_ok t0 10.9.0.11
ping_ok t0 10.9.0.20
ip netns exec t0 iperf3 -s -1 -D > /dev/null
ip netns exec t1 iperf3 -c 10.9.0.10 -n 50M --connect-timeout 5000 > /dev/null || die "iperf3"
devlink dev eswitch set pci/$PF0 mode switchdev || die "switchdev"
devlink -j port | jq -e '[.port[] | select(.flavour == "pcivf")] | length >= 2' > /dev/null || die "no ports of VFs"
log_clean
echo PASS
