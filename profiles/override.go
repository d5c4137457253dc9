// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// envPrefix begins the names of the variables that nicwright reads. What has a
// "__" after it is a path into the profile; the others are settings of the tool.
const envPrefix = "NICWRIGHT_"

// override is one value from the environment or from --set.
type override struct {
	path   string // as written
	value  string
	at     Position // the source, and the text in which the value begins at Column
	sep    string   // between the parts of a path
	folded bool     // upper and lower case are the same, and all but letters and digits is "_"
}

// fromEnviron finds the overrides in an environment, in the order of their names.
func fromEnviron(environ []string) []override {
	var out []override
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		path, ok := strings.CutPrefix(name, envPrefix)
		if !ok || !strings.Contains(path, "__") {
			continue
		}
		out = append(out, override{
			path: path, value: value, sep: "__", folded: true,
			at: Position{Source: name, Column: len([]rune(name)) + 2, text: kv},
		})
	}
	slices.SortFunc(out, func(a, b override) int { return strings.Compare(a.path, b.path) })
	return out
}

// fromSets reads what was given with --set.
func fromSets(sets []string) ([]override, Errors) {
	var out []override
	var errs Errors
	for _, s := range sets {
		path, value, ok := strings.Cut(s, "=")
		if !ok || path == "" {
			errs = append(errs, &Error{
				Position: Position{Source: "--set", Column: 1, text: s}, Message: "not path=value",
				Allowed: "as in --set cards.nic0.ports.p0.vfs=8",
			})
			continue
		}
		out = append(out, override{path: path, value: value, sep: ".", at: Position{Source: "--set", Column: len([]rune(path)) + 2, text: s}})
	}
	return out, errs
}

// part is one step of a path: a mapping's key, or the name of a list's entry.
type part struct {
	name  string
	entry bool
}

// overlay turns an override into a document that holds nothing but its value.
func (o override) overlay(root schema, doc *node) (*node, *Error) {
	parts, s, err := o.resolve(root, doc)
	if err != nil {
		return nil, err
	}
	value, err := o.parse(s)
	if err != nil {
		return nil, err
	}
	for _, p := range slices.Backward(parts) {
		if !p.entry {
			value = &node{kind: mapping, pos: o.at, fields: []field{{name: p.name, key: o.at, node: value}}}
			continue
		}
		name := field{name: "name", key: o.at, node: &node{pos: o.at, value: p.name}}
		entry := &node{kind: mapping, pos: o.at, remove: value.isNull()}
		switch {
		case value.isNull():
			entry.fields = []field{name}
		case value.kind != mapping:
			return nil, &Error{Position: o.at, Message: fmt.Sprintf("%s is an entry with keys, not a value", o.path), Allowed: "set one of its keys, or null to take it away"}
		default:
			rest := slices.DeleteFunc(slices.Clone(value.fields), func(f field) bool { return f.name == "name" })
			entry.fields = append([]field{name}, rest...)
		}
		value = &node{kind: list, pos: o.at, items: []*node{entry}}
	}
	return value, nil
}

// resolve follows the path through the schema and the names that the document
// has. At each level it takes the longest candidate that the rest begins with,
// since names may have the separator in them.
func (o override) resolve(root schema, doc *node) ([]part, schema, *Error) {
	var parts []part
	at, n, rest := root, doc, o.path
	for rest != "" {
		var candidates []string
		what := "key"
		entry := at.isA("array") && at.named()
		switch {
		case entry:
			what = "entry of this name"
			if n != nil {
				for _, it := range n.items {
					candidates = append(candidates, it.name())
				}
			}
		case at.values() != nil && o.folded:
			return nil, nil, o.pathError(rest, fmt.Sprintf("the names in %s have characters that a variable's has not", strings.TrimSuffix(o.path, o.sep+rest)), "use --set, or a file")
		case at.values() != nil: // names of others: all that is left is one
			return append(parts, part{name: rest}), at.values(), nil
		case at.isA("object"):
			candidates = at.keys()
		default:
			return nil, nil, o.pathError(rest, fmt.Sprintf("%q is beyond a value", rest), "end the path before it")
		}
		found, after, err := o.match(rest, candidates)
		if err != nil {
			return nil, nil, err
		}
		if found == "" {
			head, _, _ := strings.Cut(rest, o.sep)
			allowed := "there are none here"
			if len(candidates) > 0 {
				allowed = "there are: " + strings.Join(candidates, ", ")
			}
			return nil, nil, o.pathError(rest, fmt.Sprintf("no %s: %q%s", what, head, didYouMean(head, candidates)), allowed)
		}
		parts = append(parts, part{name: found, entry: entry})
		if entry {
			at = at.items()
			n, _ = n.item(found)
		} else {
			at, n = at.properties()[found], n.get(found)
		}
		rest = after
	}
	return parts, at, nil
}

// match finds the longest candidate that rest begins with, and what is after it.
func (o override) match(rest string, candidates []string) (found, after string, err *Error) {
	length := 0
	for _, c := range candidates {
		key := o.fold(c)
		if !strings.HasPrefix(o.fold(rest), key) || key == "" || len(key) < length {
			continue
		}
		tail := rest[len(key):]
		if tail != "" && (!strings.HasPrefix(tail, o.sep) || len(tail) == len(o.sep)) {
			continue
		}
		if len(key) == length {
			return "", "", o.pathError(rest, fmt.Sprintf("%s may be %q and %q", o.path, found, c), "use --set, which tells them apart")
		}
		found, after, length = c, strings.TrimPrefix(tail, o.sep), len(key)
	}
	return found, after, nil
}

// fold is how names are compared; it keeps the length in bytes.
func (o override) fold(s string) string {
	if !o.folded {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return unicode.ToLower(r)
		}
		if r > unicode.MaxASCII {
			return r
		}
		return '_'
	}, s)
}

// pathError is an error at the place of the path where rest begins.
func (o override) pathError(rest, message, allowed string) *Error {
	at := o.at
	at.Column -= 1 + len([]rune(rest))
	return &Error{Position: at, Message: message, Allowed: allowed}
}

// parse reads the value as YAML; what is to be a string is taken as it stands.
func (o override) parse(s schema) (*node, *Error) {
	if s.isA("string") && o.value != "null" {
		return &node{pos: o.at, value: o.value}, nil
	}
	if strings.TrimSpace(o.value) == "" {
		return nil, &Error{Position: o.at, Message: o.path + ": no value", Allowed: s.allowed() + "; null takes away what is set"}
	}
	n, errs := parse(o.at.Source, o.at.order, []byte(o.value))
	if len(errs) > 0 {
		e := errs[0]
		return nil, &Error{Position: o.at, Message: o.path + ": " + e.Message, Allowed: e.Allowed}
	}
	return n.moved(o.at), nil
}

// moved is n with positions inside the text of an override.
func (n *node) moved(at Position) *node {
	out := *n
	out.pos = n.pos.moved(at)
	out.fields, out.items = nil, nil
	for _, f := range n.fields {
		out.fields = append(out.fields, field{name: f.name, key: f.key.moved(at), node: f.node.moved(at)})
	}
	for _, it := range n.items {
		out.items = append(out.items, it.moved(at))
	}
	return &out
}

func (p Position) moved(at Position) Position {
	if p.Line == 1 {
		at.Column += p.Column - 1
	}
	return at
}
