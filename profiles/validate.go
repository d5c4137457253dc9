// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	errkind "github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// validate says all that is wrong in a document as far as the schema knows, and
// the names that a list has twice.
func validate(root *node) (Errors, error) {
	book, err := theSchema()
	if err != nil {
		return nil, err
	}
	var errs Errors
	var bad *jsonschema.ValidationError
	if err := book.validator.Validate(root.plain()); errors.As(err, &bad) {
		errs = collect(book.root, root, bad, nil)
	} else if err != nil {
		return nil, fmt.Errorf("validating against the profile schema: %w", err)
	}
	return append(errs, duplicates(book.root, root)...), nil
}

// collect turns the leaves of the validator's answer into errors with positions.
func collect(s schema, root *node, bad *jsonschema.ValidationError, errs Errors) Errors {
	for _, c := range meant(bad) {
		errs = collect(s, root, c, errs)
	}
	if len(bad.Causes) > 0 {
		return errs
	}
	at, n, path := s, root, ""
	for _, part := range bad.InstanceLocation {
		if n.kind == list {
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(n.items) {
				break
			}
			n, at = n.items[i], at.items()
			if name := n.name(); name != "" {
				part = "." + name
			} else {
				part = "[" + part + "]"
			}
		} else {
			next := n.get(part)
			if next == nil {
				break
			}
			n, at = next, at.properties()[part]
			part = "." + part
		}
		path = strings.TrimPrefix(path+part, ".")
	}
	return append(errs, explain(at, n, path, bad.ErrorKind)...)
}

// meant are the causes of an answer; of alternatives (oneOf), those of the one that
// is of the type of what is there, and of the first where none is.
func meant(bad *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if _, ok := bad.ErrorKind.(*errkind.OneOf); !ok || len(bad.Causes) == 0 {
		return bad.Causes
	}
	for _, c := range bad.Causes {
		if _, otherType := c.ErrorKind.(*errkind.Type); !otherType {
			return []*jsonschema.ValidationError{c}
		}
	}
	return bad.Causes[:1]
}

// explain says one error of the validator in the words of a profile.
func explain(s schema, n *node, path string, k jsonschema.ErrorKind) Errors {
	if path == "" {
		path = "the document"
	}
	one := func(at Position, message, allowed string) Errors {
		return Errors{{Position: at, Message: message, Allowed: allowed}}
	}
	switch k := k.(type) {
	case *errkind.AdditionalProperties:
		var errs Errors
		for _, p := range k.Properties {
			keys := s.keys()
			errs = append(errs, &Error{
				Position: n.field(p).key, Message: fmt.Sprintf("unknown key %q%s", p, didYouMean(p, keys)),
				Allowed: "allowed here: " + strings.Join(keys, ", "),
			})
		}
		return errs
	case *errkind.Required:
		var errs Errors
		for _, p := range k.Missing {
			errs = append(errs, &Error{Position: n.pos, Message: fmt.Sprintf("%s: the key %q is missing", path, p), Allowed: s.properties()[p].allowed()})
		}
		return errs
	case *errkind.Type:
		hint := ""
		if s.isA("string") && len(s.enum()) == 0 && n.kind == scalar && n.value != nil {
			hint = "; write it in quotes"
		}
		if n.kind == list && strings.HasSuffix(path, ".vf") {
			hint = "; VFs that differ are ranges of vfs, as in vfs: [{name: dpdk, vf: 0-3, driver: vfio-pci}]"
		}
		return one(n.pos, fmt.Sprintf("%s: wrong type: %s is %s, not %s%s", path, n.quoted(), article([]string{k.Got}), article(s.types()), hint), s.allowed())
	case *errkind.Enum:
		hint := ""
		if text, ok := n.value.(string); ok {
			hint = didYouMean(text, s.enum())
		}
		return one(n.pos, fmt.Sprintf("%s: %s is not allowed%s", path, n.quoted(), hint), s.allowed())
	case *errkind.UniqueItems:
		twice := n.items[k.Duplicates[1]]
		return one(twice.pos, fmt.Sprintf("%s: %s is in the list a second time", path, twice.quoted()), "")
	default: // minimum, maximum, pattern and lengths
		return one(n.pos, fmt.Sprintf("%s: %s is not allowed", path, n.quoted()), s.allowed())
	}
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
