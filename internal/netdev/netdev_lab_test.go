// SPDX-License-Identifier: Apache-2.0

package netdev

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"nicwright/internal/pci"
)

func TestAllAgreesWithTheDevlinkTool(t *testing.T) {
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	raw, err := exec.Command("devlink", "-j", "port", "show").Output()
	if err != nil {
		t.Fatal(err)
	}
	var tool struct {
		Port map[string]struct {
			Flavour, Netdev string
			VFNum           int `json:"vfnum"`
		}
	}
	if err := json.Unmarshal(raw, &tool); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for name, p := range tool.Port {
		dev, _, _ := strings.Cut(strings.TrimPrefix(name, "pci/"), "/")
		if p.Flavour != "pcivf" { // the PCI function, by another path: ethtool's bus-info
			out, err := exec.Command("ethtool", "-i", p.Netdev).Output()
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range strings.Split(string(out), "\n") {
				if info, ok := strings.CutPrefix(line, "bus-info: "); ok {
					dev = info
				}
			}
		}
		a := pci.Address(dev)
		switch p.Flavour {
		case "physical":
			want[p.Netdev] = pci.PF(a).String()
		case "pcivf":
			want[p.Netdev] = pci.VF(a, p.VFNum).String() + " representor"
		case "virtual":
			// A VF's place: the virtfn links of its PF.
			out, err := exec.Command("sh", "-c", "for l in /sys/bus/pci/devices/"+dev+"/physfn/virtfn*; do "+
				`[ "$(basename $(readlink $l))" = `+dev+` ] && echo $(basename $(readlink $(dirname $l))) ${l##*virtfn}; done; :`).Output()
			if err != nil {
				t.Fatal(err)
			}
			f := strings.Fields(string(out))
			if len(f) != 2 {
				t.Fatalf("%s: %q", dev, out)
			}
			want[p.Netdev] = "pci/" + f[0] + "/vf/" + f[1]
		}
	}
	delete(want, "")
	got := map[string]string{}
	all, err := All(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		s := l.Function.String()
		if l.Representor {
			s += " representor"
		}
		got[l.Name] = s
	}
	for _, l := range all {
		one, err := OfFunction(context.Background(), l.Function)
		if l.Representor {
			one, err = Representor(context.Background(), l.Function)
		}
		if err != nil || one != l {
			t.Errorf("one by one %+v (%v), all at once %+v", one, err, l)
		}
	}
	if _, err := Representor(context.Background(), pci.VF("0000:ff:1f.7", 3)); !errors.Is(err, ErrNone) {
		t.Errorf("the representor of a VF that is not there: %v", err)
	}
	if len(got) == 0 {
		t.Fatal("no netdevs of the card")
	}
	for name, f := range want {
		if got[name] != f {
			t.Errorf("%s: got %q, devlink says %q", name, got[name], f)
		}
	}
	t.Logf("%d netdevs: %v", len(got), got)
}
