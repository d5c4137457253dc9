// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/probe"
)

// ShowsLAG says whether the driver shows the LAG of a port, so that it can be
// waited for: mlx5_core keeps a directory for it in debugfs while it drives a port
// that can be in a LAG, whether it is in one or not (m5/lag/debugfs.c,
// mlx5_ldev_add_debugfs). debugfs is where that is mounted.
func ShowsLAG(k *kconfig.Kernel, debugfs string, port pci.Address) probe.Answer {
	return probe.First(
		func() probe.Answer { return showsNow(debugfs, port) },
		func() probe.Answer { return k.Since(6, 0) })
}

func showsNow(debugfs string, port pci.Address) probe.Answer {
	dir := filepath.Join(debugfs, "mlx5", string(port))
	lag := filepath.Join(dir, "lag")
	if _, err := os.Stat(filepath.Join(lag, "state")); err == nil {
		return probe.Yesf("%s is there", lag)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return probe.Unknown(err.Error())
	}
	if _, err := os.Stat(dir); err != nil {
		return probe.Unknownf("the driver's files in debugfs: %v: it takes root, a mounted debugfs, and a kernel that is not locked down", err)
	}
	return probe.Nof("%s is there, and no lag in it: the driver is one that does not show it, or the card makes none", dir)
}
