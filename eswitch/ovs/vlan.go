// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/vlans"
)

// VLAN modes (ovs-vswitchd.conf.db(5), Port.vlan_mode).
const (
	modeAccess         = "access"
	modeTrunk          = "trunk"
	modeNativeTagged   = "native-tagged"
	modeNativeUntagged = "native-untagged"
	modeTunnel         = "dot1q-tunnel"
)

// vlan is the four columns of a port that say what it does with VLANs.
type vlan struct {
	mode           string // "": by the others
	tag            *int
	trunks, cvlans []int // sorted
}

// Words of the text that are no mode.
const (
	wordTag    = "tag"
	wordTrunks = "trunks"
	wordCVLANs = "cvlans"
	wordAll    = "all"
)

// text has all of the columns, and parseVLAN reads it back: "access 100",
// "trunk 100,200", "trunk" (nothing is set), "native-untagged 10 trunks 10,100",
// "dot1q-tunnel 300 cvlans 100-199". Where no vlan_mode is set, it begins with the
// columns: "tag 100".
func (v vlan) text() string {
	var w []string
	add := func(word string, list []int) {
		if len(list) > 0 {
			w = append(w, word, numbers(list))
		}
	}
	var tag []int
	if v.tag != nil {
		tag = []int{*v.tag}
	}
	switch {
	case v.mode == modeTrunk && len(v.trunks) == 0:
		w = append(w, modeTrunk, wordAll)
		add(wordTag, tag)
	case v.mode == modeTrunk:
		add(modeTrunk, v.trunks)
		add(wordTag, tag)
	case v.mode != "":
		w = append(w, v.mode)
		if v.tag != nil {
			w = append(w, strconv.Itoa(*v.tag))
		}
		add(wordTrunks, v.trunks)
	default:
		add(wordTag, tag)
		add(wordTrunks, v.trunks)
	}
	add(wordCVLANs, v.cvlans)
	if len(w) == 0 {
		return modeTrunk
	}
	return strings.Join(w, " ")
}

// means is what ovs-vswitchd makes of the columns: it ignores those that the mode
// does not use, and where none is set, a tag makes an access port.
func (v vlan) means() string {
	m := vlan{mode: v.mode, tag: v.tag, trunks: v.trunks, cvlans: v.cvlans}
	if m.mode == "" {
		m.mode = modeTrunk
		if m.tag != nil {
			m.mode = modeAccess
		}
	}
	switch m.mode {
	case modeAccess:
		m.trunks, m.cvlans = nil, nil
	case modeTrunk:
		m.tag, m.cvlans = nil, nil
	case modeTunnel:
		m.trunks = nil
	default:
		m.cvlans = nil
	}
	return m.text()
}

// parseVLAN reads the words that text wrote, up to the first that is none of them,
// and gives the rest.
func parseVLAN(words []string) (v vlan, rest []string, err error) {
	if len(words) == 0 {
		return v, nil, fmt.Errorf("it says nothing of VLANs")
	}
	lists := map[string]*[]int{wordTrunks: &v.trunks, wordCVLANs: &v.cvlans}
	for i := 0; i < len(words); i++ {
		first := i == 0
		next := func() []int {
			if i+1 == len(words) {
				return nil
			}
			list, ok := parseNumbers(words[i+1])
			if ok {
				i++
			}
			return list
		}
		switch w := words[i]; w {
		case modeTrunk:
			if !first {
				return v, nil, fmt.Errorf("%q is not the first word", w)
			}
			v.trunks = next()
			all := i+1 < len(words) && words[i+1] == wordAll
			if all {
				i++
			}
			if all || v.trunks != nil {
				v.mode = modeTrunk
			}
		case modeAccess, modeNativeTagged, modeNativeUntagged, modeTunnel, wordTag:
			tag := next()
			if len(tag) > 1 || w == wordTag && tag == nil || w != wordTag && !first || v.tag != nil {
				return v, nil, fmt.Errorf("%q is out of place, or has not one number after it", w)
			}
			if w != wordTag {
				v.mode = w
			}
			if tag != nil {
				v.tag = &tag[0]
			}
		case wordTrunks, wordCVLANs:
			if *lists[w] = next(); *lists[w] == nil {
				return v, nil, fmt.Errorf("%q has to have numbers after it", w)
			}
		default:
			if first {
				return v, nil, fmt.Errorf("%q is no VLAN mode", w)
			}
			return v, words[i:], nil
		}
	}
	return v, nil, nil
}

// numbers is sorted, without doubles, with commas between, and of three and more
// in a row only the first and the last.
func numbers(n []int) string {
	var words []string
	for _, r := range vlans.Runs(n) {
		if r.Last == r.First+1 {
			words = append(words, strconv.Itoa(r.First), strconv.Itoa(r.Last))
			continue
		}
		words = append(words, r.String())
	}
	return strings.Join(words, ",")
}

// maxVLAN is the greatest number of a 12-bit VLAN ID.
const maxVLAN = 4095

// parseNumbers reads what numbers wrote.
func parseNumbers(s string) (all []int, ok bool) {
	for w := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(w, "-")
		from, err := strconv.Atoi(first)
		if err != nil || from < 0 || from > maxVLAN {
			return nil, false
		}
		to := from
		if isRange {
			if to, err = strconv.Atoi(last); err != nil || to < from || to > maxVLAN {
				return nil, false
			}
		}
		for n := from; n <= to; n++ {
			all = append(all, n)
		}
	}
	all = slices.Compact(slices.Sorted(slices.Values(all)))
	return all, true
}

// vlan is what the port has.
func (p PortState) vlan() vlan { return vlan{p.VLANMode, p.Tag, p.Trunks, p.CVLANs} }

// vlan is what the port is wanted to have; ok is false where nothing is said.
func (p Port) vlan() (v vlan, ok bool) {
	v = vlan{p.VLANMode, p.Tag, p.Trunks, p.CVLANs}
	switch {
	case p.Exact:
		return v, true
	case p.VLANMode == "" && p.Tag != nil:
		v.mode = modeAccess
	case p.VLANMode == "" && len(p.Trunks) > 0:
		v.mode = modeTrunk
	case p.VLANMode == "" && p.Trunks == nil:
		return v, false
	}
	return v, true
}

// columns are those of the row, also where they are empty: an update sets them.
func (v vlan) columns() ovsdb.Columns {
	tag, mode := ovsdb.Set[int](), ovsdb.Set[string]()
	if v.tag != nil {
		tag = ovsdb.Atom(*v.tag)
	}
	if v.mode != "" {
		mode = ovsdb.Atom(v.mode)
	}
	list := func(n []int) json.RawMessage { return ovsdb.Set(slices.Compact(slices.Sorted(slices.Values(n)))...) }
	return ovsdb.Columns{"tag": tag, "vlan_mode": mode, "trunks": list(v.trunks), "cvlans": list(v.cvlans)}
}
