#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# Process 1 of the machine that has the VF. What it finds it says on its console, in lines that begin with GUEST.
PATH=/bin
/bin/busybox --install -s /bin # /proc is not there to say where it is
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
# What the kernel writes goes to the same console: a line of ours begins at its start
say() { printf '\nGUEST %s\n' "$*"; }
off() { say "$*"; sleep 1; poweroff -f; }
for w in $(cat /proc/cmdline); do case $w in mac=* | same=* | other=*) eval "$w" ;; esac; done
say "up $(cut -d ' ' -f 1 /proc/uptime)"
for m in /modules/*; do insmod "$m" || off "no module $m"; done
n= i=0
while [ -z "$n" ] && [ $i -lt 600 ]; do n=$(ls -d /sys/bus/pci/drivers/mlx5_core/*/net/* 2>/dev/null); n=${n##*/} i=$((i + 1)); sleep 1; done
[ -n "$n" ] || off "no netdev"
say "driver $(basename "$(readlink "/sys/class/net/$n/device/driver")"), netdev $n"
say "mac $(cat "/sys/class/net/$n/address")"
ip link set lo up; ip addr add 10.9.0.10/24 dev "$n"; ip link set "$n" up
i=0
until ping -c 1 -W 2 -q "$same" > /dev/null || [ $i -ge 100 ]; do i=$((i + 1)); done
say "pinged: $(ping -c 20 -W 5 "$same" | grep received)"
ping -c 3 -W 5 -s 8000 "$same" > /dev/null || off "no large packets"
iperf3 -c "$same" -n 4M --connect-timeout 60000 > /tmp/there || off "no transfer there: $(tail -n 2 /tmp/there)"
iperf3 -c "$same" -n 4M -R --connect-timeout 60000 > /tmp/back || off "no transfer back: $(tail -n 2 /tmp/back)"
say "transferred: $(grep receiver /tmp/there); $(grep receiver /tmp/back)"
sleep 20 # the host looks at its flows
ping -c 5 -W 2 -q "$other" > /dev/null && off "reaches another VLAN"
say "not reached: $other"
off end
