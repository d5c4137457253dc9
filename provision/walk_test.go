// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/hostnet"
	"github.com/nicwright/nicwright/hostnet/tuning"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
)

func maybe[T any](r *rand.Rand, of ...T) *T {
	if n := r.IntN(len(of) + 1); n < len(of) {
		return &of[n]
	}
	return nil
}

// randomWant wants what a profile could, of the two ports of the host, each thing or not.
func randomWant(r *rand.Rand, m *model) *profiles.Want {
	w := &profiles.Want{Profile: "p", Ports: map[pci.Address]eswitch.PortSpec{}, Offload: map[pci.Function]crypto.Spec{}, Tuning: map[pci.Function]tuning.Want{}}
	// A LAG needs both ports alike, so that both have one mode here.
	mode, mtu, inBond := maybe(r, legacy, switchdev, switchdev), maybe(r, 1500, 9000), r.IntN(2) == 0
	if inBond && mode == nil {
		mode = maybe(r, legacy, switchdev)
	}
	var reps []string
	var multiport *string
	if mode != nil && *mode == switchdev && !inBond {
		multiport = maybe(r, "true", "false", "false")
	} else if inBond { // of which the card makes a LAG, and there is one only
		multiport = new("false")
	}
	both := 0
	for _, c := range m.Cards {
		for _, p := range c.Ports {
			s := eswitch.PortSpec{VFs: maybe(r, 0, 1, 2, 3), Mode: mode, MTU: mtu, Up: maybe(r, true), Autoprobe: maybe(r, true, false), Functions: map[int]eswitch.FunctionSpec{}}
			s.Params = randomParams(r, multiport)
			is, n := p.Mode, p.NumVFs
			if mode != nil {
				is = *mode
			}
			if s.VFs != nil {
				n = *s.VFs
			}
			if is == legacy {
				s.Steering = maybe(r, "dmfs", "smfs")
			}
			if is == switchdev {
				both++
				s.RateGroups = [][]eswitch.RateGroup{nil, {{Name: "gold"}}, {{Name: "gold", TxMax: 100}, {Name: "rest"}}}[r.IntN(3)]
			}
			for i := range n {
				f := eswitch.FunctionSpec{Driver: maybe(r, "mlx5_core", "mlx5_core", "none"), MaxTxRate: maybe(r, 0, 1000)}
				if is == legacy {
					f.VLAN, f.Trust = maybe(r, 0, 100), maybe(r, true, false)
				} else {
					f.RoCE, f.Migratable, f.MaxIOEQs = maybe(r, true, false), maybe(r, true, false), maybe(r, 2, 8)
					if f.RateGroup = maybe(r, "none"); s.RateGroups != nil {
						f.RateGroup = maybe(r, "gold", "none")
					}
					f.RepresentorUp, f.RepresentorMTU = maybe(r, true, false), maybe(r, 1500, 9000)
					reps = append(reps, pci.VF(p.Address, i).String())
				}
				s.Functions[i] = f
				if f.Driver != nil && *f.Driver == "mlx5_core" {
					if v := randomTuning(r, true); len(v) > 0 {
						w.Tuning[pci.VF(p.Address, i)] = tuning.Want{Values: v}
					}
					if o := (crypto.Spec{TLSTx: maybe(r, true, false), TLSRx: maybe(r, true, false)}); !o.IsZero() {
						w.Offload[pci.VF(p.Address, i)] = o
					}
				}
			}
			if v := randomTuning(r, false); len(v) > 0 {
				w.Tuning[pci.PF(p.Address)] = tuning.Want{Values: v}
			}
			if o := maybe(r, true, false); o != nil {
				w.Offload[pci.PF(p.Address)] = crypto.Spec{TC: o}
			}
			w.Ports[p.Address] = s
		}
	}
	if inBond {
		b := bond.Spec{Name: "bond0", Mode: maybe(r, "802.3ad", "active-backup"), Miimon: maybe(r, 50, 100), XmitHashPolicy: maybe(r, "layer2", "layer3+4"), MTU: mtu, Up: maybe(r, true)}
		if b.Mode == nil {
			b.Mode = new("active-backup")
		}
		if *b.Mode == "802.3ad" {
			b.LACPRate = maybe(r, "slow", "fast")
		}
		b.Members = []string{"0001:3b:00.0", "0001:3b:00.1"}[:1+r.IntN(2)]
		if len(b.Members) == 2 && both == 2 {
			b.LAG = maybe(r, true)
		}
		if b.MTU == nil {
			b.MTU = new(1500)
			for a, s := range w.Ports {
				s.MTU = nil
				w.Ports[a] = s
			}
		}
		w.Bonds = append(w.Bonds, b)
	}
	if r.IntN(2) == 0 {
		w.OVS = &ovs.Spec{HWOffload: maybe(r, true, false)}
		for _, name := range []string{"br0", "br1"}[:r.IntN(3)] {
			b := ovs.Bridge{Name: name, MTU: maybe(r, 1500, 9000), Up: maybe(r, true, false)}
			if len(w.Bonds) > 0 && name == "br0" {
				b.Ports = append(b.Ports, ovs.Port{Name: "out", Bond: "bond0", Trunks: [][]int{nil, {100, 200}}[r.IntN(2)]})
			}
			k := r.IntN(len(reps) + 1)
			for _, id := range reps[:k] {
				p := ovs.Port{Name: id, VF: id, Tag: maybe(r, 100, 200)}
				if p.IngressPolicingRate = maybe(r, 0, 5000, 80000); r.IntN(3) == 0 {
					p.OtherConfig = map[string]string{[]string{"priority-tags", "transient"}[r.IntN(2)]: []string{"", "always", "never"}[r.IntN(3)]}
				}
				b.Ports = append(b.Ports, p)
			}
			reps = reps[k:]
			w.OVS.Bridges = append(w.OVS.Bridges, b)
		}
	}
	randomFlows(r, w)
	randomBridges(r, w, reps)
	randomVLANs(r, w)
	randomAddresses(r, w, slices.Sorted(maps.Keys(w.Ports)))
	return w
}

