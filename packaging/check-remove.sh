#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# check-remove.sh DEB: in a Debian root of its own, thrown away at the end, the package is installed over an older version
# with an operation in its journal, removed, and purged. Nothing of this machine is changed. Needs root and debootstrap.
set -euo pipefail
here=$(realpath "$(dirname "$0")/..")
deb=$(realpath "${1:?usage: check-remove.sh DEB}")
command -v debootstrap >/dev/null || apt-get install -y --no-install-recommends debootstrap >/dev/null
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

fail() {
	echo "check-remove.sh: $*" >&2
	exit 1
}
# Without this machine's network, processes and mounts.
in_root() { unshare --mount --net --pid --fork chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
# All files but those that dpkg, and what its triggers make, keep for themselves.
files() { (cd "$root" && find . -mindepth 1 ! -path './var/lib/dpkg*' ! -path './var/log/*' ! -path './var/cache/*' ! -path './packages*' | sort); }
same() { diff "$work/before" <(files) || fail "$1"; }

debootstrap --variant=minbase bookworm "$root" >"$work/log" 2>&1 || { tail "$work/log" >&2; fail "no Debian root"; }
mkdir -p "$root/etc/systemd/network" # systemd's package has it, which is not in this root
mkdir "$root/packages"
cp "$deb" "$root/packages/new.deb"
dpkg-deb -R "$deb" "$work/old"
sed -i 's/^Version: .*/Version: 0.0.0~1-1/' "$work/old/DEBIAN/control"
dpkg-deb --root-owner-group -b "$work/old" "$root/packages/old.deb" >/dev/null
files >"$work/before"

in_root dpkg -i /packages/old.deb >/dev/null
in_root dpkg -r nicwright >/dev/null
same "a removal leaves something"

# A host in use: an operation in the journal, a profile of the operator's, and one that comes up at boot.
in_root dpkg -i /packages/old.deb >/dev/null
journal=$root/var/lib/nicwright/operations
install -D -m 0600 "$here/provision/journal/testdata/v2.json" "$journal/20261128T035512.123Z-apply.json"
chmod 0700 "$journal" "$root/var/lib/nicwright"
install -D "$here/examples/tls-server.yaml" "$root/etc/nicwright/profiles/own.yaml"
in_root nicwright install -p vm-host --root / --binary /usr/bin/nicwright >/dev/null
state() { (cd "$root" && find etc/nicwright etc/systemd/system/nicwright.service var/lib/nicwright -printf '%p %m %T@ %s\n' | sort && sha256sum "$journal"/*); }
state >"$work/state"
in_root dpkg -i /packages/new.deb >/dev/null
diff "$work/state" <(state) || fail "an upgrade touches the journal, or what install made"
in_root nicwright history | grep -q '20261128T035512.123Z-apply' || fail "the new version does not read the old one's journal"

# Nobody takes the tool away while it is needed.
sed -i 's/"outcome": *"[a-z]*"/"outcome": "done"/; s/"version": 2,/&\n"confirm": {"within": 120, "deadline": "2199-01-01T00:00:00Z"},/' "$journal"/*.json
if in_root dpkg -r nicwright >"$work/log" 2>&1; then fail "it is removed although an apply waits to be confirmed"; fi
grep -q 'waits to be confirmed' "$work/log" || { cat "$work/log" >&2; fail "the refusal does not say why"; }
cp "$here/provision/journal/testdata/v2.json" "$journal/20261128T035512.123Z-apply.json"

in_root dpkg -r nicwright >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "it cannot be removed"; }
for gone in usr/bin/nicwright etc/systemd/system/nicwright.service etc/systemd/system/multi-user.target.wants/nicwright.service run/nicwright; do
	[ ! -e "$root/$gone" ] && [ ! -L "$root/$gone" ] || fail "a removal leaves /$gone"
done
cmp "$here/provision/journal/testdata/v2.json" "$journal/20261128T035512.123Z-apply.json" || fail "a removal touches the journal"
[ -f "$root/etc/nicwright/profiles/own.yaml" ] || fail "a removal takes a profile of the operator's"

in_root dpkg -P nicwright >/dev/null
[ ! -e "$root/var/lib/nicwright" ] || fail "a purge leaves the journal"
rm "$root/etc/nicwright/profiles/own.yaml"
rmdir "$root/etc/nicwright/profiles" "$root/etc/nicwright"
same "a purge leaves something"
echo "removal: nothing of the package is left, the journal until a purge"
