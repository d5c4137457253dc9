#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target for a minute (or FUZZTIME).
set -euo pipefail
grep -rl --include='*_test.go' '^func Fuzz' . | while read -r file; do
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file" | while read -r target; do
		echo "== $(dirname "$file") $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-60s}" -fuzzminimizetime 10x "$(dirname "$file")"
	done
done
