#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the lab tests: every test binary in a lab machine of its own, with the emulated card and OVS.
#
#   test.sh LAB BIN     LAB: the lab runner; BIN: the directory with nicwright
set -euo pipefail
lab=$PWD/$1; bin=$PWD/$2
card="--card ports=2,vfs=8"
export NICWRIGHT_LAB=1
go test -count=1 -timeout 20m -exec "$lab exec $card --ovs --env NICWRIGHT_LAB=1 --share $bin" \
	./eswitch/... ./bond/... ./crypto/... ./cmd/...
