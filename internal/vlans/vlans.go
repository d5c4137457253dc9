// SPDX-License-Identifier: Apache-2.0

// Package vlans has lists of VLANs as profiles write them.
package vlans

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// List is VLANs, 1..4094 each, written one by one and as ranges: [10, 100-199].
// What is written and is no range of VLANs is a 0 among them, which Wrong tells.
type List []int

// Max is the last VLAN that can be carried (IEEE 802.1Q; 4095 is reserved).
const Max = 4094

var vlanRange = regexp.MustCompile(`^([0-9]{1,4})-([0-9]{1,4})$`)

// UnmarshalJSON reads a list of numbers and of ranges.
func (v *List) UnmarshalJSON(b []byte) error {
	var items []any
	if err := json.Unmarshal(b, &items); err != nil {
		return fmt.Errorf("a list of VLANs: %w", err)
	}
	if *v = nil; items != nil {
		*v = List{}
	}
	for _, item := range items {
		switch of := item.(type) {
		case float64:
			*v = append(*v, int(of))
		case string:
			*v = append(*v, spread(of)...)
		default:
			return fmt.Errorf("%v is no VLAN and no range of them, as in 10 and 100-199", item)
		}
	}
	return nil
}

// spread is the VLANs of a range, 0 for what is none.
func spread(text string) []int {
	m := vlanRange.FindStringSubmatch(text)
	if m == nil {
		return []int{0}
	}
	first, _ := strconv.Atoi(m[1]) // digits, by the pattern
	last, _ := strconv.Atoi(m[2])
	if first < 1 || last < first || last > Max {
		return []int{0}
	}
	var all []int
	for n := first; n <= last; n++ {
		all = append(all, n)
	}
	return all
}

// Run is VLANs in a row.
type Run struct{ First, Last int }

// String is the run as a profile writes it, 7 or 100-199.
func (r Run) String() string {
	if r.First == r.Last {
		return strconv.Itoa(r.First)
	}
	return strconv.Itoa(r.First) + "-" + strconv.Itoa(r.Last)
}

// Runs are the VLANs of a list in order, each once, those in a row in one.
func Runs(list []int) []Run {
	var all []Run
	for _, v := range slices.Compact(slices.Sorted(slices.Values(list))) {
		if n := len(all) - 1; n >= 0 && all[n].Last == v-1 {
			all[n].Last = v
			continue
		}
		all = append(all, Run{v, v})
	}
	return all
}

// Wrong says what is wrong with the list, "" if nothing is.
func (v List) Wrong() string {
	sorted := slices.Sorted(slices.Values(v))
	for i, n := range sorted {
		switch {
		case n < 1 || n > Max:
			return fmt.Sprintf("a VLAN, or a range that ends before it begins or is not of 1..%d", Max)
		case i > 0 && sorted[i-1] == n:
			return fmt.Sprintf("VLAN %d twice", n)
		}
	}
	return ""
}
