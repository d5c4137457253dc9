// SPDX-License-Identifier: Apache-2.0

package kconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
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

// Modules says whether modules' code is in the kernel or could be: by
// /proc/modules and by modules.builtin and modules.dep of /lib/modules/RELEASE.
func (h Host) Modules(names ...string) (map[string]ModuleState, error) {
	release, err := h.Release()
	if err != nil {
		return nil, err
	}
	loaded, _, err := h.listed("/proc/modules")
	if err != nil {
		return nil, err
	}
	builtin, known, err := h.listed("/lib/modules/" + release + "/modules.builtin")
	if err != nil {
		return nil, err
	}
	available, alsoKnown, err := h.listed("/lib/modules/" + release + "/modules.dep")
	if err != nil {
		return nil, err
	}
	states := map[string]ModuleState{}
	for _, n := range names {
		switch {
		case loaded[n] || builtin[n]:
			states[n] = Loaded
		case available[n]:
			states[n] = Available
		case known || alsoKnown:
			states[n] = Missing
		default:
			states[n] = Uncertain
		}
	}
	return states, nil
}

// Locked says whether the kernel loads no modules any more (kernel.modules_disabled).
func (h Host) Locked() bool {
	b, err := os.ReadFile(filepath.Join(h.root, "/proc/sys/kernel/modules_disabled"))
	return err == nil && strings.TrimSpace(string(b)) == "1"
}

// listed has the modules of a list, by the first word of each line: a name, or
// the path of a file. It tells as well whether there is the list.
func (h Host) listed(file string) (map[string]bool, bool, error) {
	text, err := os.ReadFile(filepath.Join(h.root, file)) // at once: a small read of some file systems takes as long as a large one
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("looking for modules: %w", err)
	}
	names := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		base, _, _ := strings.Cut(path.Base(strings.TrimSuffix(word, ":")), ".ko")
		names[strings.ReplaceAll(base, "-", "_")] = true // a file's name may have "-" where the module's has "_"
	}
	return names, true, nil
}
