#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The demonstration, run inside the lab machine by `make demo`: from a bare card to a proof.
#
#   demo.sh [--tls-off]    --tls-off: turn the offload off before verify, which then has to say "software" and exit 3
set -uo pipefail
PATH=/lab/share/bin:$PATH
step() { # step EXPECTED-STATUS COMMAND...
	local expected=$1; shift
	printf '\n$ %s\n' "$*"
	"$@"
	local status=$?
	[ $status = "$expected" ] || { echo "demo: \`$*' exited $status, expected $expected" >&2; exit 1; }
}
uname -sr
step 0 nicwright show
step 2 nicwright plan -p vm-host
step 0 nicwright apply -p vm-host
step 0 nicwright apply -p vm-host
if [ "${1:-}" = --tls-off ]; then
	for vf in /sys/bus/pci/devices/*/physfn; do
		for net in "${vf%/physfn}"/net/*; do step 0 ethtool -K "${net##*/}" tls-hw-tx-offload off; done
	done
	step 3 nicwright verify
else
	step 0 nicwright verify
fi
step 0 nicwright show
