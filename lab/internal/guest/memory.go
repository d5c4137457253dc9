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
	"/bin", "/sbin", "/lib", "/lib64", "/var/run", "/var/lock", // links
	"/usr/bin", "/usr/sbin", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/locale",
	"/usr/lib/ssl", "/usr/share/iproute2", "/usr/share/openvswitch", "/etc", "/usr/lib/modules/*/modules.*",
}

// listedInMemory are directories that modprobe lists whenever the kernel asks for a module: the overlay would list the host's.
var listedInMemory = []string{"/etc/modprobe.d", "/usr/lib/modprobe.d"}

// largestInMemory leaves out what only compilers load, in bytes.
const largestInMemory = 8 << 20

// copyToMemory has the overlay copy parts of the root to its upper layer. What it has not copied, 9p asks the host for at
// each open and each link, also when the contents are cached: some forty times for one run of cat. While the machine waits
// for that, a clock that counts instructions jumps from timer to timer, and what is measured is how busy the host is.
func copyToMemory() error {
	var errs []error
	for _, dir := range listedInMemory {
		files, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		errs = append(errs, err, replaceDir(dir, files))
	}
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

// replaceDir mounts a file system in memory over a directory, with the same files.
func replaceDir(dir string, files []fs.DirEntry) error {
	contents := map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return fmt.Errorf("copy to the machine's memory: %w", err)
		}
		contents[f.Name()] = b
	}
	if err := mountAll([]mount{{"tmpfs", dir, "tmpfs", "mode=755", 0}}); err != nil {
		return err
	}
	for name, b := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return fmt.Errorf("copy to the machine's memory: %w", err)
		}
	}
	return nil
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
