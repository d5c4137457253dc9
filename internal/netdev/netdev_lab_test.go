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

	"github.com/nicwright/nicwright/internal/pci"
)

const (
	port0 = "0001:3b:00.0"
	port1 = "0001:3b:00.1"
)

func TestAllAgreesWithTheDevlinkTool(t *testing.T) {
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	numVFs := func(pf, n string) {
		if err := os.WriteFile("/sys/bus/pci/devices/"+pf+"/sriov_numvfs", []byte(n), 0); err != nil {
			t.Fatal(err)
		}
	}
	mode := func(mode string) {
		if out, err := exec.Command("devlink", "dev", "eswitch", "set", "pci/"+port0, "mode", mode).CombinedOutput(); err != nil {
			t.Fatalf("mode %s: %v: %s", mode, err, out)
		}
	}
	t.Cleanup(func() { mode("legacy"); numVFs(port0, "0"); numVFs(port1, "0") })
	t.Run("ports alone", func(t *testing.T) { agrees(t, 2) })
	numVFs(port0, "2")
	numVFs(port1, "3")
	t.Run("VFs in legacy mode", func(t *testing.T) { agrees(t, 2+2+3) })
	mode("switchdev")
	t.Run("one port in switchdev", func(t *testing.T) { agrees(t, 2+2+3+2) })
}

// agrees compares what All says with what devlink says of the card's netdevs.
func agrees(t *testing.T, netdevs int) {
	t.Helper()
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
	if len(want) != netdevs {
		t.Errorf("devlink shows %d netdevs, the card has %d: %s", len(want), netdevs, raw)
	}
	for name, f := range want {
		if got[name] != f {
			t.Errorf("%s: got %q, devlink says %q", name, got[name], f)
		}
	}
	t.Logf("%d netdevs: %v", len(got), got)
}
