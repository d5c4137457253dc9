// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/step"
)

// netdevsim is a device nobody here wrote: the same plan has to bring it there.
func TestSwitchdevOnNetdevsim(t *testing.T) {
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	if err := os.WriteFile("/sys/bus/netdevsim/new_device", []byte("10 1"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile("/sys/bus/netdevsim/del_device", []byte("10"), 0); err != nil {
			t.Error(err)
		}
	})
	const a = pci.Address("netdevsim/netdevsim10")
	apply := func(s PortSpec) Port {
		r, err := Diff(observe(ctx, t), map[pci.Address]PortSpec{a: s}, step.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := run(ctx, r.Steps); err != nil {
			t.Fatal(err)
		}
		cards := observe(ctx, t)
		if r, err = Diff(cards, map[pci.Address]PortSpec{a: s}, step.Options{}); err != nil || len(r.Steps) != 0 {
			t.Fatalf("left to do after the apply: %v, %v", r.Steps, err)
		}
		for _, c := range cards {
			for _, p := range c.Ports {
				if p.Address == a {
					return p
				}
			}
		}
		t.Fatalf("%s is not among %+v", a, cards)
		return Port{}
	}
	apply(PortSpec{VFs: ptr(3), Mode: ptr(switchdev), Up: ptr(true), Functions: each(3, FunctionSpec{RepresentorUp: ptr(true)})})
	// netdevsim goes back to legacy with the last VF, and the plan has to know.
	p := apply(PortSpec{VFs: ptr(2)})
	if p.Mode != switchdev {
		t.Errorf("the mode is %q", p.Mode)
	}
	var dev struct {
		Dev map[string]struct{ Mode string }
	}
	ask(t, &dev, "devlink", "-j", "dev", "eswitch", "show", string(a))
	var ports struct {
		Port map[string]struct{ Flavour, Netdev string }
	}
	ask(t, &ports, "devlink", "-j", "port", "show")
	reps := 0
	for _, q := range ports.Port {
		if q.Flavour == "pcivf" && q.Netdev != "" {
			reps++
		}
	}
	if dev.Dev[string(a)].Mode != "switchdev" || reps != 2 {
		t.Errorf("devlink says %+v, and %d representors", dev, reps)
	}
	if p := apply(PortSpec{VFs: ptr(0), Mode: ptr(legacy)}); len(p.VFs) != 0 || p.Mode != legacy {
		t.Errorf("back in legacy: %+v", p)
	}
}
