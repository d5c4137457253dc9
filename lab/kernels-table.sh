#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kernels-table.sh LAB BIN KERNEL...: records the profile small on each kernel, for the table of docs/kernels.md.
set -eu
lab=$1 bin=$2
shift 2
here=$(cd "$(dirname "$0")/.." && pwd)
share=$(mktemp -d)
trap 'rm -rf "$share"' EXIT
cp "$bin/nicwright" "$here/cmd/nicwright/testdata/small.yaml" "$share"
for kernel; do
	"$lab" build --kernel "$kernel"
	"$lab" run --kernel "$kernel" --card ports=2,vfs=2 --ovs --time-limit 30m --share "$share" -- sh -ec '
		cd /lab/share
		./nicwright apply -p small.yaml
		./nicwright baseline save "b$1" --runs 1
		./nicwright baseline show "b$1" >"$1.json"' sh "$kernel"
done
# All or none: a table of two days would compare what was not the same.
cp "$share"/*.json "$here/provision/compare/testdata/kernels/"
