#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target for a minute (or FUZZTIME=1000000x), from the inputs that were found interesting before: lab/fuzz-corpus.tar.xz,
# in Go's cache. FUZZKEEP=1 puts what is there now into that file.
set -euo pipefail
cd "$(dirname "$0")/.."
corpus=lab/fuzz-corpus.tar.xz module=$(go list -m) cache=$(go env GOCACHE)/fuzz
mkdir -p "$cache" && tar -C "$cache" --skip-old-files -xJf "$corpus"
targets() {
	grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do
		sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file" | sed "s|^|$(dirname "$file") |"
	done
}
targets | while read -r dir target; do
	echo "== $dir $target"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-60s}" -fuzzminimizetime 10x "$dir" </dev/null
done
[ -z "${FUZZKEEP:-}" ] || targets | while read -r dir target; do
	inputs=$module/${dir#./}/$target
	[ ! -d "$cache/$inputs" ] || echo "$inputs"
done | tar -C "$cache" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cJf "$PWD/$corpus" -T -
