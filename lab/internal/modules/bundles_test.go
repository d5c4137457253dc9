// SPDX-License-Identifier: Apache-2.0

package modules

import (
	"os"
	"strings"
	"testing"
)

// A source that stood in two bundles would be linked twice.
func TestEachSourceIsInOneBundle(t *testing.T) {
	text, err := os.ReadFile("../../connectx/mlx5/" + bundlesFile)
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]int{}
	for n, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		for _, name := range strings.Fields(line) {
			if first, twice := in[name]; twice {
				t.Errorf("%s is in the bundles %d and %d", name, first, n)
			}
			in[name] = n
		}
	}
	if len(in) < 100 {
		t.Errorf("only %d sources are compiled together", len(in))
	}
}
