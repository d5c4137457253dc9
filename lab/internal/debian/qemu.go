// SPDX-License-Identifier: Apache-2.0

package debian

import (
	"context"
	"io"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/nicwright/nicwright/lab/internal/cache"
)

// qemuPackages are QEMU and the firmware that it boots a machine with.
var qemuPackages = []string{"qemu-system-x86", "seabios"}

// QEMU returns the command that runs a QEMU with the device: the host's, or
// else that of the root's Debian, from a root of its own. It is run with that
// root's libraries and sees the host's files, as the host's does.
func QEMU(ctx context.Context, c *cache.Cache, device, mirror string, log io.Writer) ([]string, error) {
	const program = "qemu-system-x86_64"
	if out, err := exec.CommandContext(ctx, program, "-device", "help").Output(); err == nil && strings.Contains(string(out), `"`+device+`"`) {
		return []string{program}, nil
	}
	root, err := QEMURoot(ctx, c, mirror, log)
	if err != nil {
		return nil, err
	}
	in := func(path string) string { return filepath.Join(root, path) }
	const libraries = "usr/lib/x86_64-linux-gnu"
	return []string{
		in(libraries + "/ld-linux-x86-64.so.2"), "--library-path", in(libraries), in("usr/bin/" + program),
		"-L", in("usr/share/qemu"), "-L", in("usr/share/seabios"),
	}, nil
}

// QEMURoot returns the directory of a root with the QEMU of the root's Debian;
// it is made if need be.
func QEMURoot(ctx context.Context, c *cache.Cache, mirror string, log io.Writer) (string, error) {
	key := cache.Key(append([]string{rootRecipe, RootSuite, dpkgOptions}, qemuPackages...)...)
	return c.Artefact(ctx, "qemu", key, func(ctx context.Context, dir, work string) error {
		return bootstrap(ctx, dir, work, qemuPackages, mirror, log)
	})
}
