// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
)

func card(serial, bus string, vfs int) CardInfo {
	c := CardInfo{Serial: serial, Model: "ConnectX-6 Dx", VendorID: "15b3", DeviceID: "101d"}
	for _, p := range twoPorts(bus) {
		p.NumVFs = vfs
		c.Ports = append(c.Ports, p)
	}
	return c
}

// twoPorts are the ports of a card at a bus.
func twoPorts(bus string) []PortInfo {
	return []PortInfo{{Address: pci.Address("0001:" + bus + ":00.0")}, {Address: pci.Address("0001:" + bus + ":00.1"), Number: 1}}
}

func TestResolveBuiltIn(t *testing.T) {
	for _, name := range BuiltIn() {
		t.Run(name, func(t *testing.T) {
			p, err := Load(Options{Name: name})
			if err != nil {
				t.Fatal(err)
			}
			before, err := json.Marshal(*p)
			if err != nil {
				t.Fatal(err)
			}
			w, err := Resolve(p, []CardInfo{card("A", "3b", 0), {Model: "ConnectX-5", VendorID: "15b3", DeviceID: "1017"}})
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(w, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			after, err := json.Marshal(*p)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(before), string(after)); diff != "" {
				t.Errorf("Resolve changed the profile:\n%s", diff)
			}
			file := "testdata/resolve/" + name + ".json"
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
			var again Want
			if err := json.Unmarshal(got, &again); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(w, &again, cmpopts.IgnoreUnexported(ovs.Port{}, ovs.Bridge{}, ovs.Spec{})); diff != "" {
				t.Errorf("a want that was saved reads differently (-saved +read):\n%s", diff)
			}
		})
	}
}

func TestSelect(t *testing.T) {
	two := []CardInfo{card("MT1", "3b", 0), card("MT2", "5e", 0)}
	for _, tt := range []struct {
		name, selector string
		cards          []CardInfo
		want           string // the address of port 0, or what the error says
	}{
		{"by the address of a port", `{pci: "0001:5e:00.0"}`, two, "0001:5e:00.0"},
		{"by the address of the other port", `{pci: "0001:5E:00.1"}`, two, "0001:5e:00.0"},
		{"by serial", `{serial: MT1}`, two, "0001:3b:00.0"},
		{"by model in other letters", `{model: connectx-6 dx}`, two[:1], "0001:3b:00.0"},
		{"by vendor and device", `{vendor: 15B3, device: 101d}`, two[:1], "0001:3b:00.0"},
		{"by vendor and device in one", `{vendor: "15b3:101d"}`, two[:1], "0001:3b:00.0"},
		{"all that is given has to hold", `{vendor: "15b3:101d", serial: MT2}`, two, "0001:5e:00.0"},
		{"several match", `{model: ConnectX-6 Dx}`, two, `p.yaml:5:13: card nic0: 2 cards of this host match model ConnectX-6 Dx
    5 |     select: {model: ConnectX-6 Dx}
      |             ^
        tell them apart by pci or serial: 0001:3b:00.0+0001:3b:00.1 (15b3:101d, model ConnectX-6 Dx, serial MT1); 0001:5e:00.0+0001:5e:00.1 (15b3:101d, model ConnectX-6 Dx, serial MT2)`},
		{"none matches", `{pci: "3b:00.0", vendor: 15b3}`, two[:1], `p.yaml:5:13: card nic0: no card of this host matches pci 3b:00.0 and vendor 15b3
    5 |     select: {pci: "3b:00.0", vendor: 15b3}
      |             ^
        this host has: 0001:3b:00.0+0001:3b:00.1 (15b3:101d, model ConnectX-6 Dx, serial MT1)`},
		{"not the device", `{vendor: "15b3:1017"}`, two[:1], "no card of this host matches vendor 15b3:1017"},
		{"not that serial", `{model: ConnectX-6 Dx, serial: mt1}`, two[:1], "no card of this host matches model ConnectX-6 Dx and serial mt1"},
		{"no cards at all", `{serial: MT1}`, nil, "this host has: no card that nicwright knows (is its driver loaded?)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := resolveText(t, "version: 1\nname: p\ncards:\n  - name: nic0\n    select: "+tt.selector+"\n    ports: [{name: p0, port: 0}]\n", tt.cards)
			if err != nil {
				if strings.HasPrefix(tt.want, "0001:") || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got\n%v\nwant in it\n%s", err, tt.want)
				}
				var all Errors
				if !errors.As(err, &all) {
					t.Errorf("%T is not an Errors", err)
				}
				return
			}
			if len(w.Ports) != 1 {
				t.Fatalf("ports: %v", w.Ports)
			}
			for a := range w.Ports {
				if string(a) != tt.want {
					t.Errorf("selected %s, want %s", a, tt.want)
				}
			}
		})
	}
}

