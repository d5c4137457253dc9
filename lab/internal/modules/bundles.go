// SPDX-License-Identifier: Apache-2.0

package modules

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/lab/internal/sandbox"
)

// objects is a make file that says which objects the module of a directory is made
// of, with the kernel's configuration and the options of the command line.
const objects = `include /lib/modules/%[1]s/build/include/config/auto.conf
include /lab/build/%[2]s/Makefile
list: ; @echo $(sort $(%[3]s-y) $(%[3]s-m))
`

// bundle writes sources that include others, as the file of bundles says (a line
// each), and gives the objects that the module is made of then: most of the time of
// a compilation is that of the kernel's headers, which are read once for a bundle.
// What the file does not name is compiled by itself, and what the kernel does not
// have is left out.
func (b *Builder) bundle(ctx context.Context, box sandbox.Box, r recipe, work string) (string, error) {
	text, err := os.ReadFile(r.bundles)
	if err != nil {
		return "", fmt.Errorf("read what is compiled together: %w", err)
	}
	module := strings.TrimSuffix(r.result, ".ko")
	list := filepath.Join(work, "list.mk")
	if err := os.WriteFile(list, fmt.Appendf(nil, objects, b.Kernel.Release, r.dir, module), 0o644); err != nil {
		return "", fmt.Errorf("write a make file: %w", err)
	}
	out, err := box.Run(ctx, append([]string{"make", "-s", "-f", "/lab/build/list.mk"}, append(slices.Clone(r.options), "list")...)...)
	if err != nil {
		return "", fmt.Errorf("ask what %s is made of: %w", r.result, err)
	}
	left := map[string]bool{}
	for _, o := range strings.Fields(out) {
		left[o] = true
	}
	var bundles []string
	for n, line := range strings.Split(string(text), "\n") {
		var source strings.Builder
		for _, name := range strings.Fields(line) {
			if left[name+".o"] {
				delete(left, name+".o")
				fmt.Fprintf(&source, "#include \"%s.c\"\n", name)
			}
		}
		if source.Len() == 0 {
			continue
		}
		name := fmt.Sprintf("bundle-%d", n)
		if err := os.WriteFile(filepath.Join(work, r.dir, name+".c"), []byte(source.String()), 0o644); err != nil {
			return "", fmt.Errorf("write a bundle of sources: %w", err)
		}
		bundles = append(bundles, name+".o")
	}
	return strings.Join(append(bundles, slices.Sorted(maps.Keys(left))...), " "), nil
}
