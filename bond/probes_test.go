// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever the kernel's version: what debugfs shows counts.
func TestShowsLAG(t *testing.T) {
	const port = "0000:3b:00.0"
	for name, tt := range map[string]struct {
		dirs       []string
		files      []string
		known, yes bool
		source     string
	}{
		"shown":                    {[]string{"mlx5/" + port + "/lag"}, []string{"mlx5/" + port + "/lag/state"}, true, true, "/lag is there"},
		"an older driver":          {[]string{"mlx5/" + port + "/commands"}, nil, true, false, "and no lag in it"},
		"debugfs is not to be had": {nil, nil, false, false, "it takes root, a mounted debugfs"},
		"a file in the way":        {[]string{"mlx5/" + port}, []string{"mlx5/" + port + "/lag"}, false, false, "not a directory"},
	} {
		debugfs := t.TempDir()
		for _, d := range tt.dirs {
			if err := os.MkdirAll(filepath.Join(debugfs, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for _, f := range tt.files {
			if err := os.WriteFile(filepath.Join(debugfs, f), []byte("disabled\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := ShowsLAG(debugfs, port); got.Known != tt.known || got.Yes != tt.yes || !strings.Contains(got.Source, tt.source) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
