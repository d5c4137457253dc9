#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A machine in the lab's machine gets a VF of the emulated card by vfio-pci. In it Debian's own mlx5_core drives the VF: its MAC, ping, iperf3 to a VF of the host
# in the same VLAN, none to another's; Open vSwitch has the flows in the card. The machine ends, and the VF is the host's again. machine_test.go runs this.
. /lab/share/lib.sh
. /lab/share/ovslib.sh
HERE=$(dirname "$0")
D=/sys/bus/pci/devices
say() { echo "== $(cut -d . -f 1 /proc/uptime) s: $*"; }
load ports=2 vfs=4
ovs_start
# what the machine gets is a lease: a VF with driver, MAC, VLAN, and the port of its representor
MAC=02:00:00:00:0a:01 TAG=100 INDEX=0
NW=/lab/nicwright/nicwright
cat > /tmp/machine.yaml << YAML
version: 1
name: machine
description: VFs of one port, one of them for a machine
cards:
  - name: nic0
    select: {model: ConnectX-6 Dx}
    ports:
      - {name: p0, port: 0, up: true, vfs: 3, eswitch-mode: switchdev, vf: {driver: mlx5_core}}
ovs:
  hw-offload: true
  bridges:
    - name: br0
      ports: [{name: out, uplink: nic0/p0, trunks: [$TAG]}]
networks:
  - {name: machines, vfs: [nic0/p0/vf$INDEX], bridge: br0, tag: $TAG, driver: vfio-pci}
YAML
$NW apply -p /tmp/machine.yaml || die "the profile"
R=("$(rep pf0vf$INDEX)")
lease() {
	$NW vf lease --network machines --vm guest --mac $MAC --json > /tmp/lease.json || die "no lease"
	VF=$(jq -r .address /tmp/lease.json)
	[ "$VF" = "$(basename "$(readlink -f $D/$PF0/virtfn$INDEX)")" ] || die "the lease is of $VF"
	[ "$(basename "$(readlink "$D/$VF/driver")")" = vfio-pci ] || die "vfio-pci does not have $VF"
	[ "$(ovs-vsctl --timeout=60 get port "${R[0]}" tag)" = $TAG ] || die "the port of ${R[0]}"
}
# released, the VF is the host's again, its port is gone and it can be leased
release() {
	$NW vf release guest || die "no release"
	[ "$(basename "$(readlink "$D/$VF/driver")")" = mlx5_core ] && [ -d "$D/$VF/net" ] || die "$VF does not come back to mlx5_core"
	ovs-vsctl --timeout=60 list-ports br0 | grep -qx "${R[0]}" && die "${R[0]} is still a port"
	[ "$($NW vf list --json | jq -r '.vfs[0].state')" = free ] || die "the lease is not free: $($NW vf list)"
}

# two VFs of the host: in the machine's VLAN, and in another
vf_ns $PF0 1 same 10.9.0.11/24
vf_ns $PF0 2 other 10.9.0.12/24
for i in 1 2; do
	r=$(rep pf0vf$i)
	ip link set "$r" up && ovs-vsctl --timeout=60 add-port br0 "$r" tag=$((TAG * i)) || die "port $r"
done
ip netns exec same iperf3 -s -D || die "iperf3"
modprobe -a vfio-pci vfio_iommu_type1 || die "vfio-pci"
lease

# the machine's initramfs: busybox, iperf3 with its libraries, Debian's driver with what it depends on, guest.sh
G=$(mktemp -d)
mkdir -p "$G"/{bin,modules,proc,sys,dev,tmp} && mknod "$G/dev/console" c 5 1
cp "$(command -v busybox)" "$G/bin/" && cp "$HERE/guest.sh" "$G/init" && chmod +x "$G/init"
cp "$(command -v iperf3)" "$G/bin/"
libraries=$(ldd "$(command -v iperf3)" | grep -o '/[^ ]*')
libraries+=" $(dirname "$(grep -m 1 libc.so <<< "$libraries")")/libgcc_s.so.1" # which it takes to end a thread
for l in $libraries; do mkdir -p "$G$(dirname "$l")" && cp -L "$l" "$G$l"; done
n=10
for m in $(modprobe --show-depends mlx5_core | awk '$1 == "insmod" { print $2 }'); do
	case $m in
	*.xz) xz -dc "$m" > "$G/modules/$n-$(basename "$m" .xz)" ;;
	*) cp "$m" "$G/modules/$n-$(basename "$m")" ;;
	esac || die "module $m"
	n=$((n + 1))
