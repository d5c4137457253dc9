// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	reflector "github.com/invopop/jsonschema"
	"github.com/santhosh-tekuri/jsonschema/v6"
	errkind "github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// comments are the doc comments of the Spec types, which a program cannot read
// at run time; TestComments writes them with -update and fails when they are old.
//
//go:embed comments.json
var comments []byte

// schema is a part of the JSON Schema.
type schema map[string]any

// rulebook is the schema in the two forms in which it is used.
type rulebook struct {
	root      schema
	validator *jsonschema.Schema
}

// theSchema is made once, from types that do not change.
var theSchema = sync.OnceValues(newRulebook)

func newRulebook() (*rulebook, error) {
	text, err := Schema()
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("reading the profile schema back: %w", err)
	}
	c := jsonschema.NewCompiler()
	// With a relative name the library wants a working directory, which may be gone.
	const name = "urn:nicwright:profile"
	if err := c.AddResource(name, doc); err != nil {
		return nil, fmt.Errorf("loading the profile schema: %w", err)
	}
	v, err := c.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("compiling the profile schema: %w", err)
	}
	root, _ := doc.(map[string]any)
	return &rulebook{root: root, validator: v}, nil
}

// Schema is the JSON Schema (draft 2020-12) of a profile document, made from
// the types that the document is decoded into. It is what documents are
// validated against.
func Schema() ([]byte, error) {
	var docs map[string]string
	if err := json.Unmarshal(comments, &docs); err != nil {
		return nil, fmt.Errorf("reading the embedded doc comments: %w", err)
	}
	r := reflector.Reflector{Anonymous: true, DoNotReference: true, RequiredFromJSONSchemaTags: true}
	r.LookupComment = func(t reflect.Type, name string) string { return describe(docs, t, name) }
	s := r.ReflectFromType(reflect.TypeFor[Profile]())
	s.Title = "nicwright profile"
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("writing the profile schema: %w", err)
	}
	// The reflector keeps the order of the fields and encoding/json does not, so null is let in on the text's tree.
	var tree schema
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("reading the profile schema back: %w", err)
	}
	tree.letNullIn()
	out, err := json.MarshalIndent(tree, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the profile schema: %w", err)
	}
	return append(out, '\n'), nil
}

// describe is the doc comment of a type, or of its field of that name. It begins
// with the key instead of the field: the key is what people know.
func describe(docs map[string]string, t reflect.Type, name string) string {
	id := t.PkgPath() + "." + t.Name()
	if name == "" || t.Kind() != reflect.Struct {
		return docs[id]
	}
	text := docs[id+"."+name]
	f, _ := t.FieldByName(name)
	key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if rest, ok := strings.CutPrefix(text, name); ok && key != "" {
		return key + rest
	}
	return text
}

// letNullIn allows null for whatever is not required: a layer takes away with
// it what is below.
func (s schema) letNullIn() {
	required, _ := s["required"].([]any)
	for name, p := range s.properties() {
		p.letNullIn()
		if slices.Contains(required, any(name)) {
			continue
		}
		p["type"] = []any{p["type"], "null"}
		if enum, ok := p["enum"].([]any); ok {
			p["enum"] = append(enum, nil)
		}
	}
	if it := s.items(); it != nil {
		it.letNullIn()
	}
}

func (s schema) properties() map[string]schema {
	m, _ := s["properties"].(map[string]any)
	out := make(map[string]schema, len(m))
	for k, v := range m {
		if p, ok := v.(map[string]any); ok {
			out[k] = p
		}
	}
	return out
}

func (s schema) items() schema {
	it, _ := s["items"].(map[string]any)
	return it
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
	switch t := s["type"].(type) {
	case string:
		out = append(out, t)
	case []any:
		for _, v := range t {
			if name, ok := v.(string); ok && name != "null" {
				out = append(out, name)
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
	lo, hasLo := s["minimum"]
	hi, hasHi := s["maximum"]
	switch enum := s.enum(); {
	case len(enum) > 0:
		b.WriteString("allowed: " + strings.Join(enum, ", "))
	case s.isA("boolean"):
		b.WriteString("allowed: true, false")
	case s.isA("integer") && hasLo && hasHi:
		fmt.Fprintf(&b, "allowed: an integer, %v..%v", lo, hi)
	case s.isA("object"):
		b.WriteString("allowed: a mapping with the keys " + strings.Join(s.keys(), ", "))
	case s.isA("array"):
		b.WriteString("allowed: a list")
	default:
		b.WriteString("allowed: " + article(s.types()))
	}
	if d, _ := s["description"].(string); d != "" && len(s.enum()) == 0 && !s.isA("object") {
		b.WriteString(" (" + strings.TrimSuffix(strings.ReplaceAll(d, "\n", " "), ".") + ")")
	}
	return b.String()
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
	for _, c := range bad.Causes {
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
