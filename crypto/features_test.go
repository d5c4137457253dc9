// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

const testPF = pci.Address("0001:3b:00.0")

func TestDiff(t *testing.T) { golden.Diff(t, Diff) }

// To want what was observed changes nothing: a rollback to the present is empty.
func TestSpecOfAStateIsNoStep(t *testing.T) {
	f := pci.PF(testPF)
	have := map[pci.Function]State{
		f: {Netdev: "x", Features: map[string]Feature{
			featTLSTx: {Hardware: true, Wanted: true, Active: false}, featTLSRx: {Hardware: true},
			featESP: {Active: true, Fixed: true}, featTC: {Hardware: true, Wanted: true, Active: true},
		}},
		pci.VF(testPF, 0): {Absent: "its netdev is in another network namespace"},
	}
	want := Specs(have)
	if spec := want[f]; len(want) != 1 || spec.ESP != nil || spec.TC == nil || !*spec.TC {
		t.Errorf("got %+v", want)
	}
	r, err := Diff(have, want, nil, step.Options{})
	if err != nil || len(r.Steps)+len(r.Left) != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestObserveSaysWhyThereIsNoNetdev(t *testing.T) {
	vf := func(n int) pci.Function { return pci.VF(testPF, n) }
	sf := uint32(88)
	s := &snapshot.Snapshot{
		Netdevs: []netdev.Link{
			{Name: "p0", Index: 2, Function: pci.PF(testPF)},
			{Name: "vf0", Index: 3, Function: vf(0)},
			{Name: "p0sf88", Index: 9, Function: pci.PF(testPF), SF: &sf},
			{Name: "pf0vf0", Index: 4, Function: vf(0), Representor: true},
		},
		PFs: []snapshot.PF{{Address: testPF, Driver: "mlx5_core", VFs: []snapshot.VF{
			{Address: "0001:3b:00.2", Driver: "mlx5_core"},
			{Address: "0001:3b:00.3", Driver: "mlx5_core"},
			{Address: "0001:3b:00.4", Driver: "vfio-pci"},
			{Address: "0001:3b:00.5"},
		}}, {Address: "netdevsim/netdevsim1", Driver: "", VFs: make([]snapshot.VF, 1)}},
	}
	got := map[string]string{}
	for fn, state := range Observe(s) {
		got[fn.String()] = state.Netdev + state.Absent
	}
	want := map[string]string{
		"pci/0001:3b:00.0": "p0", "pci/0001:3b:00.0/vf/0": "vf0",
		"pci/0001:3b:00.0/vf/1": "its netdev is in another network namespace",
		"pci/0001:3b:00.0/vf/2": "its driver is vfio-pci, which makes no netdev here",
		"pci/0001:3b:00.0/vf/3": "it has no driver, and so no netdev",
		"netdevsim/netdevsim1":  "it has no driver, and so no netdev",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestFillKeepAndLay(t *testing.T) {
	on, off := true, false
	pf, vf, other := pci.PF(testPF), pci.VF(testPF, 0), pci.VF(testPF, 1)
	under := map[pci.Function]Spec{pf: {TC: &on}, vf: {TLSTx: &off, TLSRx: &on}, other: {TC: &on}}
	over := map[pci.Function]Spec{pf: {TLSTx: &off}, vf: {TLSTx: &on}}
	for name, tt := range map[string]struct{ got, want map[pci.Function]Spec }{
		"Fill asks softly for what VFs had": {Fill(over, under, nil), map[pci.Function]Spec{
			pf: {TLSTx: &off}, vf: {TLSTx: &on, Before: &Spec{TLSRx: &on}}, other: {Before: &Spec{TC: &on}},
		}},
		"twice is once": {Fill(Fill(over, under, nil), under, nil), Fill(over, under, nil)},
		"what was filled fills": {Fill(nil, map[pci.Function]Spec{vf: {TLSTx: &on, Before: &Spec{TLSRx: &on}}}, nil), map[pci.Function]Spec{
			vf: {Before: &Spec{TLSTx: &on, TLSRx: &on}},
		}},
		"Lay asks for both": {Lay(over, under), map[pci.Function]Spec{
			pf: {TLSTx: &off, TC: &on}, vf: {TLSTx: &on, TLSRx: &on}, other: {TC: &on},
		}},
		"Keep is what was touched": {
			Keep(under, func(id resource.ID, attribute string) bool {
				return id == resource.OfNetdev(vf) && attribute == featTLSRx
			}),
			map[pci.Function]Spec{vf: {TLSRx: &on}},
		},
	} {
		if d := cmp.Diff(tt.want, tt.got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// fakeKernel has netdevs and their features, and counts what is asked of it.
type fakeKernel struct {
	links           map[pci.Function]int // ifindex
	refuse          map[int]string       // a feature that a netdev does not take
	errs            []error              // of the next Sets
	finds, sets     int
	dials, closes   int
	asked           map[int]map[string]bool
	gets, deadlines int
}

func (k *fakeKernel) With(_ context.Context, fn pci.Function, _ bool, act func(netdev.Link) error) error {
	k.finds++
	i, ok := k.links[fn]
	if !ok {
		return fmt.Errorf("looking for the netdev of %s: %w", fn, netdev.ErrNone)
	}
	return act(netdev.Link{Name: fmt.Sprintf("eth%d", i), Index: i, Function: fn})
}

func (k *fakeKernel) Set(index int, want map[string]bool) (ethtool.Change, error) {
	k.sets++
	if len(k.errs) > 0 {
		err := k.errs[0]
		k.errs = k.errs[1:]
		return ethtool.Change{}, err
	}
	k.asked[index] = maps.Clone(want)
	c := ethtool.Change{Refused: map[string]bool{}}
	if name, ok := k.refuse[index]; ok {
		c.Refused[name] = !want[name]
	}
	return c, nil
}

func (k *fakeKernel) Get(int) (ethtool.Features, error) { k.gets++; return ethtool.Features{}, nil }
func (k *fakeKernel) Until(context.Context) error       { k.deadlines++; return nil }
func (k *fakeKernel) Close() error                      { k.closes++; return nil }

func (k *fakeKernel) doer() *Doer {
	k.asked = map[int]map[string]bool{}
	return &Doer{finder: k, dial: func(context.Context) (client, error) { k.dials++; return k, nil }}
}

// manyVFs is a kernel with n VFs, and the steps that turn both TLS switches of all on.
func manyVFs(n int) (*fakeKernel, []step.Step) {
	k := &fakeKernel{links: map[pci.Function]int{}}
	var steps []step.Step
	for i := range n {
		fn := pci.VF(testPF, i)
		k.links[fn] = 10 + i
		for _, name := range []string{featTLSTx, featTLSRx} {
			steps = append(steps, step.Step{Resource: resource.OfNetdev(fn), Attribute: name, To: step.Text("on")})
		}
	}
	return k, steps
}

// One socket for all, one request for each netdev, and no dump.
func TestDoerIsLinearInVFs(t *testing.T) {
	k, steps := manyVFs(127)
	d := k.doer()
	if err := d.Do(t.Context(), steps); err != nil {
		t.Fatal(err)
	}
	if k.dials != 1 || k.sets != 127 || k.gets != 0 || k.deadlines != 127 {
		t.Errorf("%d dials, %d sets, %d gets, %d deadlines", k.dials, k.sets, k.gets, k.deadlines)
	}
	if d := cmp.Diff(map[string]bool{featTLSTx: true, featTLSRx: true}, k.asked[10]); d != "" {
		t.Error(d)
	}
	if err := d.Close(); err != nil || k.closes != 1 {
		t.Errorf("%v, %d closed", err, k.closes)
	}
}

func TestDoerSaysWhatWasRefusedAndGoesOn(t *testing.T) {
	k, steps := manyVFs(3)
	delete(k.links, pci.VF(testPF, 0))
	k.refuse = map[int]string{11: featTLSRx}
	err := k.doer().Do(t.Context(), steps)
	for _, want := range []string{
		"setting the offload switches of pci/0001:3b:00.0/vf/0: ", "is its driver bound",
		"setting tls-hw-rx-offload of pci/0001:3b:00.0/vf/1 (eth11) to on: it is fixed off: the kernel's mlx5_core was built without MLX5_EN_TLS",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if len(k.asked) != 2 {
		t.Errorf("asked %v", k.asked)
	}
}

// An answer that did not come in time could be taken for that to the next request.
func TestDoerDialsAgainAfterNoAnswer(t *testing.T) {
	k, steps := manyVFs(3)
	k.errs = []error{errors.New("i/o timeout"), unix.EPERM}
	err := k.doer().Do(t.Context(), steps)
	if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "run as root") || !strings.Contains(err.Error(), "i/o timeout") {
		t.Errorf("got %v", err)
	}
	if k.dials != 2 || k.closes != 1 || len(k.asked) != 1 {
		t.Errorf("%d dials, %d closes, asked %v", k.dials, k.closes, k.asked)
	}
}

func TestDoerEndsWithItsContext(t *testing.T) {
	k, steps := manyVFs(3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.doer().Do(ctx, steps); !errors.Is(err, context.Canceled) || k.sets != 0 {
		t.Errorf("got %v after %d requests", err, k.sets)
	}
}
