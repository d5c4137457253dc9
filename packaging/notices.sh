#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The copyright file: ours, then the notices of each module that is linked into PACKAGE. A module without one is an error.
set -euo pipefail
export LC_ALL=C
package=${1:?usage: notices.sh PACKAGE}
cat "$(dirname "$0")/copyright"

# notice NAME DIRECTORY: the texts by which a module is licensed.
notice() {
	local found=0 file
	printf '\n%s\n%s\n' "$1" "$(printf '%s' "$1" | tr -c '\n' '=')"
	for file in "$2"/{LICEN[CS]E,COPYING,NOTICE,PATENTS}*; do
		[ -f "$file" ] || continue
		case $(basename "$file") in LICEN[CS]E* | COPYING*) found=1 ;; esac
		# Its text is in the distribution once.
		if grep -q 'Apache License' "$file" && grep -q 'TERMS AND CONDITIONS' "$file"; then
			printf '\nApache License, Version 2.0\n'
		else
			printf '\n'
			sed 's/\r$//; s/[[:space:]]*$//' "$file"
		fi
	done
	if [ $found = 0 ]; then
		echo "notices.sh: $1 has no licence in $2" >&2
		return 1
	fi
}

notice "Go $(go env GOVERSION | sed s/^go//)" "$(go env GOROOT)"
go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}	{{.Dir}}{{end}}{{end}}' "$package" | sort -u |
	while IFS=$'\t' read -r name dir; do notice "$name" "$dir"; done
