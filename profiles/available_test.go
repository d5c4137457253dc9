// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const twoCards = `version: 1
name: two
cards:
  - {name: x, select: {serial: X}, ports: [{name: a, port: 0, up: true}, {name: b, port: 1, eswitch-mode: switchdev, vfs: 2}]}
  - {name: y, select: {serial: Y}, ports: [{name: a, port: 0, up: true}, {name: b, port: 1, eswitch-mode: switchdev, vfs: 2}]}
bonds:
  - {name: bond0, mode: active-backup, primary: y/a, members: [x/a, y/a]}
  - {name: bond1, mode: 802.3ad, members: [y/b]}
ovs:
  bridges:
    - name: br0
      ports: [{name: one, bond: bond0}, {name: two, bond: bond1}, {name: up, uplink: x/b}, {name: vm, vf: y/b/vf0-1, tag: 5}, {name: vn, vf: x/b/vf1}]
      flows: [{name: f1, match: in_port=y/b/vf0-1, actions: drop}, {name: f2, match: in_port=x/b/vf1, actions: "output:bond0"}]
verify:
  pairs: [{from: x/b/vf0, to: x/b/vf1}]
`

func TestAvailable(t *testing.T) {
	x, y := card("X", "3b", 0), card("Y", "5e", 0)
	onePort := y
	onePort.Ports = y.Ports[1:]
	for name, tt := range map[string]struct {
		cards    []CardInfo
		noSwitch string
		says     []string
		wants    string // as JSON: the ports, bonds and the ports of the switch
	}{
		"all is there": {cards: []CardInfo{x, y}, wants: `{"bonds":{"bond0":["0001:3b:00.0","0001:5e:00.0"],"bond1":["0001:5e:00.1"]},"flows":3,"ports":["0001:3b:00.0","0001:3b:00.1","0001:5e:00.0","0001:5e:00.1"],"switch":["one","two","up","vm-vf0","vm-vf1","vn"]}`},
		"a card is missing": {
			cards: []CardInfo{x}, says: []string{
				"card y: no card of this host matches serial Y", "bond bond0: without y/a", "bond bond1: none of its members is there",
				"OVS port two of br0: bond1 is not there", "OVS port vm of br0: y/b is not there", "flow f1 of br0: y/b is not there",
			},
			wants: `{"bonds":{"bond0":["0001:3b:00.0"]},"flows":1,"ports":["0001:3b:00.0","0001:3b:00.1"],"switch":["one","up","vn"]}`,
		},
		"a port is missing": {
			cards: []CardInfo{x, onePort}, says: []string{"port y/a: the card has port 1 (0001:5e:00.1) and no port 0", "bond bond0: without y/a"},
			wants: `{"bonds":{"bond0":["0001:3b:00.0"],"bond1":["0001:5e:00.1"]},"flows":3,"ports":["0001:3b:00.0","0001:3b:00.1","0001:5e:00.1"],"switch":["one","two","up","vm-vf0","vm-vf1","vn"]}`,
		},
		"no switch": {
			cards: []CardInfo{x, y}, noSwitch: "it does not run", says: []string{"Open vSwitch: it does not run"},
			wants: `{"bonds":{"bond0":["0001:3b:00.0","0001:5e:00.0"],"bond1":["0001:5e:00.1"]},"flows":0,"ports":["0001:3b:00.0","0001:3b:00.1","0001:5e:00.0","0001:5e:00.1"],"switch":null}`,
		},
		"nothing is there": {says: []string{
			"card x: no card of this host matches serial X", "card y: no card of this host matches serial Y",
			"bond bond0: none of its members is there", "bond bond1: none of its members is there",
			"OVS port one of br0: bond0 is not there", "OVS port two of br0: bond1 is not there", "OVS port up of br0: x/b is not there",
			"OVS port vm of br0: y/b is not there", "OVS port vn of br0: x/b is not there",
			"flow f1 of br0: y/b is not there", "flow f2 of br0: x/b is not there",
		}, wants: `{"bonds":{},"flows":0,"ports":[],"switch":[]}`},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "two.yaml")
			if err := os.WriteFile(file, []byte(twoCards), 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := Load(Options{Name: file})
			if err != nil {
				t.Fatal(err)
			}
			before, err := p.YAML(false)
			if err != nil {
				t.Fatal(err)
			}
			less, said, err := p.Available(tt.cards, tt.noSwitch)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(said, tt.says) {
				t.Errorf("it says\n%s\nwant\n%s", strings.Join(said, "\n"), strings.Join(tt.says, "\n"))
			}
			if after, err := p.YAML(false); err != nil || string(after) != string(before) {
				t.Errorf("the profile itself was changed: %v\n%s", err, after)
			}
			if (less.Verify == nil) != (len(tt.says) > 0) {
				t.Errorf("verify: %+v", less.Verify)
			}
			w, err := Resolve(less, tt.cards)
			if err != nil {
				t.Fatal(err)
			}
			bonds, ports := map[string][]string{}, []string{}
			var on []string
			for _, b := range w.Bonds {
				bonds[b.Name] = b.Members
				if b.Primary != nil && !slices.Contains(b.Members, *b.Primary) {
					t.Errorf("the primary of %s is %s, which is no member", b.Name, *b.Primary)
				}
			}
			for a := range w.Ports {
				ports = append(ports, string(a))
			}
			slices.Sort(ports)
			if w.OVS != nil {
				on = []string{}
				for _, p := range w.OVS.Bridges[0].Ports {
					on = append(on, p.Name)
				}
			}
			got, err := json.Marshal(map[string]any{"bonds": bonds, "flows": len(w.Flows), "ports": ports, "switch": on})
			if err != nil || string(got) != tt.wants {
				t.Errorf("%v\n%s\nwant\n%s", err, got, tt.wants)
			}
		})
	}
}
