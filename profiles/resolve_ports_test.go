// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nicwright/nicwright/eswitch/ovs"
)

const onePort = `version: 1
name: p
cards:
  - name: a
    select: {serial: MT1}
    ports:
`

const twoMembers = `version: 1
name: p
cards:
  - name: a
    select: {serial: MT1}
`

func TestResolveVFsAndBonds(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		vfs        int // that there are now
		want       string
	}{
		{
			"every VF has its own spec", onePort + `      - name: p
        port: 0
        vf: {driver: mlx5_core, vlan: 5, offload: {tls-hw-tx-offload: true, tls-hw-rx-offload: true}}
        vfs:
          - {name: user, vf: 0-1, driver: vfio-pci}
          - {name: storage, vf: "3", mac: 02:00:00:00:00:AA, vlan: 6, offload: {tls-hw-rx-offload: false}}
`, 0,
			`{"profile":"p","ports":{"0001:3b:00.0":{"vfs":4,"functions":{"0":{"driver":"vfio-pci","vlan":5},"1":{"driver":"vfio-pci","vlan":5},"2":{"driver":"mlx5_core","vlan":5},"3":{"driver":"mlx5_core","mac":"02:00:00:00:00:aa","vlan":6}}}},` +
				`"offload":{"pci/0001:3b:00.0/vf/2":{"tls-hw-tx-offload":true,"tls-hw-rx-offload":true},"pci/0001:3b:00.0/vf/3":{"tls-hw-tx-offload":true,"tls-hw-rx-offload":false}}}`,
		},
		{
			"VFs of which nothing is said have no spec", onePort + `      - {name: p, port: 0, vfs: [{name: x, vf: "1", trust: true}, {name: y, vf: "2"}]}
`, 0, `{"profile":"p","ports":{"0001:3b:00.0":{"vfs":3,"functions":{"1":{"trust":true}}}}}`,
		},
		{
			"the VFs that there are, where the profile does not count them", onePort + `      - {name: p, port: 1, vf: {trust: true}}
`, 2, `{"profile":"p","ports":{"0001:3b:00.1":{"functions":{"0":{"trust":true},"1":{"trust":true}}}}}`,
		},
		{
			"a port of the switch may be taken from where its bond or uplink may", twoMembers + `    ports: [{name: p, port: 0}, {name: q, port: 1, take-from: br-ex}]
bonds: [{name: b0, members: [a/p], take-from: vmbr0}]
ovs: {bridges: [{name: br, ports: [{name: x, bond: b0}, {name: y, uplink: a/q}]}]}
`, 0, `{"profile":"p","ports":{"0001:3b:00.0":{},"0001:3b:00.1":{"take-from":"br-ex"}},"bonds":[{"name":"b0","members":["0001:3b:00.0"],"take-from":"vmbr0"}],` +
				`"ovs":{"bridges":[{"name":"br","ports":[{"name":"x","bond":"b0","take-from":"vmbr0"},{"name":"y","uplink":"pci/0001:3b:00.1","take-from":"br-ex"}]}]}}`,
		},
		{
			"members follow their bond", twoMembers + `    ports: [{name: p, port: 0, mtu: 9000}, {name: q, port: 1}]
bonds: [{name: b0, mtu: 9000, up: true, members: [a/p, a/q]}]
`, 0, `{"profile":"p","ports":{"0001:3b:00.0":{"mtu":9000,"up":true},"0001:3b:00.1":{"mtu":9000,"up":true}},` +
				`"bonds":[{"name":"b0","mtu":9000,"up":true,"members":["0001:3b:00.0","0001:3b:00.1"]}]}`,
		},
		{
			"a bond that says nothing follows its members", twoMembers + `    ports: [{name: p, port: 0}, {name: q, port: 1, mtu: 9000, up: true}]
bonds: [{name: b0, members: [a/p, a/q]}]
`, 0, `{"profile":"p","ports":{"0001:3b:00.0":{"mtu":9000,"up":true},"0001:3b:00.1":{"mtu":9000,"up":true}},` +
				`"bonds":[{"name":"b0","mtu":9000,"up":true,"members":["0001:3b:00.0","0001:3b:00.1"]}]}`,
		},
		{
			"members, their primary and where they may be taken from are PCI addresses", twoMembers + `    ports: [{name: p, port: 0, take-from: vmbr0}, {name: q, port: 1}]
bonds: [{name: b0, take-from: vmbr1, take-addresses: true, primary: a/q, members: [a/p, a/q]}]
`, 0, `{"profile":"p","ports":{"0001:3b:00.0":{"take-from":"vmbr0"},"0001:3b:00.1":{}},` +
				`"bonds":[{"name":"b0","primary":"0001:3b:00.1","members":["0001:3b:00.0","0001:3b:00.1"],"take-from":"vmbr1","take-addresses":true,"take-from-of":{"0001:3b:00.0":"vmbr0"}}]}`,
		},
		{
			"no members is another thing than members left alone", twoMembers + `    ports: [{name: p, port: 0}]
bonds: [{name: b0, members: []}, {name: b1}, {name: b2, primary: a/p}, {name: b3, primary: ""}]
`, 0, `{"profile":"p","ports":{"0001:3b:00.0":{}},"bonds":[{"name":"b0","members":[]},{"name":"b1"},{"name":"b2","primary":"0001:3b:00.0"},{"name":"b3","primary":""}]}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := resolveText(t, tt.text, []CardInfo{card("MT1", "3b", tt.vfs)})
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(w)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, string(got)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			var again Want
			if err := json.Unmarshal(got, &again); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(w, &again, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(ovs.Port{})); d != "" {
				t.Errorf("a want that was saved reads differently (-saved +read):\n%s", d)
			}
			for i, b := range w.Bonds {
				if (b.Members == nil) != (again.Bonds[i].Members == nil) {
					t.Errorf("members of %s: %#v was saved, and %#v read", b.Name, b.Members, again.Bonds[i].Members)
				}
			}
		})
	}
}

// A port is known by its number: with function .0 gone, port 0 is not there, and
// port 1 is still port 1, wherever it stands in the list.
func TestResolvePortsByTheirNumber(t *testing.T) {
	gone := card("MT1", "3b", 0)
	gone.Ports = gone.Ports[1:]
	turned := card("MT1", "3b", 0)
	turned.Ports[0], turned.Ports[1] = turned.Ports[1], turned.Ports[0]
	none := card("MT1", "3b", 0)
	none.Ports = nil
	for _, tt := range []struct {
		name string
		card CardInfo
		port string
		want string // the address, or what the error says
	}{
		{"port 0 is gone", gone, "0", "p.yaml:7:25: port a/p: the card has port 1 (0001:3b:00.1) and no port 0"},
		{"port 1 is there", gone, "1", "0001:3b:00.1"},
		{"in another order", turned, "0", "0001:3b:00.0"},
		{"no ports at all", none, "0", "port a/p: the card has no ports and no port 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := resolveText(t, onePort+"      - {name: p, port: "+tt.port+"}\n", []CardInfo{tt.card})
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q in it", err, tt.want)
				}
				return
			}
			for a := range w.Ports {
				if string(a) != tt.want {
					t.Errorf("resolved to %s, want %s", a, tt.want)
				}
			}
		})
	}
}
