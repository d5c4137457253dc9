// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/jsonschema-go/jsonschema"
)

// published is the JSON Schema as it is published: TestSchemaIsThatOfTheTypes makes
// it from the Spec types and their doc comments, with -update, and fails when it is old.
//
//go:embed schema.json
var published []byte

// schema is a part of the JSON Schema.
type schema map[string]any

// rulebook is the schema in the two forms in which it is used.
type rulebook struct {
	root      schema
	validator *jsonschema.Resolved
}

// theSchema is read once.
var theSchema = sync.OnceValues(newRulebook)

func newRulebook() (*rulebook, error) {
	book := &rulebook{}
	if err := json.Unmarshal(published, &book.root); err != nil {
		return nil, fmt.Errorf("reading the profile schema: %w", err)
	}
	v, err := resolve(book.root)
	if err != nil {
		return nil, fmt.Errorf("reading the profile schema: %w", err)
	}
	book.validator = v
	return book, nil
}

// Schema is the JSON Schema (draft 2020-12) of a profile document. It is what
// documents are validated against.
func Schema() []byte { return bytes.Clone(published) }

// raw is a map in s.
func (s schema) raw(key string) map[string]any {
	m, _ := s[key].(map[string]any)
	return m
}

// oneOf are the alternatives of s: itself where it has none.
func (s schema) oneOf() []schema {
	list, _ := s["oneOf"].([]any)
	if list == nil {
		return []schema{s}
	}
	var all []schema
	for _, v := range list {
		if m, ok := v.(map[string]any); ok {
			all = append(all, m)
		}
	}
	return all
}

func (s schema) properties() map[string]schema {
	m := s.raw("properties")
	out := make(map[string]schema, len(m))
	for k, v := range m {
		if p, ok := v.(map[string]any); ok {
			out[k] = p
		}
	}
	return out
}

// items is the schema of a list's entries, nil where there is no list.
func (s schema) items() schema {
	for _, one := range s.oneOf() {
		if it := one.raw("items"); it != nil {
			return it
		}
	}
	return nil
}

// values is the schema of all values of a mapping whose keys are not ours, nil of others.
func (s schema) values() schema {
	for _, one := range s.oneOf() {
		if p := one.raw("additionalProperties"); p != nil {
			return p
		}
	}
	return nil
}

// keys are the properties' names in alphabetical order, "name" first.
func (s schema) keys() []string {
	var ks []string
	for k := range s.properties() {
		ks = append(ks, k)
	}
	slices.SortFunc(ks, func(a, b string) int {
		if (a == "name") != (b == "name") {
			if a == "name" {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return ks
}

// named tells whether s is a list whose entries merge by name.
func (s schema) named() bool {
	_, ok := s.items().properties()["name"]
	return ok
}

// types are the JSON types that are allowed, null left out.
func (s schema) types() []string {
	var out []string
	add := func(v any) {
		if name, ok := v.(string); ok && name != "null" {
			out = append(out, name)
		}
	}
	for _, one := range s.oneOf() {
		switch t := one["type"].(type) {
		case string:
			add(t)
		case []any:
			for _, v := range t {
				add(v)
			}
		}
	}
	return out
}

func (s schema) isA(t string) bool { return slices.Contains(s.types(), t) }

// enum has the values that are allowed, null left out.
func (s schema) enum() []string {
	var out []string
	values, _ := s["enum"].([]any)
	for _, v := range values {
		if v != nil {
			out = append(out, fmt.Sprint(v))
		}
	}
	return out
}

// allowed says what may be written, in words for people.
func (s schema) allowed() string {
	var b strings.Builder
	bounds := s.oneOf()[0]
	lo, hasLo := bounds["minimum"]
	hi, hasHi := bounds["maximum"]
	switch enum := s.enum(); {
	case len(enum) > 0:
		b.WriteString("allowed: " + strings.Join(enum, ", "))
	case len(s.types()) > 2: // a value of any type
		b.WriteString("allowed: " + article(s.types()))
	case s.isA("boolean"):
		b.WriteString("allowed: true, false")
	case s.isA("integer") && hasLo && hasHi:
		b.WriteString("allowed: an integer, " + whole(lo) + ".." + whole(hi))
		if s.isA("array") {
			b.WriteString(", or a list")
		}
	case s.values() != nil:
		b.WriteString("allowed: a mapping of names, each with " + article(s.values().types()))
	case s.isA("object"):
		b.WriteString("allowed: a mapping with the keys " + strings.Join(s.keys(), ", "))
	case s.isA("array"):
		b.WriteString("allowed: " + s.list())
	default:
		b.WriteString("allowed: " + article(s.types()))
	}
	if d, _ := s["description"].(string); d != "" && len(s.enum()) == 0 && !s.isA("object") {
		b.WriteString(" (" + strings.TrimSuffix(strings.ReplaceAll(d, "\n", " "), ".") + ")")
	}
	return b.String()
}

// whole is a number of the schema's without an exponent.
func whole(v any) string {
	if f, is := v.(float64); is {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// list is how many entries a list has, in words.
func (s schema) list() string {
	switch lo, hi := s["minItems"], s["maxItems"]; {
	case lo != nil && lo == hi:
		return fmt.Sprintf("a list of %v", lo)
	case lo != nil:
		return fmt.Sprintf("a list of %v at least", lo)
	}
	return "a list"
}

func article(types []string) string {
	var out []string
	for _, t := range types {
		switch t {
		case "integer":
			out = append(out, "an integer")
		case "array":
			out = append(out, "a list")
		case "object":
			out = append(out, "a mapping")
		case "boolean":
			out = append(out, "true or false")
		case "null":
			out = append(out, "nothing")
		default:
			out = append(out, "a "+t)
		}
	}
	return strings.Join(out, " or ")
}
