#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Is it worth it, in a quarter of an hour: run inside the lab machine by `make demo-bench`. From a bare card to measurements between two VFs
# of a profile, charts of them, advice, and what nginx has to be told. The card is emulated: paths and findings are real, speeds are not.
set -uo pipefail
PATH=/lab/share/bin:$PATH
out=${OUT:-/lab/share/bin/demo-bench}
step() { # step EXPECTED-STATUS COMMAND...
	local expected=$1; shift
	printf '\n$ %s\n' "$*"
	"$@"
	local status=$?
	[ $status = "$expected" ] || { echo "demo: \`$*' exited $status, expected $expected" >&2; exit 1; }
}
# A machine that systemd has booted has cgroups.
# What udev loads on a host whose processor has it; without it the kernel encrypts ten times as slowly.
modprobe -q aesni_intel
mountpoint -q /sys/fs/cgroup || mount -t cgroup2 none /sys/fs/cgroup || exit
mkdir -p "$out" && cd "$out" || exit
rm -f ./*
uname -sr
step 0 nicwright apply -p vm-host
# Shorter windows and fewer turns than by default, for a machine without KVM: a real card needs no such flags.
step 0 nicwright bench https --quick --tls 1.2,1.3 --sizes 10k,100k,1M --clients 4 --turns 3 --control 1 --interval 0 --window 300ms --limit 6s --time 8m --out run.ndjson
# Each figure is of the path that it names, by counters; what is not is a finding. TLS 1.3 is one.
figures=$(jq -r 'select(.gate.verdict == "as-said" and .cell.mode == "card-tx" and .bytes > 0) | .cell.tls' run.ndjson | sort -u)
findings=$(jq -r 'select(.gate.verdict == "finding") | "\(.cell.mode) \(.cell.tls)"' run.ndjson | sort -u)
[ "$figures" = 1.2 ] || { echo "demo: figures of the card are of TLS $figures, expected 1.2" >&2; exit 1; }
[ "$findings" = "card-tx 1.3" ] || { echo "demo: findings of $findings, expected card-tx 1.3" >&2; exit 1; }
step 0 nicwright bench chart run.ndjson --out . --terminal
for mix in 10k 1M 10k:90%,1M:10%; do step 0 nicwright advice run.ndjson --sizes $mix; done
step 0 nicwright advice run.ndjson --sizes 1M --tls 1.3
step 0 nicwright settings nginx -p vm-host
step 0 nicwright rollback
printf '\nSamples and charts are in bin/demo-bench: charts.html has them all.\n'
