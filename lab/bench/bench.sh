#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Run inside the lab machine by `make bench`: nicwright against apply.sh at 2 x VFS (32), as ratios of this run.
# The driver's own time (making VFs, changing the mode, probing VFs, activating its LAG) is counted apart.
set -euo pipefail
# The script's tools are on the machine's own file system; so is nicwright, or it would be read anew from the host each time.
install -m 0755 /lab/share/bin/nicwright /usr/local/bin/
here=$(dirname "$0"); vfs=${VFS:-32}
mapfile -t pfs < <(for d in /sys/bus/pci/drivers/mlx5_core/*:*; do [ -e "$d/physfn" ] || basename "$d"; done | sort)
tmp=$(mktemp -d)
profile=$tmp/bench.yaml
half=$((vfs / 2))
{
	nicwright profile show vm-host | sed -e "s/vfs: [0-9]*/vfs: $vfs/" \
		-e "s/vf0-1/vf0-$((half - 1))/" -e "s/vf2-3/vf$half-$((vfs - 1))/"
} > "$profile"
clean() {
	ovs-vsctl --if-exists del-br br-nic; ovs-vsctl remove Open_vSwitch . other_config hw-offload
	ip link del bond0 2> /dev/null || true
	for pf in "${pfs[@]}"; do
		devlink dev eswitch set "pci/$pf" mode legacy
		echo 0 > "/sys/bus/pci/devices/$pf/sriov_numvfs"
	done
	rm -rf /var/lib/nicwright/*
}
seconds() { # seconds FILE COMMAND...: whole-process time on stdout, the command's own output in FILE
	local out=$1 a b; shift
	a=$EPOCHREALTIME; "$@" > "$out"; b=$EPOCHREALTIME
	awk "BEGIN{printf \"%.3f\", ${b/,/.}-${a/,/.}}"
}
# How long the acts took that are the driver's, by the phases of either side's report.
script_driver() { awk '$1 ~ /^(sriov|eswitch|bind|lag)$/ {s += $2} END {printf "%.3f", s}' "$1"; }
tool_driver() { jq -r '[.phases | to_entries[] | select(.key | test("^(quiesce|sriov|eswitch|bind|lag)$")) | .value] | add' "$1"; }
ratio() { awk "BEGIN{printf \"%.4f\", $1/$2}"; }

clean > /dev/null 2>&1 || true
script=$(seconds "$tmp/script" "$here/apply.sh" "${pfs[@]}" "$vfs")
again=$(seconds "$tmp/again" "$here/apply.sh" "${pfs[@]}" "$vfs")
echo "script:       $script s, of it the driver $(script_driver "$tmp/script") s; again $again s"
sed 's/^/    /' "$tmp/script"
clean
apply=$(seconds "$tmp/apply" nicwright apply --json -p "$profile")
noop=$(seconds "$tmp/noop" nicwright apply --json -p "$profile")
echo "nicwright:    $apply s, of it the driver $(tool_driver "$tmp/apply") s; no-op $noop s"
jq -r '.phases | to_entries[] | "    \(.key) \(.value)"' "$tmp/apply"
clean
rss=$(bash -c 'nicwright apply --json -p "$1" > /dev/null & pid=$!; peak=0
	while read -r _ r _ < <(grep VmHWM /proc/$pid/status 2> /dev/null); do peak=$r; sleep 0.2; done; wait $pid; echo $peak' _ "$profile")
own_script=$(awk "BEGIN{print $script-$(script_driver "$tmp/script")}")
own_apply=$(awk "BEGIN{print $apply-$(tool_driver "$tmp/apply")}")
echo "apply ratio, driver's time apart:  $(ratio "$own_apply" "$own_script")   (goal <= 0.1)"
echo "apply ratio, whole:                $(ratio "$apply" "$script")"
echo "no-op ratio, against the script from clean, driver's time apart: $(ratio "$noop" "$own_script")   (goal <= 0.02)"
echo "no-op ratio, against the script run again:                       $(ratio "$noop" "$again")"
echo "peak memory of an apply with $((2 * vfs)) VFs: $((rss / 1024)) MB RSS   (goal < 64)"