done
ls "$G/modules" | grep -q mlx5_core || die "no driver for the machine"
(cd "$G" && find . | busybox cpio -o -H newc 2>/dev/null) > /tmp/initramfs
say "initramfs of $(stat -c %s /tmp/initramfs) bytes: $(ls "$G/modules" | tr '\n' ' ')"

Q=/lab/qemu L=/lab/qemu/usr/lib/x86_64-linux-gnu
timeout "${GUEST_LIMIT:-2400}" $L/ld-linux-x86-64.so.2 --library-path $L $Q/usr/bin/qemu-system-x86_64 -L $Q/usr/share/qemu -L $Q/usr/share/seabios \
	-nodefaults -no-user-config -display none -no-reboot -machine q35 -accel tcg -cpu qemu64,+rdrand -m 384 -kernel /lab/guest/vmlinux -initrd /tmp/initramfs \
	-append "console=ttyS0 panic=-1 loglevel=4 mitigations=off random.trust_cpu=on tsc=reliable nokaslr apparmor=0 lsm=capability audit=0 cryptomgr.notests init_on_alloc=0 kfence.sample_interval=0 rcupdate.rcu_expedited=1 mac=$MAC same=10.9.0.11 other=10.9.0.12" \
	-serial stdio -device "vfio-pci,host=$VF" > /tmp/guest.log 2>&1 & qemu=$!
tail -f -n +1 --pid=$qemu /tmp/guest.log & shown=$!
# guest WORD: the machine says so; it ends if it has not been able to
guest() {
	until grep -q "^GUEST $1" /tmp/guest.log; do
		kill -0 $qemu 2>/dev/null || grep -q "^GUEST $1" /tmp/guest.log || die "the machine ended before it said $1: $(tail -n 5 /tmp/guest.log)"
		sleep 1
	done
	say "$(grep "^GUEST $1" /tmp/guest.log)"
}
guest "driver mlx5_core"
guest mac
grep -q "^GUEST mac $MAC" /tmp/guest.log || die "the MAC: $(grep '^GUEST mac' /tmp/guest.log)"
guest "pinged"
guest "transferred"

# the flows between the two are in the card, and their bytes went by there
P=$(m same vf0)
for from in "$MAC $P" "$P $MAC"; do
	f=$(flows offloaded ${from% *} ${from#* } | grep 'offloaded:yes, dp:tc') || die "no flow from ${from% *} in the card: $(ovs-appctl dpctl/dump-flows -m)"
	say "$(grep -o 'packets:[0-9]*, bytes:[0-9]*' <<< "$f" | head -n 1) from ${from% *}, offloaded:yes, dp:tc"
done
sum=$(flows offloaded "$MAC" "$P" | grep -o 'bytes:[0-9]*' | awk -F : '{ n += $2 } END { print n }')
[ "${sum:-0}" -gt 1000000 ] || die "of the transfer the card has ${sum:-0} bytes"
guest "not reached"
wait $qemu; wait $shown
grep -q '^GUEST end' /tmp/guest.log || die "the machine did not end by itself"
dmesg | grep -q 'DMA fault' && die "the machine's VF was refused memory: $(dmesg | grep 'DMA fault' | head -n 3)"

# machine off: the VF is the host's, without the machine's address, and its port is gone
release
[ "$(cat "$D/$VF"/net/*/address)" != $MAC ] || die "the VF still has the machine's address"
say "the VF is back"
ovs-vsctl --timeout=60 del-br br0
ovs_stop
log_clean
echo PASS
