// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// inMemory are the parts of the root that commands open again and again: programs, libraries, settings, and the indices
// by which modprobe finds modules.
var inMemory = []string{
	"/bin", "/sbin", "/lib", "/lib64", // links
	"/usr/bin", "/usr/sbin", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/locale", "/usr/lib/modprobe.d",
	"/usr/share/iproute2", "/usr/share/openvswitch", "/etc", "/usr/lib/modules/*/modules.*",
}

// largestInMemory leaves out what only compilers load, in bytes.
const largestInMemory = 8 << 20

// copyToMemory has the overlay copy parts of the root to its upper layer. What it has not copied, 9p asks the host for at
// each open and each link, also when the contents are cached: some forty times for one run of cat. While the machine waits
// for that, a clock that counts instructions jumps from timer to timer, and what is measured is how busy the host is.
func copyToMemory() error {
	var errs []error
	for _, pattern := range inMemory {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("find %s: %w", pattern, err)
		}
		for _, path := range paths {
			errs = append(errs, filepath.WalkDir(path, copyUp))
		}
	}
	return errors.Join(errs...)
}

func copyUp(path string, entry fs.DirEntry, err error) error {
	if err != nil {
		return fmt.Errorf("copy %s to the machine's memory: %w", path, err)
	}
	if !entry.Type().IsRegular() && entry.Type() != fs.ModeSymlink {
		return nil
	}
	if info, err := entry.Info(); err == nil && info.Size() > largestInMemory {
		return nil
	}
	// To change attributes, if only to what they are, is what makes the overlay copy; links are not followed.
	if err := os.Lchown(path, -1, -1); err != nil {
		return fmt.Errorf("copy to the machine's memory: %w", err)
	}
	return nil
}
