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
const selftestRecipe = "selftests 1"

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

// Selftests returns a directory with the network self-tests of the kernel, as its source package has them (tools/,
// Documentation/), and in headers/ its headers for programs. They are unpacked in root.
func (k *Kernel) Selftests(ctx context.Context, c *cache.Cache, root, mirror string, log io.Writer) (string, error) {
	source := "linux-source-" + k.Row.Name
	version := k.Packages[source]
	key := cache.Key(selftestRecipe, source, version, headersPackage, strings.Join(selftestParts, " "))
	return c.Artefact(ctx, "selftests-"+k.Row.Name, key, func(ctx context.Context, dir, work string) error {
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
		if err := os.Mkdir(filepath.Join(dir, "headers"), 0o755); err != nil {
			return fmt.Errorf("make a directory for headers: %w", err)
		}
		box := sandbox.Box{Root: root, Log: log, Binds: []sandbox.Bind{{From: dir, To: "/lab/build"}, {From: work, To: "/lab/apt", ReadOnly: true}}}
		in := func(name string) string { return "/lab/apt/files/" + filepath.Base(debs[name]) }
		if _, err := box.Run(ctx, "dpkg", "-x", in(headersPackage), "/lab/build/headers"); err != nil {
			return fmt.Errorf("unpack %s: %w", headersPackage, err)
		}
		script := `set -e; deb=$1; src=$2; shift 2
dpkg --fsys-tarfile "$deb" | tar -xO "./usr/src/$src.tar.xz" | xz -dc -T0 | tar -x -C /lab/build --strip-components=1 --wildcards "$@"`
		args := []string{"bash", "-o", "pipefail", "-c", script, "bash", in(source), source}
		for _, p := range selftestParts {
			args = append(args, source+"/"+p)
		}
		if _, err := box.Run(ctx, args...); err != nil {
			return fmt.Errorf("unpack %s: %w", source, err)
		}
		return nil
	})
}
