// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Mellanox/sriovnet"
	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// labCard is the emulated card, and its ports, in legacy mode without VFs.
func labCard(t *testing.T) (context.Context, Card) {
	t.Helper()
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(stop)
	c := observeCard(ctx, t)
	want := map[pci.Address]PortSpec{}
	for _, p := range c.Ports {
		want[p.Address] = PortSpec{VFs: ptr(0), Mode: ptr(legacy), EncapMode: ptr("basic"), Autoprobe: ptr(true), MTU: ptr(1500), Up: ptr(false)}
	}
	reset := func() {
		r, err := Diff([]Card{observeCard(ctx, t)}, want, step.Options{TakeAll: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := run(ctx, r.Steps); err != nil {
			t.Fatal(err)
		}
	}
	reset()
	t.Cleanup(func() {
		if ctx.Err() == nil {
			reset()
		}
	})
	return ctx, observeCard(ctx, t)
}

func observeCard(ctx context.Context, t *testing.T) Card {
	t.Helper()
	for _, c := range observe(ctx, t) {
		if c.Driver == "mlx5_core" {
			return c
		}
	}
	t.Fatal("no card with mlx5_core")
	return Card{}
}

func observe(ctx context.Context, t *testing.T) []Card {
	t.Helper()
	s, err := snapshot.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return Observe(s)
}

// run does the steps as provision does: phase by phase, ports concurrently,
// neighbours of a group in one act.
func run(ctx context.Context, steps []step.Step) error {
	doer := NewDoer()
	for len(steps) > 0 {
		byDevice := map[string][]step.Step{}
		n := 0
		for ; n < len(steps) && steps[n].Phase == steps[0].Phase; n++ {
			byDevice[steps[n].Device] = append(byDevice[steps[n].Device], steps[n])
		}
		var wg sync.WaitGroup
		errs := make(chan error, len(byDevice))
		for _, lane := range byDevice {
			wg.Go(func() {
				for len(lane) > 0 {
					n := 1
					for n < len(lane) && lane[0].Group != "" && lane[n].Group == lane[0].Group {
						n++
					}
					start := time.Now()
					if err := doer.Do(ctx, lane[:n]); err != nil {
						errs <- err
						return
					}
					if os.Getenv("NICWRIGHT_TIMES") != "" {
						fmt.Printf("%8.3fs %s (%d)\n", time.Since(start).Seconds(), lane[0], n)
					}
					lane = lane[n:]
				}
			})
		}
		wg.Wait()
		close(errs)
		var all error
		for err := range errs {
			all = errors.Join(all, err)
		}
		if all != nil {
			return all
		}
		steps = steps[n:]
	}
	return nil
}

// bring plans and applies want on all ports, and expects nothing to be left.
func bring(ctx context.Context, t *testing.T, want map[pci.Address]PortSpec) {
	t.Helper()
	r, err := Diff([]Card{observeCard(ctx, t)}, want, step.Options{})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := run(ctx, r.Steps); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d steps in %s", len(r.Steps), time.Since(start))
	left(ctx, t, want)
}

func left(ctx context.Context, t *testing.T, want map[pci.Address]PortSpec) {
	t.Helper()
	start := time.Now()
	cards := []Card{observeCard(ctx, t)}
	t.Logf("observed in %s", time.Since(start))
	r, err := Diff(cards, want, step.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Steps) != 0 {
		t.Fatalf("left to do after the apply: %v", r.Steps)
	}
}

func everyPort(c Card, s PortSpec) map[pci.Address]PortSpec {
	want := map[pci.Address]PortSpec{}
	for _, p := range c.Ports {
		want[p.Address] = s.Fill(p.Spec())
	}
	return want
}

func ptr[T any](v T) *T { return &v }

// each is the same for all VFs.
func each(vfs int, f FunctionSpec) map[int]FunctionSpec {
	all := map[int]FunctionSpec{}
	for n := range vfs {
		all[n] = f
	}
	return all
}

// ask is a stock tool's answer, read into v.
func ask(t *testing.T, v any, tool string, args ...string) {
	t.Helper()
	out, err := exec.Command(tool, args...).Output()
	if err != nil {
		t.Fatalf("%s %v: %v", tool, args, err)
	}
	if err := json.Unmarshal(out, v); err != nil {
		t.Fatalf("%s %v: %v", tool, args, err)
	}
}

// switchdevSpec changes what can be changed: the card has encap-mode basic at first.
func switchdevSpec(vfs int) PortSpec {
	return PortSpec{
		VFs: &vfs, Mode: ptr(switchdev), EncapMode: ptr("none"), MTU: ptr(2000), Up: ptr(true),
		Functions: each(vfs, FunctionSpec{Driver: ptr("mlx5_core"), RepresentorUp: ptr(true), RepresentorMTU: ptr(1600)}),
	}
}

func TestSwitchdevAsTheStockToolsSeeIt(t *testing.T) {
	ctx, c := labCard(t)
	if len(c.Ports) != 2 || c.Model != "ConnectX-6 Dx" || c.Serial == "" {
		t.Errorf("not one ConnectX-6 Dx with two ports and a serial number: %+v", c)
	}
	const vfs = 4
	bring(ctx, t, everyPort(c, switchdevSpec(vfs)))

	var ports struct {
		Port map[string]struct {
			Flavour, Netdev string
			VFNum           int
		}
	}
	ask(t, &ports, "devlink", "-j", "port", "show")
	for _, p := range c.Ports {
		var dev struct {
			Dev map[string]struct {
				Mode      string
				EncapMode string `json:"encap-mode"`
			}
		}
		ask(t, &dev, "devlink", "-j", "dev", "eswitch", "show", "pci/"+string(p.Address))
		if e := dev.Dev["pci/"+string(p.Address)]; e.Mode != "switchdev" || e.EncapMode != "none" {
			t.Errorf("%s: devlink says %+v", p.Address, e)
		}
		reps := map[int]string{}
		for name, q := range ports.Port {
			if q.Flavour == "pcivf" && strings.HasPrefix(name, "pci/"+string(p.Address)+"/") {
				reps[q.VFNum] = q.Netdev
			}
		}
		if len(reps) != vfs {
			t.Errorf("%s: devlink shows the representors %v", p.Address, reps)
		}
		var links []struct {
			IfName string
			MTU    int
			Flags  []string
		}
		ask(t, &links, "ip", "-j", "link", "show")
		seen := 0
		for _, l := range links {
			for _, r := range reps {
				if l.IfName == r {
					seen++
					if l.MTU != 1600 || !strings.Contains(strings.Join(l.Flags, " "), "UP") {
						t.Errorf("representor %s: ip says %+v", r, l)
					}
				}
			}
		}
		if seen != vfs {
			t.Errorf("%s: ip shows %d of the representors %v", p.Address, seen, reps)
		}
		for n := range vfs {
			link, err := os.Readlink(fmt.Sprintf("/sys/bus/pci/devices/%s/virtfn%d/driver", p.Address, n))
			if err != nil || filepath.Base(link) != "mlx5_core" {
				t.Errorf("%s VF %d: driver %q (%v)", p.Address, n, link, err)
			}
		}
		if b, err := os.ReadFile(fmt.Sprintf("/sys/bus/pci/devices/%s/sriov_drivers_autoprobe", p.Address)); err != nil || string(b) != "1\n" {
			t.Errorf("%s: autoprobe is %q afterwards (%v)", p.Address, b, err)
		}
		// sriovnet's way to a representor, by switch id and port name, has to agree with devlink's ports.
		uplink, err := sriovnet.GetUplinkRepresentor(string(p.Address))
		if err != nil {
			t.Errorf("%s: sriovnet finds no uplink: %v", p.Address, err)
			continue
		}
		for n := range vfs {
			if r, err := sriovnet.GetVfRepresentor(uplink, n); err != nil || r != reps[n] {
				t.Errorf("%s VF %d: sriovnet says %q (%v), devlink %q", p.Address, n, r, err, reps[n])
			}
		}
	}
}

func TestRollbackIsAnApplyOfWhatWas(t *testing.T) {
	ctx, c := labCard(t)
	bring(ctx, t, everyPort(c, PortSpec{VFs: ptr(2), Functions: each(2, FunctionSpec{Driver: ptr("none")})}))
	before := observeCard(ctx, t)
	bring(ctx, t, everyPort(before, switchdevSpec(3)))
	rollback := map[pci.Address]PortSpec{}
	for _, p := range before.Ports {
		rollback[p.Address] = p.Spec()
	}
	bring(ctx, t, rollback)
	after := observeCard(ctx, t)
	if d := cmp.Diff(before, after, cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".Ifindex" || p.Last().String() == ".Carrier" || p.Last().String() == ".Speed"
	}, cmp.Ignore())); d != "" {
		t.Errorf("after the rollback (-before +after):\n%s", d)
	}
}

