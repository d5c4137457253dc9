// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
)

// YAML is the merged document. With origins, each value is followed by a
// comment that says which layer it is from.
func (p *Profile) YAML(origins bool) ([]byte, error) {
	e := emitter{origins: origins}
	e.node(p.doc, 0, "")
	return []byte(e.out.String()), e.err
}

// MarshalJSON is the merged document, without what is not set.
func (p *Profile) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(p.doc.plain())
	if err != nil {
		return nil, fmt.Errorf("writing profile %q as JSON: %w", p.Name, err)
	}
	return b, nil
}

// emitter writes a tree as YAML.
type emitter struct {
	out     strings.Builder
	origins bool
	err     error
}

// node writes n, whose first line begins after lead on the present line; the
// other lines are indented.
func (e *emitter) node(n *node, indent int, lead string) {
	pad := strings.Repeat("  ", indent)
	for i, f := range n.fields {
		if i > 0 || lead == "" {
			lead = pad
		}
		e.out.WriteString(lead + e.scalar(f.name) + ":")
		e.value(f.node, indent)
	}
	for _, it := range n.items {
		if it.kind == mapping && len(it.fields) > 0 {
			e.node(it, indent+1, pad+"- ")
			continue
		}
		e.out.WriteString(pad + "-")
		e.value(it, indent)
	}
}

// value writes what is after "key:" or "-".
func (e *emitter) value(n *node, indent int) {
	switch {
	case n.kind == scalar:
		e.line(" "+e.scalar(n.value), n)
	case n.kind == mapping && len(n.fields) == 0:
		e.line(" {}", n)
	case n.kind == list && len(n.items) == 0:
		e.line(" []", n)
	case n.kind == list && n.flat():
		var items []string
		for _, it := range n.items {
			items = append(items, e.scalar(it.value))
		}
		e.line(" ["+strings.Join(items, ", ")+"]", n)
	default:
		e.out.WriteByte('\n')
		e.node(n, indent+1, "")
	}
}

// flat tells whether a list has only scalars.
func (n *node) flat() bool {
	for _, it := range n.items {
		if it.kind != scalar {
			return false
		}
	}
	return true
}

func (e *emitter) line(s string, n *node) {
	e.out.WriteString(s)
	if at := n.pos.String(); e.origins && at != "" {
		e.out.WriteString("  # " + at)
	}
	e.out.WriteByte('\n')
}

// scalar is a value in one line, in quotes where YAML needs them.
func (e *emitter) scalar(v any) string {
	if s, ok := v.(string); ok && (strings.ContainsAny(s, "\n\r\t,[]{}#\"'\\") || s != strings.TrimSpace(s)) {
		b, err := json.Marshal(s) // a JSON string is a YAML one
		if err != nil {
			e.err = fmt.Errorf("writing %q as YAML: %w", s, err)
		}
		return string(b)
	}
	b, err := yaml.Marshal(v)
	if err != nil {
		e.err = fmt.Errorf("writing %v as YAML: %w", v, err)
	}
	return strings.TrimSpace(string(b))
}
