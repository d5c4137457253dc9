#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# check-rehearse.sh SUITE DEB REHEARSE-DEB: in a root of Debian's SUITE (bookworm, trixie) with its kernel, thrown away at the end, the packages
# are installed as a user does it, with what they depend on and nothing else, and that kernel is rehearsed for a profile: no source tree, no Go.
# Nothing of this machine is changed. Needs root, debootstrap and Debian's mirror; a quarter of an hour, more where KVM does not work.
set -euo pipefail
usage="usage: check-rehearse.sh SUITE DEB REHEARSE-DEB"
suite=${1:?$usage} here=$(realpath "$(dirname "$0")/..")
debs=("$(realpath "${2:?$usage}")" "$(realpath "${3:?$usage}")")
command -v debootstrap >/dev/null || apt-get install -y --no-install-recommends debootstrap >/dev/null
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT # the mounts are those of processes that are gone
root=$work/root

fail() {
	echo "check-rehearse.sh: $suite: $*" >&2
	exit 1
}
# in_root COMMAND...: with a root that is a mount, as every host's is, and without the mounts of this machine
in_root() {
	# shellcheck disable=SC2016 # it is that shell's
	unshare --mount --propagation private bash -euc '
		root=$1 && shift
		mount --bind "$root" "$root"
		mount -t proc proc "$root/proc" && mount --rbind /sys "$root/sys" && mount --rbind /dev "$root/dev" && mount -t tmpfs tmpfs "$root/run"
		cd "$root" && mkdir -p .before && pivot_root . .before && umount -l /.before
		exec /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"' in_root "$root" "$@"
}

debootstrap --variant=minbase "$suite" "$root" >"$work/log" 2>&1 || { tail "$work/log" >&2; fail "no Debian root"; }
mkdir "$root/packages"
cp "${debs[@]}" "$root/packages"
cp "$here/examples/legacy-sriov.yaml" "$root/packages"
cp /etc/resolv.conf "$root/etc/resolv.conf"
! compgen -G '/etc/apt/apt.conf.d/*proxy*' >/dev/null || cp /etc/apt/apt.conf.d/*proxy* "$root/etc/apt/apt.conf.d"
in_root sh -c 'apt-get update && apt-get install -y --no-install-recommends linux-image-amd64 linux-headers-amd64 /packages/*.deb' >"$work/log" 2>&1 || { tail "$work/log" >&2; fail "it cannot be installed"; }
release=$(basename "$(ls -d "$root"/lib/modules/*)")
[ ! -e "$root/usr/bin/go" ] || fail "there is Go in the root"
in_root nicwright rehearse --kernel "$release" --against "$release" --card ports=2,vfs=2 -p /packages/legacy-sriov.yaml >"$work/said" 2>"$work/log" ||
	{ cat "$work/log" "$work/said" >&2; fail "the rehearsal did not go well"; }
grep -q "^with $release your profile will go" "$work/said" || { cat "$work/said" >&2; fail "it does not say that the profile will go"; }
head -n 1 "$work/said"
echo "rehearsed from the packages on $suite: kernel $release"