// asWant is a host as the want that brings it back.
func asWant(t *testing.T, h Host) string {
	t.Helper()
	w := h.want()
	if w.OVS != nil { // the order of ports means nothing, and a number goes with a netdev that goes
		for i := range w.OVS.Bridges {
			for j := range w.OVS.Bridges[i].Ports {
				w.OVS.Bridges[i].Ports[j].OFPort = 0
			}
			slices.SortFunc(w.OVS.Bridges[i].Ports, func(a, b ovs.Port) int { return strings.Compare(a.VF+a.Bond, b.VF+b.Bond) })
		}
	}
	for _, n := range w.Net.Netdevs { // nor has that of what hangs on a netdev a meaning
		slices.SortFunc(n.Items, func(a, b hostnet.Item) int { return strings.Compare(string(a.Kind)+a.Text, string(b.Kind)+b.Text) })
	}
	b, err := json.MarshalIndent(w, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Whatever is wanted of whatever host: the plan's steps can be done, a second plan
// is empty, and a rollback brings back the host of before, from the end or from
// where the apply was interrupted.
func TestRandomWalk(t *testing.T) {
	failed, walked, refused := 0, 0, 0
	seeds := []uint64{1579, 2372} // of an interrupted apply that was to take a port out of a kernel bridge
	for seed := range uint64(400) {
		seeds = append(seeds, seed)
	}
	for _, seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 13))
		m := newModel(t, []string{"bare", "small"}[seed%2])
		f := &flow{t: t, m: m, boot: "b"}
		for n := range 4 {
			m.somebodys(r)
			m.sync()
			want, before := randomWant(r, m), asWant(t, m.copy(t))
			cut := -1
			if r.IntN(3) == 0 {
				cut = r.IntN(20)
			}
			plan, err := f.look().Apply(want, journal.Profile{Name: "p"}, Allowed{Take: []string{"all"}, Replace: []string{"small"}})
			if err != nil {
				refused++
				continue
			}
			walked++
			err = f.walk(plan, cut)
			if err == nil && plan.op.Open() && r.IntN(2) == 0 { // go on from there, with the same want or another
				if r.IntN(2) == 0 {
					want = randomWant(r, m)
				}
				for a, s := range want.Ports { // a count that is left alone is that of before, which functions go by
					if s.VFs == nil {
						s.VFs = new(len(s.Functions))
						want.Ports[a] = s
					}
				}
				var next *Plan
				if next, err = f.look().Apply(want, journal.Profile{Name: "p"}, Allowed{Take: []string{"all"}, Replace: []string{"small"}}); err != nil {
					refused++
					break
				}
				if err = f.walk(next, -1); err != nil {
					err = fmt.Errorf("going on: %w", err)
				}
			}
			if err == nil && (r.IntN(2) == 0 || cut >= 0) && len(plan.Steps) > 0 {
				var back *Plan
				if back, err = f.look().Rollback("", Allowed{Take: []string{"all"}}); err == nil {
					err = f.walk(back, -1)
				}
				if err != nil {
					err = fmt.Errorf("rollback: %w", err)
				} else if d := cmp.Diff(before, asWant(t, m.copy(t))); d != "" {
					err = fmt.Errorf("after the rollback (-before +now):\n%s", d)
				}
			}
			if err != nil {
				b, _ := json.Marshal(want)
				t.Errorf("seed %d, walk %d (cut at %d) to %s: %v", seed, n, cut, b, err)
				if failed++; failed > 3 {
					t.FailNow()
				}
				break
			}
		}
	}
	t.Logf("%d walks, %d refused", walked, refused)
	if walked < 5*refused {
		t.Errorf("only %d walks, and %d were refused", walked, refused)
	}
}
