#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Run inside the lab machine by `make bench`, whose time is instructions (lab run --icount): nicwright against a script
# of somebody who knows the tools (skilled.sh), at several numbers of VFs, and at one of them against a plain one
# (apply.sh). Prints seconds of the machine and ratios of this run.
#
#   bench.sh [VFS...]      VFs a port; above 64 the card makes no LAG and no script runs: only nicwright's phases are shown.
#                          One size alone is one call: the plain script runs only where 32 is among them
set -euo pipefail
# While the machine waits for the host to read a file, its time jumps from timer to timer: what is timed is on its own file system
# (bash reads its script again after each command), and has run once before, so that its programs and modules are in memory.
install -m 0755 /lab/share/bin/nicwright "$(dirname "$0")"/{skilled,apply}.sh /usr/local/bin/
here=/usr/local/bin
sizes=("$@"); [ $# -gt 0 ] || sizes=(4 16 32 64 127)
mapfile -t pfs < <(for d in /sys/bus/pci/drivers/mlx5_core/*:*; do [ -e "$d/physfn" ] || basename "$d"; done | sort)
tmp=$(mktemp -d)
noops=

profile() { # profile VFS: vm-host with this many, the first half of them in one VLAN, and no more than the scripts do
	local vfs=$1 half=$(($1 / 2)) sets=(--set verify.ipsec=null --set cards.nic0.ports.p0.vf.ipsec_crypto=null --set cards.nic0.ports.p1.vf.ipsec_crypto=null)
	[ "$vfs" -le 64 ] || sets+=(--set bonds.bond0.lag=null)
	nicwright profile show vm-host "${sets[@]}" | sed -e "s/vfs: [0-9]*/vfs: $vfs/" -e "s/vf0-1/vf0-$((half - 1))/" -e "s/vf2-3/vf$half-$((vfs - 1))/"
}
clean() {
	ovs-vsctl --if-exists del-br br-nic; ovs-vsctl remove Open_vSwitch . other_config hw-offload
	ip link del bond0 2> /dev/null || true
	for pf in "${pfs[@]}"; do
		devlink dev eswitch set "pci/$pf" mode legacy
		echo 0 > "/sys/bus/pci/devices/$pf/sriov_numvfs"
	done
	rm -rf /var/lib/nicwright/*
}
# timed NAME COMMAND...: sets NAME to the seconds it took and NAME_user to those of its own user code; output in $tmp/NAME.
timed() {
	local name=$1; shift
	local TIMEFORMAT='%R %U'
	{ time "$@" > "$tmp/$name" 2> "$tmp/$name.err"; } 2> "$tmp/$name.time" || { cat "$tmp/$name" "$tmp/$name.err" >&2; exit 1; }
	read -r "${name?}" "${name}_user" < "$tmp/$name.time"
}
ratio() { awk "BEGIN {printf \"%.3f\", $1 / $2}"; }
row() { printf '%-9s %8s %9s %6s %8s %7s %6s %8s %6s\n' "$@"; }

clean > /dev/null 2>&1 || true
warm=4
profile $warm > "$tmp/warm.yaml"
for how in skilled.sh apply.sh; do timed warm_up "$here/$how" "${pfs[@]}" $warm; clean; done
timed warm_up nicwright apply --json -p "$tmp/warm.yaml"; clean
row VFs script nicwright ratio again no-op ratio kernel ratio
for vfs in "${sizes[@]}"; do
	profile "$vfs" > "$tmp/$vfs.yaml"
	script=- again=- first=- second=-
	if [ "$vfs" -le 64 ]; then
		timed script "$here/skilled.sh" "${pfs[@]}" "$vfs"
		timed again "$here/skilled.sh" "${pfs[@]}" "$vfs"
		cp "$tmp/script" "$tmp/script.$vfs"
		clean
	fi
	timed apply nicwright apply --json -p "$tmp/$vfs.yaml"
	timed noop nicwright apply --json -p "$tmp/$vfs.yaml"
	cp "$tmp/apply" "$tmp/apply.$vfs"
	[ "$script" = - ] || first=$(ratio "$apply" "$script") second=$(ratio "$noop" "$again")
	# On one processor all that is not the tool's own user code is the kernel's, or Open vSwitch's, or waiting for them.
	kernel=$(awk "BEGIN {print $apply - $apply_user}")
	row "2 x $vfs" "$script" "$apply" "$first" "$again" "$noop" "$second" "$kernel" "$(ratio "$apply" "$kernel")"
	noops+=$(awk "BEGIN {printf \"2 x %-6s %.3f of %.3f\", \"$vfs\", $noop - $noop_user, $noop}")$'\n'
	clean
done
printf '\ngoals: apply <= 0.6 of the script at 2 x 32 and 2 x 64, no-op <= 0.1 of its second run, apply <= 1.25 of the kernel'"'"'s own time\n'

printf '\nthe kernel'"'"'s and Open vSwitch'"'"'s part of a no-op, seconds\n%s' "$noops"
printf '\nphases of nicwright, seconds (and each VF, milliseconds)\n'
phases=$(for vfs in "${sizes[@]}"; do jq -r '.phases | keys[]' "$tmp/apply.$vfs"; done | sort -u)
printf '%-10s' phase; printf '%18s' "${sizes[@]/#/2 x }"; echo
for p in $phases; do
	printf '%-10s' "$p"
	for vfs in "${sizes[@]}"; do
		jq -r --arg p "$p" --argjson n "$vfs" '(.phases[$p] // 0) as $s | "\($s * 1000 | round / 1000) (\($s * 500 / $n * 10 | round / 10))"' "$tmp/apply.$vfs" | awk '{printf "%18s", $0}'
	done
	echo
done
printf '\nphases of the script, seconds\n'
for vfs in "${sizes[@]}"; do [ ! -e "$tmp/script.$vfs" ] || awk -v n="2 x $vfs" 'BEGIN {printf "%-9s", n} {printf " %s %.2f", $1, $2} END {print ""}' "$tmp/script.$vfs"; done

[[ " ${sizes[*]} " == *" 32 "* ]] || exit 0 # the plain script is run where most hosts are
vfs=32
profile $vfs > "$tmp/plain.yaml"
timed plain "$here/apply.sh" "${pfs[@]}" $vfs
clean
timed apply nicwright apply --json -p "$tmp/plain.yaml"
clean
printf '\nagainst the plain script at 2 x %s: %s s and %s s, ratio %s\n' $vfs "$plain" "$apply" "$(ratio "$apply" "$plain")"

rss=$(bash -c 'nicwright apply --json -p "$1" > /dev/null & pid=$!; peak=0
	while read -r _ r _ < <(grep VmHWM /proc/$pid/status 2> /dev/null); do peak=$r; sleep 0.2; done; wait $pid; echo $peak' _ "$tmp/plain.yaml")
printf 'peak memory of an apply with %s VFs: %s MB RSS (goal < 64)\n' $((2 * vfs)) $((rss / 1024))
