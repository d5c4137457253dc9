// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Difference is one attribute that two dumps do not agree on.
type Difference struct {
	Resource, Attribute string
	A, B                string // "" where there is none
	New, Gone           bool   // the resource as a whole is in B, or in A, only
}

// String is one line.
func (d Difference) String() string {
	return fmt.Sprintf("%s %s: %s -> %s", d.Resource, d.Attribute, orNone(d.A), orNone(d.B))
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// Diff is what differs from a to b, sorted. Of what is new there is one line; of
// what is gone there are all, for they are what was lost.
func Diff(a, b State) []Difference {
	var all []Difference
	for resource := range both(a, b) {
		was, is := a[resource], b[resource]
		for attribute := range both(was, is) {
			x, hasX := was[attribute]
			y, hasY := is[attribute]
			if hasX == hasY && x == y || len(was) == 0 && attribute != there && is[there] != "" {
				continue
			}
			all = append(all, Difference{resource, attribute, x, y, len(was) == 0, len(is) == 0})
		}
	}
	slices.SortFunc(all, func(a, b Difference) int {
		if c := strings.Compare(a.Resource, b.Resource); c != 0 {
			return c
		}
		return strings.Compare(a.Attribute, b.Attribute)
	})
	return all
}

func both[V any](a, b map[string]V) map[string]bool {
	keys := map[string]bool{}
	for k := range maps.Keys(a) {
		keys[k] = true
	}
	for k := range maps.Keys(b) {
		keys[k] = true
	}
	return keys
}

// Text is the differences, a line each.
func Text(all []Difference) string {
	var b strings.Builder
	for _, d := range all {
		fmt.Fprintln(&b, d)
	}
	return b.String()
}
