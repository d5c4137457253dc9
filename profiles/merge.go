// SPDX-License-Identifier: Apache-2.0

package profiles

import "slices"

// merge lays over upon base and leaves both as they are. Mappings merge key by
// key and lists of named entries by name, where s knows them as such; all else
// replaces. A null takes the key away. Every value keeps the position of the
// layer that it is from. base may be nil.
func merge(s schema, base, over *node) *node {
	switch {
	case over.kind == mapping:
		if base == nil || base.kind != mapping {
			base = &node{kind: mapping, pos: over.pos}
		}
		return mergeMapping(s, base, over)
	case over.kind == list && s.named():
		if base == nil || base.kind != list {
			base = &node{kind: list, pos: over.pos}
		}
		return mergeNamed(s, base, over)
	default:
		return over
	}
}

func mergeMapping(s schema, base, over *node) *node {
	out := &node{kind: mapping, pos: base.pos, fields: slices.Clone(base.fields)}
	for _, f := range over.fields {
		at := slices.IndexFunc(out.fields, func(b field) bool { return b.name == f.name })
		switch {
		case f.node.isNull() && at >= 0:
			out.fields = slices.Delete(out.fields, at, at+1)
		case f.node.isNull():
		case at >= 0:
			b := out.fields[at]
			out.fields[at] = field{name: f.name, key: b.key, node: merge(s.properties()[f.name], b.node, f.node)}
		default:
			f.node = merge(s.properties()[f.name], nil, f.node)
			out.fields = append(out.fields, f)
		}
	}
	return out
}

func mergeNamed(s schema, base, over *node) *node {
	out := &node{kind: list, pos: base.pos, items: slices.Clone(base.items)}
	for _, it := range over.items {
		old, at := out.item(it.name())
		switch {
		case it.name() == "":
			out.items = append(out.items, it) // the schema complains of it
		case it.remove && at >= 0:
			out.items = slices.Delete(out.items, at, at+1)
		case it.remove:
		case at >= 0:
			entry := merge(s.items(), old, it)
			*entry.field("name") = *old.field("name") // the later layer only refers to it
			out.items[at] = entry
		default:
			out.items = append(out.items, merge(s.items(), nil, it))
		}
	}
	return out
}
