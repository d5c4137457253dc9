// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// validate says all that is wrong in a document as far as the schema knows, and
// the names that a list has twice.
func validate(root *node) (Errors, error) {
	book, err := theSchema()
	if err != nil {
		return nil, err
	}
	var errs Errors
	if whole := book.validator.Validate(root.plain()); whole != nil {
		// The validator stops at the first that is wrong, and a person wants to see all.
		w := walker{}
		w.walk(book.root, root, "")
		if errs = w.errs; w.err == nil && len(errs) == 0 {
			w.err = whole
		}
		if w.err != nil {
			return nil, fmt.Errorf("validating against the profile schema: %w", w.err)
		}
	}
	return append(errs, duplicates(book.root, root)...), nil
}

// walker holds each part of a document against its part of the schema.
type walker struct {
	errs Errors
	err  error // of the validator itself
}

// breaks asks the validator whether a value breaks some keywords of a schema.
func (w *walker) breaks(s schema, value any, keywords ...string) bool {
	part := schema{}
	for _, k := range keywords {
		if v, has := s[k]; has {
			part[k] = v
		}
	}
	if len(part) == 0 {
		return false
	}
	v, err := resolve(part)
	if err != nil {
		w.err = err
		return false
	}
	return v.Validate(value) != nil
}

func (w *walker) fail(at Position, allowed, format string, args ...any) {
	w.errs = append(w.errs, &Error{Position: at, Message: fmt.Sprintf(format, args...), Allowed: allowed})
}

// walk goes down both, and says what is wrong in the words of a profile.
func (w *walker) walk(s schema, n *node, path string) {
	called := path
	if path == "" {
		called = "the document"
	}
	value := n.plain()
	// Of alternatives, it is the one that is of the type of what is there.
	one := s
	for _, alternative := range s.oneOf() {
		if !w.breaks(alternative, value, "type") {
			one = alternative
			break
		}
	}
	switch {
	case one["oneOf"] != nil || w.breaks(one, value, "type"):
		w.fail(n.pos, s.allowed(), "%s: wrong type: %s is %s, not %s%s", called, n.quoted(), article([]string{n.typeName()}), article(s.types()), typeHint(s, n, path))
	case w.breaks(one, value, "enum"):
		hint := ""
		if text, ok := n.value.(string); ok {
			hint = didYouMean(text, s.enum())
		}
		w.fail(n.pos, s.allowed(), "%s: %s is not allowed%s", called, n.quoted(), hint)
	case w.breaks(one, value, "minimum", "maximum", "pattern", "minLength", "maxLength", "minItems", "maxItems"):
		w.fail(n.pos, s.allowed(), "%s: %s is not allowed", called, n.quoted())
	case w.breaks(one, value, "uniqueItems"):
		w.twice(n, called)
	}
	w.fields(one, n, path, called)
	for i, item := range n.items {
		if items := one.raw("items"); items != nil {
			part := fmt.Sprintf("[%d]", i)
			if name := item.name(); name != "" {
				part = "." + name
			}
			w.walk(items, item, strings.TrimPrefix(path+part, "."))
		}
	}
}

// fields are those of a mapping: unknown ones, missing ones, and what is in them.
func (w *walker) fields(s schema, n *node, path, called string) {
	if n.kind != mapping || !s.isA("object") {
		return
	}
	known, keys := s.properties(), s.keys()
	for _, f := range n.fields {
		if p := known[f.name]; p != nil {
			w.walk(p, f.node, strings.TrimPrefix(path+"."+f.name, "."))
			continue
		}
		if p := s.values(); p != nil {
			w.walk(p, f.node, strings.TrimPrefix(path+"."+f.name, "."))
			continue
		}
		w.fail(f.key, "allowed here: "+strings.Join(keys, ", "), "unknown key %q%s", f.name, didYouMean(f.name, keys))
	}
	required, _ := s["required"].([]any)
	for _, r := range required {
		if key := fmt.Sprint(r); n.get(key) == nil {
			w.fail(n.pos, known[key].allowed(), "%s: the key %q is missing", called, key)
		}
	}
}

// twice says what a list has a second time.
func (w *walker) twice(n *node, called string) {
	for i, item := range n.items {
		first := func(o *node) bool { return reflect.DeepEqual(o.plain(), item.plain()) }
		if slices.ContainsFunc(n.items[:i], first) {
			w.fail(item.pos, "", "%s: %s is in the list a second time", called, item.quoted())
			return
		}
	}
}

func typeHint(s schema, n *node, path string) string {
	switch {
	case s.isA("string") && n.kind == scalar && n.value != nil && (len(s.enum()) == 0 || slices.Contains(s.enum(), fmt.Sprint(n.value))):
		return "; write it in quotes"
	case n.kind == list && strings.HasSuffix(path, ".vf"):
		return "; VFs that differ are ranges of vfs, as in vfs: [{name: dpdk, vf: 0-3, driver: vfio-pci}]"
	}
	return ""
}

// typeName is the JSON type of what is there.
func (n *node) typeName() string {
	switch n.kind {
	case mapping:
		return "object"
	case list:
		return "array"
	}
	switch n.value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	}
	return "number"
}

// quoted is a scalar as it would be written, and in words what is not one.
func (n *node) quoted() string {
	switch n.kind {
	case mapping:
		return "this"
	case list:
		return "this"
	}
	if n.value == nil {
		return "null"
	}
	if s, ok := n.value.(string); ok {
		return strconv.Quote(s)
	}
	return fmt.Sprint(n.value)
}

// duplicates finds names that a list has twice: the schema cannot say it.
func duplicates(s schema, n *node) Errors {
	var errs Errors
	for _, f := range n.fields {
		if p := s.properties()[f.name]; p != nil {
			errs = append(errs, duplicates(p, f.node)...)
		}
	}
	seen := map[string]Position{}
	for _, it := range n.items {
		if s.items() == nil {
			continue
		}
		errs = append(errs, duplicates(s.items(), it)...)
		name := it.name()
		if name == "" || !s.named() {
			continue
		}
		if first, twice := seen[name]; twice {
			errs = append(errs, &Error{
				Position: it.get("name").pos, Message: fmt.Sprintf("the name %q is in this list a second time", name),
				Allowed: "it is first at " + first.String(),
			})
			continue
		}
		seen[name] = it.get("name").pos
	}
	return errs
}
