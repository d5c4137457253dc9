// SPDX-License-Identifier: Apache-2.0

package tuning

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// State is the own netdev of a PF or VF as its driver runs it.
type State struct {
	Netdev string `json:"netdev,omitempty"`
	// Values are all that the netdev has of the attributes of this package and that can be changed.
	Values Values `json:"values,omitempty"`
	// Most is what the kernel says that a number may be at most.
	Most map[string]int `json:"most,omitempty"`
	// Fixed are the features that cannot be changed, as they are.
	Fixed Values `json:"fixed,omitempty"`
	// Absent is why the function has no netdev here, a sentence, or "".
	Absent string `json:"absent,omitempty"`
}

// Elsewhere are the features that profiles say under offload (crypto), and those that go with them.
var Elsewhere = []string{"hw-tc-offload", "tls-hw-tx-offload", "tls-hw-rx-offload", "tls-hw-record", "esp-hw-offload", "esp-tx-csum-hw-offload", "tx-esp-segmentation"}

// Observe makes the states of all PFs and VFs of a look.
func Observe(s *snapshot.Snapshot) map[pci.Function]State {
	links := map[int]rtlink.Link{}
	for _, l := range s.Links {
		links[l.Index] = l
	}
	states := map[pci.Function]State{}
	for _, l := range s.Netdevs {
		if !l.Representor && l.SF == nil {
			states[l.Function] = stateOf(s, links[l.Index], l.Function)
		}
	}
	for fn, why := range s.Absent() {
		states[fn] = State{Absent: why}
	}
	return states
}

func stateOf(s *snapshot.Snapshot, l rtlink.Link, fn pci.Function) State {
	st := State{Netdev: l.Name, Values: Values{}, Most: map[string]int{}, Fixed: Values{}}
	if fn.IsVF() { // a PF's is the eswitch's
		st.Values[attrMTU] = strconv.Itoa(l.MTU)
		if l.MaxMTU > 0 {
			st.Most[attrMTU] = l.MaxMTU
		}
	}
	of := s.Driver[l.Index]
	for _, a := range attributes() {
		r := of[a.setting]
		switch n, has := r.Now[a.number]; {
		case a.setting == ethtool.FEC && len(r.Now) > 0:
			st.Values[a.name] = fecText(r.Now)
		case has:
			st.Values[a.name] = a.text(n)
			if most, said := r.Most[a.number]; said {
				st.Most[a.name] = int(most)
			}
		}
	}
	for flag, n := range of[ethtool.PrivateFlags].Now {
		st.Values[flagPrefix+flag] = onOff(n != 0)
	}
	f, there := s.Features[l.Index]
	if !there {
		return st
	}
	for _, name := range f.Names() {
		one, _ := f.Get(name)
		switch {
		case slices.Contains(Elsewhere, name):
		case one.Fixed():
			st.Fixed[featurePrefix+name] = onOff(one.Active)
		default:
			st.Values[featurePrefix+name] = onOff(one.Active)
		}
	}
	return st
}

// Want is what the driver of a netdev is to be told.
type Want struct {
	Values Values `json:"values,omitempty"`
	// Before is what nicwright told it before, of what nobody asks for now: it is put back where it was lost (Fill).
	Before Values `json:"before,omitempty"`
}

func (w Want) isZero() bool { return len(w.Values)+len(w.Before) == 0 }

// Specs are all values as a want that would bring them back.
func Specs(states map[pci.Function]State) map[pci.Function]Want {
	all := map[pci.Function]Want{}
	for fn, s := range states {
		v := maps.Clone(s.Values)
		if v[attrFEC] == noFEC {
			delete(v, attrFEC)
		}
		if len(v) > 0 {
			all[fn] = Want{Values: v}
		}
	}
	return all
}

// Only is of all wants what is asked for. Of what nobody ever told a netdev there is a lot,
// and hostnet carries what of it can be lost.
func Only(all map[pci.Function]Want, asked func(pci.Function, string) bool) map[pci.Function]Want {
	var kept map[pci.Function]Want
	for fn, w := range all {
		cut := func(v Values) Values {
			out := maps.Clone(v)
			maps.DeleteFunc(out, func(name, _ string) bool { return !asked(fn, name) })
			if len(out) == 0 {
				return nil
			}
			return out
		}
		if w = (Want{cut(w.Values), cut(w.Before)}); w.isZero() {
			continue
		}
		if kept == nil {
			kept = map[pci.Function]Want{}
		}
		kept[fn] = w
	}
	return kept
}

// Keep is of all wants what an operation touched.
func Keep(all map[pci.Function]Want, touched func(id resource.ID, attribute string) bool) map[pci.Function]Want {
	return Only(all, func(fn pci.Function, name string) bool { return touched(resource.OfNetdev(fn), name) })
}

// Over lays what over says upon under.
func Over(over, under map[pci.Function]Want) map[pci.Function]Want {
	all := maps.Clone(under)
	if all == nil {
		all = map[pci.Function]Want{}
	}
	for fn, w := range over {
		values := maps.Clone(all[fn].Values)
		if values == nil {
			values = Values{}
		}
		maps.Copy(values, w.Values)
		if w = (Want{Values: values}); len(values) > 0 {
			all[fn] = w
		}
	}
	return all
}

// Fill is over and, as Before, what under says that it leaves alone.
func Fill(over, under map[pci.Function]Want, _ step.Effects) map[pci.Function]Want {
	all := maps.Clone(over)
	if all == nil {
		all = map[pci.Function]Want{}
	}
	for fn, u := range under {
		w, before := all[fn], Values{}
		for _, v := range []Values{u.Before, u.Values} {
			for name, value := range v {
				if _, said := w.Values[name]; !said {
					before[name] = value
				}
			}
		}
		if w.Before = before; len(before) == 0 {
			w.Before = nil
		}
		if !w.isZero() {
			all[fn] = w
		}
	}
	return all
}

// Told are the attributes that a want decides, by the netdev.
func Told(all map[pci.Function]Want) map[resource.ID][]string {
	told := map[resource.ID][]string{}
	for fn, w := range all {
		names := slices.AppendSeq(slices.Collect(maps.Keys(w.Values)), maps.Keys(w.Before))
		slices.Sort(names)
		if len(names) > 0 {
			told[resource.OfNetdev(fn)] = names
		}
	}
	return told
}

// order puts attributes in the order in which they are set.
func order(a, b string) int {
	place := func(name string) (int, int) {
		at, _ := find(name)
		n := slices.IndexFunc(attributes(), func(o attribute) bool { return o.name == name })
		return slices.Index(groups, at.setting), n
	}
	ga, na := place(a)
	gb, nb := place(b)
	return cmp.Or(ga-gb, na-nb, cmp.Compare(a, b))
}
