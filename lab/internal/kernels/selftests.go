// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/nicwright/nicwright/lab/internal/cache"
	"github.com/nicwright/nicwright/lab/internal/debian"
	"github.com/nicwright/nicwright/lab/internal/sandbox"
)

// selftestRecipe changes when this file makes another artefact from the same packages.
const selftestRecipe = "selftests 2"

// selftestParts are patterns of the files of a kernel's source that its network self-tests are made of and need, each of
// which every kernel has a match of: networking stands for netlink as well, whose specifications 6.1 does not have.
var selftestParts = []string{
	"tools/testing/selftests/lib.mk", "tools/testing/selftests/kselftest*",
	"tools/testing/selftests/net/*", "tools/testing/selftests/drivers/net/*",
	"tools/net/*", "tools/include/*", "tools/scripts/*",
	"Documentation/net*",
}

// headersPackage has the headers of a kernel for programs.
const headersPackage = "linux-libc-dev"

// selftestsFile is the name of the archive in its artefact.
const selftestsFile = "selftests.tar"

// Selftests returns the file of an archive (tar) of the network self-tests of the kernel, as its source package has them (tools/,
// Documentation/), and, in headers/, of its headers for programs. One file, for a machine reads thousands of the host's slowly. They are unpacked in root.
func (k *Kernel) Selftests(ctx context.Context, c *cache.Cache, root, mirror string, log io.Writer) (string, error) {
	source := "linux-source-" + k.Row.Name
	version := k.Packages[source]
	key := cache.Key(selftestRecipe, source, version, headersPackage, strings.Join(selftestParts, " "))
	dir, err := c.Artefact(ctx, "selftests-"+k.Row.Name, key, func(ctx context.Context, dir, work string) error {
		apt, err := debian.NewApt(ctx, "", work, mirror, k.Row.Suite, log)
		if err != nil {
			return err
		}
		// Those of the very kernel, also where the mirror has a newer one beside it.
		debs, err := apt.Download(ctx, source+"="+version, headersPackage+"="+version)
		if err != nil {
			return fmt.Errorf("fetch the self-tests of kernel %s, which was made in %s: %w; if the mirror no longer has that version, remove that directory for the newer kernel",
				k.Release, k.Dir, err)
		}
		if err := os.MkdirAll(filepath.Join(work, "tree/headers"), 0o755); err != nil {
			return fmt.Errorf("make a directory for headers: %w", err)
		}
		box := sandbox.Box{Root: root, Log: log, Binds: []sandbox.Bind{{From: dir, To: "/lab/build"}, {From: work, To: "/lab/apt"}}}
		in := func(name string) string { return "/lab/apt/files/" + filepath.Base(debs[name]) }
		if _, err := box.Run(ctx, "dpkg", "-x", in(headersPackage), "/lab/apt/tree/headers"); err != nil {
			return fmt.Errorf("unpack %s: %w", headersPackage, err)
		}
		script := `set -e; deb=$1; src=$2; to=$3; shift 3
dpkg --fsys-tarfile "$deb" | tar -xO "./usr/src/$src.tar.xz" | xz -dc -T0 | tar -x -C /lab/apt/tree --strip-components=1 --wildcards "$@"
tar -c -C /lab/apt/tree -f "/lab/build/$to" .`
		args := []string{"bash", "-o", "pipefail", "-c", script, "bash", in(source), source, selftestsFile}
		for _, p := range selftestParts {
			args = append(args, source+"/"+p)
		}
		if _, err := box.Run(ctx, args...); err != nil {
			return fmt.Errorf("unpack %s: %w", source, err)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, selftestsFile), nil
}
