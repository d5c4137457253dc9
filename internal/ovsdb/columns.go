// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"encoding/json"
	"slices"
)

// Columns are a row's columns as the server writes them (RFC 7047, 5.1), without
// those that are empty or have their type's default: an insert gives them that.
type Columns map[string]json.RawMessage

// plain are the columns that are no set or map, with their defaults: of others, 0
// and "" are values, as the tag 0 is.
var plain = map[string]string{
	"type": `""`, "datapath_type": `""`, "datapath_version": `""`,
	"bond_downdelay": "0", "bond_updelay": "0", "ingress_policing_rate": "0", "ingress_policing_burst": "0",
	"ingress_policing_kpkts_rate": "0", "ingress_policing_kpkts_burst": "0",
	"bond_fake_iface": "false", "fake_bridge": "false", "protected": "false",
	"mcast_snooping_enable": "false", "rstp_enable": "false", "stp_enable": "false",
}

// UnmarshalJSON leaves out what has its default.
func (c *Columns) UnmarshalJSON(b []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	for name, v := range all {
		switch s := string(v); s {
		case `["set",[]]`, `["map",[]]`:
			delete(all, name)
		case plain[name]:
			delete(all, name)
		}
	}
	*c = all
	return nil
}

// tagged splits ["set",[...]], ["map",[...]], ["uuid","..."]; kind is "" for an atom.
func tagged(v json.RawMessage) (kind string, rest json.RawMessage) {
	var pair []json.RawMessage
	if len(v) == 0 || v[0] != '[' || json.Unmarshal(v, &pair) != nil || len(pair) != 2 || json.Unmarshal(pair[0], &kind) != nil {
		return "", v
	}
	return kind, pair[1]
}

// atoms are the elements of a set, or a single atom, which stands for a set of one.
func (c Columns) atoms(name string) []json.RawMessage {
	v, ok := c[name]
	if !ok {
		return nil
	}
	kind, rest := tagged(v)
	if kind != "set" {
		return []json.RawMessage{v}
	}
	var all []json.RawMessage
	_ = json.Unmarshal(rest, &all) // what is no list has no elements
	return all
}

// String is a string column, "" where it is empty or no string.
func (c Columns) String(name string) (s string) {
	for _, a := range c.atoms(name) {
		_ = json.Unmarshal(a, &s)
	}
	return s
}

// Ints is a column of integers, sorted.
func (c Columns) Ints(name string) (all []int) {
	for _, a := range c.atoms(name) {
		var n int
		if json.Unmarshal(a, &n) == nil {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

// Int is an integer column; nil where it is empty.
func (c Columns) Int(name string) *int {
	all := c.Ints(name)
	if len(all) != 1 {
		return nil
	}
	return &all[0]
}

// UUIDs is a column of references.
func (c Columns) UUIDs(name string) (all []string) {
	for _, a := range c.atoms(name) {
		var id string
		if kind, rest := tagged(a); kind == "uuid" && json.Unmarshal(rest, &id) == nil {
			all = append(all, id)
		}
	}
	return all
}

// Map is a column of strings by strings.
func (c Columns) Map(name string) map[string]string {
	kind, rest := tagged(c[name])
	var pairs [][2]string
	if kind != "map" || json.Unmarshal(rest, &pairs) != nil {
		return nil
	}
	m := make(map[string]string, len(pairs))
	for _, p := range pairs {
		m[p[0]] = p[1]
	}
	return m
}

// Set is the value of a set of atoms.
func Set[T any](atoms ...T) json.RawMessage {
	if atoms == nil {
		atoms = []T{}
	}
	return encode([]any{"set", atoms})
}

// Map is the value of a map.
func Map(m map[string]string) json.RawMessage {
	pairs := make([][2]string, 0, len(m))
	for k, v := range m {
		pairs = append(pairs, [2]string{k, v})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	return encode([]any{"map", pairs})
}

// UUID is a reference to a row that is there.
func UUID(id string) json.RawMessage { return encode([]string{"uuid", id}) }

// Named is a reference to a row that the same transaction inserts.
func Named(id string) json.RawMessage { return encode([]string{"named-uuid", id}) }

// Atom is the value of a string, an integer or a boolean.
func Atom[T string | int | bool](v T) json.RawMessage { return encode(v) }

// encode is of what cannot fail: strings, numbers and lists of them.
func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null")
	}
	return b
}
