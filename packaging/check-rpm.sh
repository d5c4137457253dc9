#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# check-rpm.sh OLD.rpm NEW.rpm: as check-remove.sh, for the rpm, by `rpm --root`: installed, upgraded with an operation in the
# journal, and removed. rpm knows no purge: the journal stays. The root is Debian's, for the machine that checks is: what rpm's
# own distributions have (SELinux, their macros) is not tried. Needs root, debootstrap and rpm.
set -euo pipefail
here=$(realpath "$(dirname "$0")/..")
old=$(realpath "${1:?usage: check-rpm.sh OLD.rpm NEW.rpm}")
new=$(realpath "${2:?usage: check-rpm.sh OLD.rpm NEW.rpm}")
command -v debootstrap >/dev/null || apt-get install -y --no-install-recommends debootstrap >/dev/null
command -v rpm >/dev/null || apt-get install -y --no-install-recommends rpm >/dev/null
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

fail() {
	echo "check-rpm.sh: $*" >&2
	exit 1
}
# Without this machine's network, processes and mounts. What Debian's packages provide (/bin/sh) rpm does not know of.
alone() { unshare --mount --net --pid --fork /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"; }
in_root() { alone chroot "$root" "$@"; }
by_rpm() { alone rpm --root "$root" --dbpath /var/lib/rpm "$@"; }
put() { by_rpm --nodeps --force-debian "$@" 2>"$work/log" || { cat "$work/log" >&2; fail "rpm $* failed"; }; }
files() { (cd "$root" && find . -mindepth 1 ! -path './var/lib/rpm*' ! -path './var/log/*' ! -path './var/cache/*' | sort); }
same() { diff "$work/before" <(files) || fail "$1"; }

debootstrap --variant=minbase bookworm "$root" >"$work/log" 2>&1 || { tail "$work/log" >&2; fail "no Debian root"; }
# Of packages that are not in this root: systemd's, the shells', and the one that has /usr/share/licenses.
mkdir -p "$root/etc/systemd/network" "$root/usr/share/fish/vendor_completions.d" "$root/usr/share/zsh/site-functions" "$root/usr/share/licenses"
files >"$work/before"
put -i "$old"
by_rpm -e nicwright
same "a removal leaves something"

put -i "$old"
journal=$root/var/lib/nicwright/operations
install -D -m 0600 "$here/provision/journal/testdata/v2.json" "$journal/20261128T035512.123Z-apply.json"
chmod 0700 "$journal" "$root/var/lib/nicwright"
in_root nicwright install -p vm-host --root / --binary /usr/bin/nicwright >/dev/null
state() { (cd "$root" && find etc/nicwright etc/systemd/system/nicwright.service var/lib/nicwright -printf '%p %m %T@ %s\n' | sort && sha256sum "$journal"/*); }
state >"$work/state"
put -U "$new"
[ "$(by_rpm -q nicwright | wc -l)" = 1 ] || fail "after the upgrade there are: $(by_rpm -q nicwright)"
diff "$work/state" <(state) || fail "an upgrade touches the journal, or what install made"
in_root nicwright history | grep -q '20261128T035512.123Z-apply' || fail "the new version does not read the old one's journal"

sed -i 's/"outcome": *"[a-z]*"/"outcome": "done"/; s/"version": 2,/&\n"confirm": {"within": 120, "deadline": "2199-01-01T00:00:00Z"},/' "$journal"/*.json
if by_rpm -e nicwright >"$work/log" 2>&1; then fail "it is removed although an apply waits to be confirmed"; fi
grep -q 'waits to be confirmed' "$work/log" || { cat "$work/log" >&2; fail "the refusal does not say why"; }
cp "$here/provision/journal/testdata/v2.json" "$journal/20261128T035512.123Z-apply.json"
by_rpm -e nicwright >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "it cannot be removed"; }
cmp "$here/provision/journal/testdata/v2.json" "$journal/20261128T035512.123Z-apply.json" || fail "a removal touches the journal"
rm -r "$root/var/lib/nicwright"
same "a removal leaves more than the journal"
echo "rpm: nothing of the package is left, but for the journal"
