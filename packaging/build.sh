#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debs, rpms, SBOMs and their checksums below DIRECTORY, from the commit that is checked out: `make packages`.
# Two builds of one commit are equal byte for byte, wherever they are made (check.sh): all times are the commit's, all
# modes are written down, and nothing of the machine that builds is in there.
set -euo pipefail
umask 022
export LC_ALL=C TZ=UTC0 CGO_ENABLED=0 GOFLAGS=-trimpath GOOS=linux
cd "$(dirname "$0")/.."
out=$(realpath -m "${1:?usage: build.sh DIRECTORY}")

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
VERSION=${VERSION:-$(packaging/version.sh)}
ARCH=${GOARCH:-$(go env GOARCH)}
STAGE=$out/stage
export SOURCE_DATE_EPOCH VERSION ARCH STAGE
rm -rf "$out"
mkdir -p "$STAGE"

# The version of Go's own stamp knows the commit alone, and none in a worktree of git.
go build -ldflags='-s -w' -o "$STAGE/nicwright" ./cmd/nicwright
native=$STAGE/nicwright
if [ "$ARCH" != "$(go env GOHOSTARCH)" ]; then # what makes the pages runs on this machine
	native=$STAGE/native
	GOARCH=$(go env GOHOSTARCH) go build -o "$native" ./cmd/nicwright
fi

"$native" man "$STAGE/man1"
gzip -9n "$STAGE"/man1/*.1
for shell in bash zsh fish; do
	"$native" completion $shell >"$STAGE/completion.$shell"
done
gzip -9nc CHANGELOG.md >"$STAGE/changelog.gz"

# What install makes of the built-in profiles, on a host of which nothing is known, to read before it is installed.
for profile in profiles/builtin/*.yaml; do
	name=$(basename "$profile" .yaml)
	mkdir -p "$STAGE/boot/$name"
	"$native" install -p "$name" --root "$STAGE/boot/$name" --binary /usr/bin/nicwright >/dev/null
	mv "$STAGE/boot/$name/etc/systemd/system/nicwright.service" "$STAGE/boot/$name.service"
	rm -rf "${STAGE:?}/boot/$name"
done

# What boots kernels in a machine: x86-64 alone, for the machine is one.
packages=(nicwright)
if [ "$ARCH" = amd64 ]; then
	packages+=(nicwright-rehearse)
	go build -ldflags='-s -w' -o "$STAGE/nicwright-rehearse" ./lab/cmd/nicwright-rehearse
	mkdir -p "$STAGE/connectx"
	cp lab/connectx/*.[ch] lab/connectx/Kbuild lab/connectx/COPYING lab/connectx/README.md "$STAGE/connectx"
	{ packaging/notices.sh ./lab/cmd/nicwright-rehearse; cat packaging/copyright-connectx; } >"$STAGE/copyright-rehearse"
fi

# One entry: what changed for a user is in changelog.gz, and what changed else is git's to say.
cat >"$STAGE/changelog.yaml" <<END
- semver: $VERSION-1
  date: $(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)
  packager: nicwright maintainers <nicwright@users.noreply.github.com>
  deb: {urgency: low, distributions: [unstable]}
  changes:
    - note: Built from commit $(git rev-parse HEAD).
    - note: What has changed for a user is in changelog.gz.
END

packaging/notices.sh ./cmd/nicwright >"$STAGE/copyright"

# nfpm itself fills in variables in some of the fields alone.
for package in "${packages[@]}"; do
	sed "s|\${STAGE}|$STAGE|; s|\${VERSION}|$VERSION|" "packaging/${package/nicwright/nfpm}.yaml" >"$STAGE/$package.yaml"
	for kind in deb rpm; do
		go tool -modfile=tools/nfpm.mod nfpm package -f "$STAGE/$package.yaml" -p "$kind" -t "$out"
	done
done
# Of the binary itself; without a serial number and a time, which would be others at each build.
# Nothing is asked for (licences are in copyright: that program would ask a proxy for them); the program itself may have to be fetched.
sbom=$(go tool -modfile=tools/cyclonedx-gomod.mod -n cyclonedx-gomod)
for package in "${packages[@]}"; do
	GOPROXY=off "$sbom" bin -json -noserial -notimestamp -std \
		-version "$VERSION" -output "$out/${package}_${VERSION}_$ARCH.cdx.json" "$STAGE/$package"
done
[ -n "${KEEP_STAGE:-}" ] || rm -rf "$STAGE"
(cd "$out" && sha256sum -- nicwright* >SHA256SUMS)
ls -l "$out"
