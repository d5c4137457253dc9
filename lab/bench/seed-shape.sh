#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Run inside the lab machine by `make bench-seed`, whose time is instructions (lab run --icount): nicwright bench https between two VFs, with nginx
# held to a hundredth of a processor, so that the server and not the emulated card is what is slow, as in the measurement that the project began
# with. Times of such a machine are no card's; who is faster, where, and by which path, is what provision/bench/advice/shape_test.go asks of it.
#
#   seed-shape.sh [VARIANT...]   none: the card as it is, against nginx and the kernel; slow: 5 s for each key; wire, lossy: from a VF of one
#                                port to one of the other, whose cables end in a bridge, which loses nothing, or 1% of the frames
#   TURNS=3                      how often each cell is measured
set -euo pipefail
[ $# -gt 0 ] || set -- none slow wire lossy
# The program is on the machine's own file system: nothing is read from the host while it is measured.
install -m 0755 /lab/share/bin/nicwright /usr/local/bin/
out=/lab/share/bin/seed
mkdir -p "$out"
tmp=$(mktemp -d); cd "$tmp"
# aesni_intel is what udev loads on a host whose processor has it: without it the kernel's AES is ten times as slow.
modprobe -aq tls gcm ctr ghash-generic aesni_intel || true
grep -q 'gcm.*aesni' /proc/crypto || { echo "the kernel does not use the processor's AES" >&2; exit 1; }
mountpoint -q /sys/fs/cgroup || mount -t cgroup2 none /sys/fs/cgroup
mapfile -t pfs < <(for d in /sys/bus/pci/drivers/mlx5_core/*:*; do [ -e "$d/physfn" ] || basename "$d"; done | sort)
# The cables end in the namespace "peer", as links of a bond.
ip -n peer link add wires type bridge stp_state 0 mcast_snooping 0
for i in 0 1; do
	echo 2 > "/sys/bus/pci/devices/${pfs[i]}/sriov_numvfs"
	ip link set "$(ls "/sys/bus/pci/devices/${pfs[i]}/net")" up
	ip -n peer link set "wire$i" nomaster
	ip -n peer link set "wire$i" up master wires
done
ip -n peer link set wires up
faults=/sys/kernel/debug/connectx_emu

bench() { # NAME CLIENT FLAG...
	local name=$1 client=$2; shift 2
	nicwright bench https --between "pci/${pfs[0]}/vf/0,$client" --instructions --server-cpu 0.01 --workers 1 --clients 1 --tls 1.2 \
		--turns "${TURNS:-3}" --interval 0 --control 0 --window 20s --limit 1m --time 24h --seed 1 -o "$name.ndjson" "$@" > "$name.txt" 2>&1 || { cat "$name.txt"; exit 1; }
	cat "$name.txt"
	cp "$name.ndjson" "$out/"
}
near=pci/${pfs[0]}/vf/1 far=pci/${pfs[1]}/vf/0
for variant; do
	case $variant in
	none) bench none "$near" --modes user,kernel,card-tx --sizes "${SIZES:-10k,100k,1M,10M}" ;;
	slow)
		echo 5000000 > $faults/tls_setup_us
		bench slow "$near" --modes card-tx --sizes "${SIZES:-10k,100k,1M,10M}" --variant "set-up 5 s"
		echo 0 > $faults/tls_setup_us
		;;
	wire) bench wire "$far" --modes kernel,card-tx --sizes "${SIZES:-100k,10M}" --variant wire ;;
	lossy)
		echo 10 > $faults/wire0/loss # in 1000 frames, both ways
		bench lossy "$far" --modes kernel,card-tx --sizes "${SIZES:-100k,10M}" --variant "1% lost"
		echo 0 > $faults/wire0/loss
		;;
	*) echo "there is no variant $variant" >&2; exit 1 ;;
	esac
done
# One document: the header of the first, and the samples of all.
cd "$out"
for variant; do tail -n +2 "$variant.ndjson"; done > samples
{ head -n 1 "$1.ndjson" | jq -c '.title = "lab, weak server" | .card.model = "emulated " + .card.model'; cat samples; } > run.ndjson
rm samples
