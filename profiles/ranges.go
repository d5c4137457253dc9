// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"

	"github.com/nicwright/nicwright/hostnet/tuning"
)

// maxVFs is how many VFs a port can have; their indices are below it.
const maxVFs = 127

// VFList is what is written for vfs: a number of VFs, or ranges of them.
type VFList struct {
	Count  *int
	Ranges []Range
}

// Range is VFs of a port, and what is to be of them another way than vf says.
type Range struct {
	// Name of the range in this profile, by which layers merge. Letters, digits, ".", "_" and "-".
	Name string `json:"name" jsonschema:"required,minLength=1,maxLength=64,pattern=^[A-Za-z0-9][A-Za-z0-9._-]*$"`
	// Indices are the first and the last VF, from 0, as in 4-7, or one alone, in quotes: "5".
	Indices string `json:"vf" jsonschema:"required,pattern=^[0-9]{1\\,3}(-[0-9]{1\\,3})?$"`

	VF
}

// IsZero tells that nothing is written.
func (l VFList) IsZero() bool { return l.Count == nil && l.Ranges == nil }

// MarshalJSON is the number or the list.
func (l VFList) MarshalJSON() ([]byte, error) {
	if l.Ranges != nil {
		return json.Marshal(l.Ranges)
	}
	return json.Marshal(l.Count)
}

// UnmarshalJSON reads either.
func (l *VFList) UnmarshalJSON(b []byte) error {
	*l = VFList{}
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, &l.Ranges)
	}
	return json.Unmarshal(b, &l.Count)
}

// number is how many VFs that makes, nil for what is left alone.
func (l VFList) number() *int {
	if l.Ranges == nil {
		return l.Count
	}
	n := 0
	for _, r := range l.Ranges {
		if _, last, err := r.bounds(); err == nil {
			n = max(n, last+1)
		}
	}
	return &n
}

var boundsPattern = regexp.MustCompile(`^([0-9]{1,3})(?:-([0-9]{1,3}))?$`)

// bounds are the first and the last index.
func (r Range) bounds() (first, last int, err error) {
	m := boundsPattern.FindStringSubmatch(r.Indices)
	if m == nil {
		return 0, 0, fmt.Errorf("%q is no index and no range of them, as in \"5\" and 4-7", r.Indices)
	}
	first, _ = strconv.Atoi(m[1]) // digits, by the pattern
	last = first
	if m[2] != "" {
		last, _ = strconv.Atoi(m[2])
	}
	switch {
	case last < first:
		return 0, 0, fmt.Errorf("the range %s ends before it begins", r.Indices)
	case last >= maxVFs:
		return 0, 0, fmt.Errorf("%s: a port has at most %d VFs, 0..%d", r.Indices, maxVFs, maxVFs-1)
	}
	return first, last, nil
}

// group is VFs of a port that are to be alike.
type group struct {
	ref         portRef
	port        *Port
	name        string // of the range, "" for the VFs that are in none
	first, last int    // of a range
	spec        VF     // vf with the range laid over it
	// at is where a key of the VFs was written: in the range, else in vf.
	at func(path ...any) Position
}

// String is the VFs as a finding names them.
func (g group) String() string {
	switch {
	case g.name == "":
		return "the VFs of " + g.ref.String()
	case g.first == g.last:
		return fmt.Sprintf("%s/vf%d (%s)", g.ref, g.first, g.name)
	}
	return fmt.Sprintf("%s/vf%d-%d (%s)", g.ref, g.first, g.last, g.name)
}

// has tells whether VF n is one of the group.
func (g group) has(n int) bool { return g.name == "" || g.first <= n && n <= g.last }

// size is how many VFs there are in the group, -1 where that is left to the host.
func (g group) size() int {
	switch {
	case g.name != "":
		return g.last - g.first + 1
	case g.port.VFs == nil:
		return -1
	}
	n := *g.port.VFs
	for _, r := range g.port.VFList.Ranges {
		if first, last, err := r.bounds(); err == nil {
			n -= last - first + 1
		}
	}
	return n
}

// groups are the ranges of a port and then, if there are any, the VFs that are in
// none. at is where something of the port was written.
func (p *Profile) groups(ref portRef, port *Port, at func(path ...any) Position, written func(path ...any) bool) []group {
	rest := group{ref: ref, port: port, spec: port.VF, at: func(path ...any) Position { return at(append([]any{"vf"}, path...)...) }}
	if port.VFList.Ranges == nil {
		return []group{rest}
	}
	var all []group
	for i, r := range port.VFList.Ranges {
		first, last, err := r.bounds()
		if err != nil {
			continue // NW016
		}
		all = append(all, group{
			ref: ref, port: port, name: r.Name, first: first, last: last, spec: overlaid(port.VF, r.VF),
			at: func(path ...any) Position {
				in := append([]any{"vfs", i}, path...)
				if vf := append([]any{"vf"}, path...); !written(in...) && written(vf...) {
					return at(vf...)
				}
				return at(in...)
			},
		})
	}
	if rest.size() > 0 {
		all = append(all, rest)
	}
	return all
}

// eachGroup goes over the groups of all ports of all cards.
func (p *Profile) eachGroup(do func(ref portRef, g group)) {
	p.eachPortNode(func(ref portRef, port *Port, at func(...any) Position, written func(...any) bool) {
		for _, g := range p.groups(ref, port, at, written) {
			do(ref, g)
		}
	})
}

// once lets one finding through for each place: what vf says is said of every range.
func once(report report) report {
	seen := map[Position]bool{}
	return func(at Position, format string, args ...any) {
		if !seen[at] {
			seen[at] = true
			report(at, format, args...)
		}
	}
}

// vfSpec is how VF n of a port is to be.
func (port *Port) vfSpec(n int) VF {
	for _, r := range port.VFList.Ranges {
		if first, last, err := r.bounds(); err == nil && first <= n && n <= last {
			return overlaid(port.VF, r.VF)
		}
	}
	return port.VF
}

// overlaid is under, with what over sets in its place. What a VF of another driver
// than mlx5_core would have on its netdev is left out, unless the range itself asks
// for it (NW116): it has none.
func overlaid(under, over VF) VF {
	spec := VF{FunctionSpec: lay(under.FunctionSpec, over.FunctionSpec), Offload: lay(under.Offload, over.Offload), VFSpec: tuning.Lay(over.VFSpec, under.VFSpec)}
	if over.Driver != nil && *over.Driver != driverWithNetdev {
		spec.Offload, spec.VFSpec = over.Offload, over.VFSpec
	}
	return spec
}

// driverWithNetdev is the driver whose VFs have netdevs here.
const driverWithNetdev = "mlx5_core"

// lay is under with the fields of over that are set: of Spec types, all of whose
// fields that a profile has are pointers.
func lay[T any](under, over T) T {
	to, from := reflect.ValueOf(&under).Elem(), reflect.ValueOf(over)
	for i := range from.NumField() {
		if f := from.Field(i); f.Kind() == reflect.Pointer && !f.IsNil() {
			to.Field(i).Set(f)
		}
	}
	return under
}
