// SPDX-License-Identifier: Apache-2.0

package kconfig

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ModuleState says whether a module's code is in the kernel.
type ModuleState string

// The states.
const (
	Loaded    ModuleState = "loaded"     // or built in
	Available ModuleState = "not loaded" // and modprobe finds it
	Missing   ModuleState = "missing"    // there is none for this kernel
	Uncertain ModuleState = "unknown"    // the lists of modules cannot be read
)

// Module says whether a module is loaded or could be: by /proc/modules and by
// modules.builtin and modules.dep of /lib/modules/RELEASE.
func (h Host) Module(name string) (ModuleState, error) {
	release, err := h.Release()
	if err != nil {
		return Uncertain, err
	}
	loaded, err := h.contains("/proc/modules", func(line string) bool {
		word, _, _ := strings.Cut(line, " ")
		return word == name
	})
	if err != nil || loaded {
		return Loaded, err
	}
	seen := false
	for list, state := range map[string]ModuleState{"modules.builtin": Loaded, "modules.dep": Available} {
		file := "/lib/modules/" + release + "/" + list
		if _, err := os.Stat(filepath.Join(h.root, file)); err == nil {
			seen = true
		}
		found, err := h.contains(file, func(line string) bool {
			path, _, _ := strings.Cut(line, ":")
			// A file's name may have "-" where the module's has "_".
			base, _, _ := strings.Cut(filepath.Base(path), ".ko")
			return strings.ReplaceAll(base, "-", "_") == name
		})
		if err != nil {
			return Uncertain, err
		}
		if found {
			return state, nil
		}
	}
	if !seen {
		return Uncertain, nil
	}
	return Missing, nil
}

// Locked says whether the kernel loads no modules any more (kernel.modules_disabled).
func (h Host) Locked() bool {
	b, err := os.ReadFile(filepath.Join(h.root, "/proc/sys/kernel/modules_disabled"))
	return err == nil && strings.TrimSpace(string(b)) == "1"
}

// contains looks for a line of a file; one that is not there has none.
func (h Host) contains(file string, is func(string) bool) (_ bool, err error) {
	f, err := os.Open(filepath.Join(h.root, file))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for a module: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if is(lines.Text()) {
			return true, nil
		}
	}
	if err := lines.Err(); err != nil {
		return false, fmt.Errorf("looking for a module in %s: %w", file, err)
	}
	return false, nil
}
