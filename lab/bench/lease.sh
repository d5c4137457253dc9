#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Run inside the lab machine by `make bench-lease`: what `nicwright vf lease` costs on VFs without a driver. Prints, of each number of VFs
# a port and each call, the mean seconds of the program's own code, of the kernel for it, and by the clock. `--version` is what it costs that the program starts.
#
#   lease.sh [VFS...]      NICWRIGHT: the programs that are measured, N: how many calls of each
set -euo pipefail
sizes=("$@"); [ $# -gt 0 ] || sizes=(4 8)
tmp=$(mktemp -d)
TIMEFORMAT='%U %S %R'
# timed KEY ARG...: one call, and what it took into the table
timed() {
	local key=$1 took; shift
	took=$({ time "$nw" "$@" > "$tmp/out" 2>&1; } 2>&1) || { cat "$tmp/out" >&2; exit 1; }
	echo "$key $took" >> "$tmp/times"
}
quiet() { "$nw" "$@" > "$tmp/out" 2>&1 || { cat "$tmp/out" >&2; exit 1; }; }
for program in ${NICWRIGHT:-/lab/share/bin/nicwright}; do
	nw=/usr/local/bin/$(basename "$program")
	install -m 0755 "$program" "$nw" # a program on a share is read from the host while it runs
	for vfs in "${sizes[@]}"; do
		cat > "$tmp/profile.yaml" <<- YAML
			version: 1
			name: leases-cost
			description: VFs without a driver, so that a lease costs little more than nicwright itself
			cards:
			  - name: nic0
			    select: {model: ConnectX-6 Dx}
			    ports:
			      - {name: p0, port: 0, up: true, vfs: $vfs, eswitch-mode: switchdev, vf: {driver: none}}
			      - {name: p1, port: 1, up: true, vfs: $vfs, eswitch-mode: switchdev, vf: {driver: none}}
			ovs:
			  bridges:
			    - name: br-vm
			      ports: [{name: out, uplink: nic0/p0, trunks: [100]}]
			networks:
			  - {name: tenants, vfs: [nic0/p0/vf0-$((vfs - 1)), nic0/p1/vf0-$((vfs - 1))], bridge: br-vm, tag: 100, max_tx_rate: 1000}
		YAML
		quiet apply -p "$tmp/profile.yaml"
		for ((i = 0; i < ${N:-10}; i++)); do
			timed "$(basename "$nw") 2x$vfs start" --version
			timed "$(basename "$nw") 2x$vfs lease" vf lease --network tenants --vm "m$i"
			timed "$(basename "$nw") 2x$vfs list" vf list
			timed "$(basename "$nw") 2x$vfs release" vf release "m$i"
		done
		quiet remove -p "$tmp/profile.yaml"
	done
done
awk '{k = $1 " " $2 " " $3; n[k]++; u[k] += $4; s[k] += $5; r[k] += $6}
	END {for (k in n) printf "%-34s user %.3f  kernel %.3f  clock %.3f\n", k, u[k] / n[k], s[k] / n[k], r[k] / n[k]}' "$tmp/times" | sort
