// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/kconfig/kconfigtest"
)

// What debugfs shows counts, whatever the kernel calls itself; where it is not to
// be had, a version says yes, or nothing.
func TestShowsLAG(t *testing.T) {
	const (
		port     = "0000:3b:00.0"
		rhel8    = "4.18.0-553.el8_10.x86_64"
		mainline = "7.3.0-amd64"
	)
	for _, tt := range []struct {
		name, release string
		dirs, files   []string
		known, yes    bool
		source        string
	}{
		{"4.18 that shows it", rhel8, []string{"mlx5/" + port + "/lag"}, []string{"mlx5/" + port + "/lag/state"}, true, true, "/lag is there"},
		{"7.3 that does not", mainline, []string{"mlx5/" + port + "/commands"}, nil, true, false, "and no lag in it"},
		{"debugfs is not to be had", rhel8, nil, nil, false, false, "a mounted debugfs, and a kernel that is not locked down; mainline has it from Linux 6.0 on, and this is 4.18.0-553"},
		{"nor on a newer kernel", mainline, nil, nil, true, true, "from 6.0 on, and this is 7.3"},
		{"a file in the way", rhel8, []string{"mlx5/" + port}, []string{"mlx5/" + port + "/lag"}, false, false, "not a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
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
			k := kconfigtest.Host(t, tt.release, nil).Ask()
			if got := ShowsLAG(k, debugfs, port); got.Known != tt.known || got.Yes != tt.yes || !strings.Contains(got.Source, tt.source) {
				t.Errorf("got %+v", got)
			}
		})
	}
}
