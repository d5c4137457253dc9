// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/pci"
)

func TestLAGOfDebugfs(t *testing.T) {
	const port = pci.Address("0000:3b:00.0")
	for name, c := range map[string]struct {
		files  map[string]string
		want   LAG
		reason string
	}{
		"active":   {map[string]string{"state": "active\n", "type": "switchdev\n", "port_sel_mode": "hash\n"}, LAG{State: LAGActive, Type: "switchdev", PortSelMode: "hash"}, ""},
		"disabled": {map[string]string{"state": "disabled\n"}, LAG{State: LAGDisabled}, ""},
		"no mlx5":  {nil, LAG{State: LAGUnknown}, "is not there: is the port bound to mlx5_core"},
		"no type":  {map[string]string{"state": "active\n"}, LAG{State: LAGUnknown}, "no such file"},
	} {
		root := t.TempDir()
		for f, text := range c.files {
			dir := filepath.Join(root, "mlx5", string(port), "lag")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, f), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := &Snapshot{PFs: []PF{{Address: port, Driver: mlx5}, {Address: "0000:01:00.0", Driver: "igb"}}}
		s.readLAGs(root)
		got := s.LAG[port]
		if !strings.Contains(got.Reason, c.reason) || c.reason == "" && got.Reason != "" {
			t.Errorf("%s: because %q", name, got.Reason)
		}
		got.Reason = ""
		if got != c.want || len(s.LAG) != 1 {
			t.Errorf("%s: got %+v, want %+v", name, s.LAG, c.want)
		}
	}
}
