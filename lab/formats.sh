#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Lets the managers of machines themselves read what `nicwright vf lease --format` writes: libvirt's schemas of its domains and
# networks, by xmllint as virt-xml-validate does, and QEMU. The packages are unpacked in the cache, and not installed: no daemon comes.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/nicwright/formats
if [ ! -e "$cache/done" ]; then
	rm -rf "$cache"
	mkdir -p "$cache/deb"
	apt-get update -qq
	(cd "$cache/deb" && apt-get download -qq libvirt0 libxml2-utils)
	for deb in "$cache"/deb/*.deb; do dpkg-deb -x "$deb" "$cache"; done
	touch "$cache/done"
fi
command -v qemu-system-x86_64 >/dev/null || apt-get install -y -qq qemu-system-x86
log=$(mktemp)
trap 'rm -f "$log"' EXIT
NICWRIGHT_SCHEMAS=$(ls -d "$cache"/usr/share/libvirt/schemas) PATH="$cache/usr/bin:$PATH" CGO_ENABLED=0 \
	go test -count=1 -v -run '^TestManagersTakeIt' ./provision/lease/render | tee "$log"
! grep -q '^ *--- SKIP' "$log"