func TestTheCountChangesInSwitchdev(t *testing.T) {
	ctx, c := labCard(t)
	p := c.Ports[0]
	for _, vfs := range []int{1, 3} {
		bring(ctx, t, map[pci.Address]PortSpec{p.Address: switchdevSpec(vfs).Fill(p.Spec())})
	}
}

// An apply killed after any of its steps is finished by the next, which plans
// from what it sees and fills its want from what was before the first.
func TestAnApplyStoppedAfterAnyStepIsFinishedByTheNext(t *testing.T) {
	ctx, c := labCard(t)
	p := c.Ports[0]
	want := map[pci.Address]PortSpec{p.Address: switchdevSpec(1).Fill(p.Spec())}
	start := map[pci.Address]PortSpec{p.Address: p.Spec()}
	r, err := Diff([]Card{c}, want, step.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range r.Steps {
		if err := run(ctx, r.Steps[:n]); err != nil {
			t.Fatalf("the first %d steps: %v", n, err)
		}
		t.Logf("stopped before %s", r.Steps[n])
		bring(ctx, t, want)
		bring(ctx, t, start)
	}
}

func TestEveryStepMayBeDoneAgain(t *testing.T) {
	ctx, c := labCard(t)
	want := everyPort(c, switchdevSpec(2))
	r, err := Diff([]Card{c}, want, step.Options{})
	if err != nil {
		t.Fatal(err)
	}
	doer := NewDoer()
	for _, s := range r.Steps {
		for range 2 {
			if err := doer.Do(ctx, []step.Step{s}); err != nil {
				t.Fatal(err)
			}
		}
	}
	left(ctx, t, want)
}

func TestRefusalsSayWhatAndWhatToDo(t *testing.T) {
	ctx, c := labCard(t)
	p := c.Ports[0]
	for _, s := range []struct {
		attribute, to, wants string
	}{
		{attrInline, "transport", "inline-mode"},
		{AttrMTU, "9999999", "the kernel says: "},
		{attrVFs, fmt.Sprint(p.TotalVFs + 1), "lower vfs"},
	} {
		err := NewDoer().Do(ctx, []step.Step{{Resource: resource.OfFunction(pci.PF(p.Address)), Attribute: s.attribute, To: step.Text(s.to)}})
		var e *kernel.Error
		if !errors.As(err, &e) || e.Resource != pci.PF(p.Address).String() || !strings.Contains(err.Error(), s.wants) {
			t.Errorf("%s to %s: %v", s.attribute, s.to, err)
		}
		t.Logf("%v", err)
	}
}
