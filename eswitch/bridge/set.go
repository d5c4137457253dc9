// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/vlans"
)

// member is what a port is of a VLAN.
type member struct{ pvid, untagged bool }

// set is the VLANs of a port.
type set map[int]member

const (
	wordNone     = "none"
	wordPVID     = "pvid"
	wordUntagged = "untagged"
)

func (s set) sorted() []int { return slices.Sorted(maps.Keys(s)) }

// runs are the VLANs in order, those in a row that are alike in one.
func (s set) runs() []rtlink.PortVLAN {
	var all []rtlink.PortVLAN
	for _, v := range s.sorted() {
		m := s[v]
		if n := len(all) - 1; n >= 0 && !m.pvid && !all[n].PVID && all[n].Last == v-1 && all[n].Untagged == m.untagged {
			all[n].Last = v
			continue
		}
		all = append(all, rtlink.PortVLAN{First: v, Last: v, PVID: m.pvid, Untagged: m.untagged})
	}
	return all
}

// text is the VLANs as bridge(8) writes them, "1 pvid untagged, 100-199", and parse
// reads it back; "none" is none.
func (s set) text() string {
	var all []string
	for _, r := range s.runs() {
		all = append(all, runText(r))
	}
	if len(all) == 0 {
		return wordNone
	}
	return strings.Join(all, ", ")
}

func runText(r rtlink.PortVLAN) string {
	text := strconv.Itoa(r.First)
	if r.Last != r.First {
		text += "-" + strconv.Itoa(r.Last)
	}
	if r.PVID {
		text += " " + wordPVID
	}
	if r.Untagged {
		text += " " + wordUntagged
	}
	return text
}

// parse reads what text wrote.
func parse(text string) (set, error) {
	s := set{}
	if text == wordNone {
		return s, nil
	}
	for item := range strings.SplitSeq(text, ", ") {
		words := strings.Split(item, " ")
		first, last, isRange := strings.Cut(words[0], "-")
		from, err := strconv.Atoi(first)
		to := from
		if err == nil && isRange {
			to, err = strconv.Atoi(last)
		}
		if err != nil || from < 1 || to < from || to > vlans.Max {
			return nil, fmt.Errorf("%q is no VLAN and no range of them", words[0])
		}
		var m member
		for _, w := range words[1:] {
			switch w {
			case wordPVID:
				m.pvid = true
			case wordUntagged:
				m.untagged = true
			default:
				return nil, fmt.Errorf("%q: nothing of a VLAN is called %q", text, w)
			}
		}
		for v := from; v <= to; v++ {
			s[v] = m
		}
	}
	return s, nil
}

// change is what leads from one set to another: first what is added or is otherwise,
// so that untagged frames never are without a VLAN that they are to have, then what goes.
func change(from, to set) (add, del []rtlink.PortVLAN) {
	more, less := set{}, set{}
	for v, m := range to {
		if is, there := from[v]; !there || is != m {
			more[v] = m
		}
	}
	for v := range from {
		if _, stays := to[v]; !stays {
			less[v] = member{}
		}
	}
	return more.runs(), less.runs()
}

// lost is what of from is not, or otherwise, in to.
func lost(from, to set) set {
	all := set{}
	for v, m := range from {
		if is, stays := to[v]; !stays || is != m {
			all[v] = m
		}
	}
	return all
}