func TestResolveErrors(t *testing.T) {
	one := []CardInfo{card("MT1", "3b", 2)}
	head := "version: 1\nname: p\ncards:\n"
	for _, tt := range []struct {
		name, text, want string
	}{
		{
			"a card twice", head + "  - {name: a, select: {serial: MT1}}\n  - {name: b, select: {vendor: 15b3}}\n",
			"p.yaml:5:23: cards a and b are the same card: 0001:3b:00.0+0001:3b:00.1",
		},
		{
			"a port that the card has not", head + "  - {name: a, select: {serial: MT1}, ports: [{name: p, port: 2}]}\n",
			"p.yaml:4:62: port a/p: the card has port 0 (0001:3b:00.0) and port 1 (0001:3b:00.1) and no port 2",
		},
		{
			"a VF beyond those that are there", head + "  - {name: a, select: {serial: MT1}, ports: [{name: p, port: 0}]}\novs: {bridges: [{name: b, ports: [{name: x, vf: a/p/vf1-2}]}]}\n",
			"p.yaml:5:49: port x: a/p has no vf2: it has 2 VFs, vf0..vf1",
		},
		{
			"a proof with a VF beyond", head + "  - {name: a, select: {serial: MT1}, ports: [{name: p, port: 0}]}\nverify: {pairs: [{from: a/p/vf0, to: a/p/vf2}]}\n",
			"p.yaml:5:38: to: a/p has no vf2",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := resolveText(t, tt.text, one)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got\n%v\nwant in it\n%s", err, tt.want)
			}
		})
	}
}

// A profile may leave ports of a card out, but a VF LAG needs them all.
func TestResolveLAGNeedsWholeCard(t *testing.T) {
	four := card("MT1", "3b", 0)
	for i, p := range twoPorts("3c") {
		p.Number = 2 + i
		four.Ports = append(four.Ports, p)
	}
	_, err := resolveText(t, `version: 1
name: p
cards:
  - {name: a, select: {serial: MT1}, ports: [{name: p0, port: 0}, {name: p1, port: 1}]}
bonds:
  - {name: b0, members: [a/p0, a/p1], lag: true}
`, []CardInfo{four})
	for _, want := range []string{"p.yaml:6:44: lag over b0, which has not got port 0001:3c:00.0", "0001:3c:00.1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got\n%v\nwant in it\n%s", err, want)
		}
	}
}

// What is set for every VF goes to the VFs that there are, where the profile does not count them.
func TestResolveCountsPresentVFs(t *testing.T) {
	w, err := resolveText(t, `version: 1
name: p
cards:
  - name: a
    select: {serial: MT1}
    ports:
      - {name: p0, port: 0, vf: {offload: {tls-hw-tx-offload: true}}}
      - {name: p1, port: 1, vfs: 1, vf: {offload: {tls-hw-tx-offload: false}}}
ovs: {bridges: [{name: br, ports: [{name: x, vf: a/p0/vf0-1, tag: 5}, {name: u, uplink: a/p1}]}]}
verify: {pairs: [{from: a/p0/vf1, to: a/p1/vf0}]}
`, []CardInfo{card("MT1", "3b", 2)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"profile":"p","ports":{"0001:3b:00.0":{},"0001:3b:00.1":{"vfs":1}},` +
		`"offload":{"pci/0001:3b:00.0/vf/0":{"tls-hw-tx-offload":true},"pci/0001:3b:00.0/vf/1":{"tls-hw-tx-offload":true},"pci/0001:3b:00.1/vf/0":{"tls-hw-tx-offload":false}},` +
		`"ovs":{"bridges":[{"name":"br","ports":[{"name":"x-vf0","vf":"pci/0001:3b:00.0/vf/0","tag":5},{"name":"x-vf1","vf":"pci/0001:3b:00.0/vf/1","tag":5},{"name":"u","uplink":"pci/0001:3b:00.1"}]}]},` +
		`"verify":{"pairs":[{"from":"pci/0001:3b:00.0/vf/1","to":"pci/0001:3b:00.1/vf/0"}]}}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func resolveText(t *testing.T, text string, cards []CardInfo) (*Want, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("p.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Load(Options{Name: "p.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	return Resolve(p, cards)
}
