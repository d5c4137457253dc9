// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxDocument bounds a document in bytes, and maxDepth its nesting: no profile
// comes near, and the parser's time grows with the square of either.
const (
	maxDocument = 64 << 10
	maxDepth    = 64
)

type kind int

const (
	scalar kind = iota
	mapping
	list
)

// node is one value of a document and where it was written. A node is not
// changed once it is made.
type node struct {
	kind   kind
	pos    Position
	value  any     // of a scalar: nil, bool, int64, uint64, float64, string
	fields []field // of a mapping, in the order written
	items  []*node // of a list
	remove bool    // in an override: the list's entry of this name goes
}

type field struct {
	name string
	key  Position
	node *node
}

// get is the mapping's value for a key, or nil.
func (n *node) get(name string) *node {
	if f := n.field(name); f != nil {
		return f.node
	}
	return nil
}

func (n *node) field(name string) *field {
	if n == nil || n.kind != mapping {
		return nil
	}
	for i := range n.fields {
		if n.fields[i].name == name {
			return &n.fields[i]
		}
	}
	return nil
}

// item is the list's entry of that name and its index, or nil.
func (n *node) item(name string) (*node, int) {
	if n == nil || n.kind != list {
		return nil, -1
	}
	for i, it := range n.items {
		if it.name() == name {
			return it, i
		}
	}
	return nil, -1
}

// name is the value of the key "name", or "".
func (n *node) name() string {
	v := n.get("name")
	if v == nil {
		return ""
	}
	s, _ := v.value.(string)
	return s
}

func (n *node) isNull() bool { return n.kind == scalar && n.value == nil }

// plain is the value as encoding/json and the schema validator know it.
func (n *node) plain() any {
	switch n.kind {
	case mapping:
		m := make(map[string]any, len(n.fields))
		for _, f := range n.fields {
			m[f.name] = f.node.plain()
		}
		return m
	case list:
		l := make([]any, len(n.items))
		for i, it := range n.items {
			l[i] = it.plain()
		}
		return l
	default:
		return n.value
	}
}

// document is a source that is being read: it collects all that is wrong in it.
type document struct {
	source string
	order  int
	lines  []string
	errs   Errors
}

// parse reads one document. With errors, the node is what could be read of it, or nil.
func parse(source string, order int, data []byte) (*node, Errors) {
	d := &document{source: source, order: order, lines: strings.Split(string(data), "\n")}
	if len(data) > maxDocument {
		d.fail(d.at(nil), fmt.Sprintf("the document has %d bytes", len(data)), fmt.Sprintf("allowed: %d bytes", maxDocument))
		return nil, d.errs
	}
	tokens := lexer.Tokenize(string(data))
	if deep := tooDeep(tokens); deep != nil {
		d.fail(d.at(deep), "nested too deeply", fmt.Sprintf("allowed: %d levels", maxDepth))
		return nil, d.errs
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // duplicates are ours to report, all of them
	if err != nil {
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil {
			d.fail(d.at(at.GetToken()), "not YAML: "+at.GetMessage(), "")
		} else {
			d.fail(d.at(nil), "not YAML: "+err.Error(), "")
		}
		return nil, d.errs
	}
	var root *node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			d.fail(d.convert(doc.Body, 0).pos, "a second YAML document in one file", "give each document a file of its own")
			break
		}
		root = d.convert(doc.Body, 0)
	}
	if root == nil {
		d.fail(d.at(nil), "the document is empty", fmt.Sprintf("a profile begins with: version: %d", Version))
	}
	return root, d.errs
}

// tooDeep is the token at which a document is nested too deeply in itself, of
// what costs the parser most: brackets, and dashes in one line.
func tooDeep(tokens token.Tokens) *token.Token {
	brackets, dashes, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			dashes, line = 0, t.Position.Line
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		case token.SequenceEntryType:
			dashes++
		default:
		}
		if brackets > maxDepth || dashes > maxDepth {
			return t
		}
	}
	return nil
}

func (d *document) fail(at Position, message, allowed string) {
	d.errs = append(d.errs, &Error{Position: at, Message: message, Allowed: allowed})
}

// at is the position of a token; nil is the document as a whole.
func (d *document) at(t *token.Token) Position {
	if t == nil || t.Position == nil {
		return Position{Source: d.source, order: d.order}
	}
	p := Position{Source: d.source, order: d.order, Line: t.Position.Line, Column: t.Position.Column}
	if p.Line >= 1 && p.Line <= len(d.lines) {
		p.text = strings.TrimRight(d.lines[p.Line-1], "\r")
	}
	return p
}

// convert turns the parser's tree into ours.
func (d *document) convert(n ast.Node, depth int) *node {
	out := &node{pos: d.at(n.GetToken())}
	if depth > maxDepth {
		d.fail(out.pos, "nested too deeply", fmt.Sprintf("allowed: %d levels", maxDepth))
		return out
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		out.kind = mapping
		if !n.IsFlowStyle && len(n.Values) > 0 {
			out.pos = d.at(n.Values[0].Key.GetToken())
		}
		for _, v := range n.Values {
			d.entry(out, v, depth)
		}
	case *ast.MappingValueNode:
		out.kind = mapping
		out.pos = d.at(n.Key.GetToken())
		d.entry(out, n, depth)
	case *ast.SequenceNode:
		out.kind = list
		for _, v := range n.Values {
			out.items = append(out.items, d.convert(v, depth+1))
		}
	case *ast.NullNode:
	case *ast.BoolNode:
		out.value = n.Value
	case *ast.IntegerNode:
		out.value = n.Value
	case *ast.FloatNode:
		out.value = n.Value
		if math.IsInf(n.Value, 0) || math.IsNaN(n.Value) {
			d.fail(out.pos, "not a number that a profile can have", "")
		}
	case *ast.StringNode:
		out.value = n.Value
	case *ast.LiteralNode:
		out.value = n.Value.Value
	default:
		d.fail(out.pos, fmt.Sprintf("%s is not for profiles", strings.ToLower(n.Type().String())),
			"write the value itself: anchors, aliases, tags, infinity and nan have no place in a profile")
	}
	return out
}

// entry adds one key and its value to a mapping.
func (d *document) entry(out *node, v *ast.MappingValueNode, depth int) {
	at := d.at(v.Key.GetToken())
	var name string
	switch k := v.Key.(type) {
	case *ast.StringNode:
		name = k.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		name = v.Key.GetToken().Value
	default:
		d.fail(at, "not a key that a profile can have", "write the key itself: anchors, aliases, merge keys (<<) and tags have no place in a profile")
		return
	}
	if first := out.field(name); first != nil {
		d.fail(at, fmt.Sprintf("the key %q is here a second time", name), fmt.Sprintf("it is first in line %d", first.key.Line))
		return
	}
	out.fields = append(out.fields, field{name: name, key: at, node: d.convert(v.Value, depth+1)})
}
