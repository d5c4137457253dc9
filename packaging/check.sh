#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two builds of this commit are equal byte for byte: from two clones in directories of other names, by other umasks, in other
# time zones, the second with nothing from Go's build cache. Then lintian, and a removal that keeps the journal.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$(realpath "$0")
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT # Go's caches are read-only

build() { # DIRECTORY: builds the packages of a clone there
	git clone -q --no-hardlinks . "$1/src"
	git -C "$1/src" checkout -q "$commit"
	"$1/src/packaging/build.sh" "$1/src/bin/packages" >"$1/log" 2>&1 || { cat "$1/log"; return 1; }
}
commit=$(git rev-parse HEAD)
[ -z "$(git status --porcelain)" ] || echo "note: what is in no commit is not in these packages"
mkdir -p "$work/one" "$work/another/below"
(umask 022 && TZ=UTC0 build "$work/one")
(umask 077 && GOCACHE=$work/cache TZ=Pacific/Kiritimati LANG=C.UTF-8 build "$work/another/below")
diff -r "$work/one/src/bin/packages" "$work/another/below/src/bin/packages"
echo "reproducible: two builds are equal"
cat "$work/one/src/bin/packages/SHA256SUMS"

if ! command -v lintian >/dev/null; then
	apt-get install -y --no-install-recommends lintian >/dev/null
fi
lintian --allow-root --pedantic --fail-on error,warning,info,pedantic "$work"/one/src/bin/packages/*.deb
echo "lintian: clean"
"$(dirname "$here")/check-remove.sh" "$work"/one/src/bin/packages/nicwright_*.deb

# An older rpm, of another version and else the same.
VERSION=0.0.0~0 "$work/one/src/packaging/build.sh" "$work/old" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
"$(dirname "$here")/check-rpm.sh" "$work"/old/nicwright-[0-9]*.rpm "$work"/one/src/bin/packages/nicwright-[0-9]*.rpm
