// SPDX-License-Identifier: Apache-2.0

package rehearse

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/rehearsal"
)

func TestWriteProfile(t *testing.T) {
	dir := t.TempDir()
	args, env, err := writeProfile(dir, rehearsal.Inside{Name: "vm-host", Layers: []rehearsal.Layer{
		{Source: "builtin:vm-host.yaml", Text: "one"},
		{Source: "/etc/nicwright/profiles.d/vm-host/10.yaml", Text: "two"},
		{Source: "/x.yaml", Text: "three"},
		{Source: rehearsal.Override, Text: "cards.nic0.ports.p0.vfs=4"},
		{Source: rehearsal.Override, Text: "NICWRIGHT_CARDS__NIC0__PORTS__P0__ESWITCH_MODE=legacy"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"profile.yaml": "one", "profiles.d/vm-host/001.yaml": "two", "profiles.d/vm-host/002.yaml": "three"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if got := strings.Join(args, " "); got != "--config-dir "+dir+" -p "+dir+"/profile.yaml --set cards.nic0.ports.p0.vfs=4" {
		t.Errorf("arguments %s", got)
	}
	if len(env) != 1 || !strings.HasPrefix(env[0], "NICWRIGHT_CARDS__") {
		t.Errorf("environment %q", env)
	}
}

func TestWithoutVFIO(t *testing.T) {
	var p document
	text := `{"name":"x","cards":[{"name":"nic0","ports":[
		{"name":"p0","vfs":[{"name":"tenants","vf":"0-5","driver":"vfio-pci"},{"name":"host","vf":"7","driver":"mlx5_core"}]},
		{"name":"p1","vfs":4,"vf":{"driver":"vfio-pci"}}, {"name":"p2"}]}]}`
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	sets, left := p.withoutVFIO()
	if got := strings.Join(sets, " "); got != "--set cards.nic0.ports.p0.vfs.tenants.driver=null --set cards.nic0.ports.p1.vf.driver=null" {
		t.Errorf("settings %s", got)
	}
	if got := strings.Join(left, "; "); got != "nic0/p0 VFs tenants: driver vfio-pci; nic0/p1 VFs: driver vfio-pci" {
		t.Errorf("left out %s", got)
	}
}

func TestFilesAreNamedAsTheOperatorDoes(t *testing.T) {
	what := rehearsal.Inside{Name: "vm-host", Layers: []rehearsal.Layer{{Source: "builtin:vm-host.yaml"}, {Source: "/etc/10.yaml"}, {Source: rehearsal.Override, Text: "a=b"}}}
	said := insideDir + "/profile.yaml:25:30: NW161\n" + insideDir + "/profiles.d/vm-host/001.yaml:1:1: NW101"
	if got := named(said, what); got != "builtin:vm-host.yaml:25:30: NW161\n/etc/10.yaml:1:1: NW101" {
		t.Error(got)
	}
}
