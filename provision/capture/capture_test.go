// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/journal"
)

// hosts are those of testdata and of provision's, by file.
func hosts(t *testing.T) map[string]provision.Host {
	t.Helper()
	all := map[string]provision.Host{}
	for _, pattern := range []string{"../testdata/hosts/*.yaml", "testdata/lived*/have.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no hosts: %v", pattern, err)
		}
		for _, f := range files {
			name := strings.TrimSuffix(filepath.Base(f), ".yaml")
			if name == "have" {
				name = filepath.Base(filepath.Dir(f))
			}
			var h provision.Host
			golden.Read(t, f, &h)
			all[name] = h
		}
	}
	return all
}

// managed are the netdevs of the hosts that somebody looks after.
var managed = map[string]Managed{"lived-addresses": {"eth1": "NetworkManager"}}

// What is captured of a host (testdata/NAME/profile.yaml) is a profile that loads, breaks no rule and
// plans to nothing there.
func TestCapturedPlansToNothing(t *testing.T) {
	for dir, h := range hosts(t) {
		name := dir
		t.Run(dir, func(t *testing.T) {
			if owner := Owner(h); owner != "" {
				name = owner
			}
			d, err := Of(h, managed[dir], set, name)
			if err != nil {
				t.Fatal(err)
			}
			text, err := d.YAML("host " + dir)
			if err != nil {
				t.Fatal(err)
			}
			golden.Text(t, filepath.Join("testdata", dir, "profile.yaml"), string(text))
			for _, step := range planned(t, h, text) {
				t.Error(step)
			}
		})
	}
}

// planned are the steps of a profile on a host.
func planned(t *testing.T, h provision.Host, text []byte) []string {
	t.Helper()
	r := &provision.Road{Journal: journal.Dir(filepath.Join(t.TempDir(), "state")), Have: h, Boot: "b", Tool: "t"}
	steps, err := Check(r, profiles.Facts{Cards: h.CardInfos()}, text)
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

func TestRefusals(t *testing.T) {
	h := hosts(t)["small"]
	if _, err := Of(provision.Host{}, nil, set, "x"); err == nil || !strings.Contains(err.Error(), "no card with the driver mlx5_core") {
		t.Errorf("a host without cards: %v", err)
	}
	if _, err := Of(h, nil, set, "x", pci.Address("0000:01:00.0")); err == nil || !strings.Contains(err.Error(), "no card on this host has such a port") {
		t.Errorf("a card that is not there: %v", err)
	}
	if d, err := Of(h, nil, set, "x", h.Cards[0].Ports[1].Address); err != nil || len(d.Cards) != 1 {
		t.Errorf("a card by its second port: %v, %v", d, err)
	}
}

// What is not as it was captured is told: no check says that all is well by itself.
func TestCheckTells(t *testing.T) {
	h := hosts(t)["small"]
	d, err := Of(h, nil, set, "small")
	if err != nil {
		t.Fatal(err)
	}
	d.Bonds[0].LACPRate = new("slow")
	text, err := d.YAML("x")
	if err != nil {
		t.Fatal(err)
	}
	if steps := planned(t, h, text); len(steps) == 0 || !strings.Contains(steps[0], "lacp_rate") {
		t.Errorf("a plan of %q", steps)
	}
	if _, err := Check(&provision.Road{Have: h}, profiles.Facts{Cards: h.CardInfos()}, []byte("version: 1\nname: x\ncards: []\n")); err == nil {
		t.Error("a profile that breaks a rule passes")
	}
}

// A name on the host cannot end the comment that it stands in.
func TestCommentsHold(t *testing.T) {
	d := Document{Version: 1, Name: "x", Left: []Left{{"bond a\nversion: 2", "b\u2028c\r"}}}
	text, err := d.YAML("host\nname: y")
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		if strings.Contains(l, "version: 2") && !strings.HasPrefix(l, "# ") || strings.Contains(l, "name: y") && !strings.HasPrefix(l, "# ") {
			t.Errorf("a name got out of its comment: %s", l)
		}
	}
}

// A netdev is a network manager's by what that keeps of it, and not by there being one.
func TestManagers(t *testing.T) {
	root := t.TempDir()
	for file, text := range map[string]string{
		"run/NetworkManager/devices/2": "[device]\nmanaged=true\nconnection-uuid=0d1e\n",
		"run/NetworkManager/devices/3": "[device]\nmanaged=false\n",
		"run/systemd/netif/links/3":    "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/20-nic.network\n",
		"run/systemd/netif/links/4":    "ADMIN_STATE=unmanaged\nNETWORK_FILE=\n",
	} {
		path := filepath.Join(root, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := &snapshot.Snapshot{Links: []rtlink.Link{{Index: 2, Name: "a"}, {Index: 3, Name: "b"}, {Index: 4, Name: "c"}, {Index: 5, Name: "d"}}}
	if d := cmp.Diff(Managed{"a": "NetworkManager", "b": "systemd-networkd"}, Managers(root, s)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// set is the one attribute that an operation in force has set, on whatever host.
func set(_ resource.ID, attribute string) bool { return attribute == "params io_eq_size driverinit" }
