#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The version of the packages, from git: 1.2.3 at the tag v1.2.3, 1.2.3+4.gSHA four commits after it, 1.2.3~rc.1 at
# v1.2.3-rc.1, and 0.0.0~TIME.gSHA where there is no tag (a clone of one commit). dpkg and rpm both sort these as they came.
set -eu
dirty=
[ -z "$(git status --porcelain --untracked-files=no)" ] || dirty=+changed
if described=$(git describe --tags --match 'v[0-9]*' --long --abbrev=12 2>/dev/null); then
	sha=${described##*-}
	rest=${described%-*}
	after=${rest##*-}
	version=$(printf '%s' "${rest%-*}" | sed 's/^v//; s/-/~/; s/-/./g')
	[ "$after" = 0 ] || version=$version+$after.$sha
else
	version=0.0.0~$(TZ=UTC0 git log -1 --date=format-local:%Y%m%d%H%M%S --format=%cd).g$(git rev-parse --short=12 HEAD)
fi
printf '%s%s\n' "$version" "$dirty"
