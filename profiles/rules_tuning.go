// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/hostnet/tuning"
	"github.com/nicwright/nicwright/internal/pci"
)

// tuningRules are of what the drivers of netdevs are told.
func tuningRules() []rule {
	return []rule{
		{
			"NW026", "the features of TLS, IPsec and TC are said under offload, and those that go with them by nobody; leave them out of features",
			"net/ethtool/common.c, netdev_features_strings", checkFeaturesElsewhere,
		},
	}
}

// told is what the driver of a PF's netdev, or of those of VFs that are alike, is told.
type told struct {
	tuning.Values
	of    string // as a finding names it
	ref   portRef
	port  *Port
	group *group // nil for the PF
	at    func(attribute string) Position
}

// has tells whether it is told a function of the port.
func (t told) has(f pci.Function) bool { return switches{port: t.port, vfs: t.group}.has(f) }

// sorted are the attributes in a fixed order.
func (t told) sorted() []string { return slices.Sorted(maps.Keys(t.Values)) }

// eachTold goes over what the profile tells the drivers of PFs and VFs.
func (p *Profile) eachTold(do func(told)) {
	place := func(at func(...any) Position) func(string) Position {
		return func(attribute string) Position {
			var path []any
			for part := range strings.SplitSeq(attribute, " ") {
				path = append(path, part)
			}
			return at(path...)
		}
	}
	p.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		do(told{port.UplinkSpec.Values(), ref.String(), ref, port, nil, place(at)})
	})
	p.eachGroup(func(ref portRef, g group) {
		do(told{g.spec.VFSpec.Values(), g.String(), ref, g.port, &g, place(g.at)})
	})
}

func checkFeaturesElsewhere(p *Profile, report report) {
	report = once(report)
	p.eachTold(func(t told) {
		for _, name := range t.sorted() {
			if feature, is := strings.CutPrefix(name, "features "); is && slices.Contains(tuning.Elsewhere, feature) {
				report(t.at(name), "%s of %s is among its features", feature, t.of)
			}
		}
	})
}

// checkVFMTU holds the MTU of VFs against that of their port, or of its bond, and their
// representors, as far as the profile says them.
func checkVFMTU(p *Profile, report report) {
	report = once(report)
	p.eachGroup(func(ref portRef, g group) {
		if g.spec.VFSpec.MTU == nil {
			return
		}
		mtu, port := *g.spec.VFSpec.MTU, g.port.MTU
		if _, b := p.bondOf(ref); port == nil && b != nil {
			port = b.MTU
		}
		switch rep := g.spec.RepresentorMTU; {
		case port != nil && mtu > *port:
			report(g.at("mtu"), "mtu of %s is %d, and that of their port is %d", g, mtu, *port)
		case rep != nil && mtu > *rep:
			report(g.at("mtu"), "mtu of %s is %d, and representor-mtu is %d", g, mtu, *rep)
		}
	})
}

// checkMost holds numbers against what the kernel says that they may be. How many channels
// a VF can have goes with what is set of its event queues.
func checkMost(s *subject, report report) {
	report = once(report)
	s.eachTold(func(t told) {
		for _, name := range t.sorted() {
			n, err := strconv.Atoi(t.Values[name])
			if err != nil || t.group != nil && strings.HasPrefix(name, "channels ") && t.group.spec.MaxIOEQs != nil {
				continue
			}
			for _, f := range slices.SortedFunc(maps.Keys(s.facts.Functions), func(a, b pci.Function) int { return a.VF - b.VF }) {
				most, known := s.facts.Functions[f].Most[name]
				if known && f.PF == s.ports[t.ref].Address && t.has(f) && n > most {
					report(t.at(name), "%s of %s is to be %d, and the kernel says that %s takes %d at most", name, t.of, n, f, most)
				}
			}
		}
	})
}
