// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is where a value of a profile was written.
type Position struct {
	// Source is the file as it was named, "builtin:NAME.yaml", the name of an environment variable, or "--set".
	Source string `json:"source"`
	// Line and Column count from 1, Column in characters. Line is 0 for what is not in a file.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`

	text  string // the line
	order int    // of the layer or the override among all of them
}

// String is file:line:column, or the source alone where it has no lines.
func (p Position) String() string {
	if p.Line == 0 {
		return p.Source
	}
	return fmt.Sprintf("%s:%d:%d", p.Source, p.Line, p.Column)
}

// excerpt is the line and below it a caret under the column.
func (p Position) excerpt() string {
	if p.text == "" || p.Column < 1 {
		return ""
	}
	number := ""
	if p.Line > 0 {
		number = fmt.Sprint(p.Line)
	}
	var pad strings.Builder
	runes := []rune(p.text)
	for i := range p.Column - 1 {
		if i < len(runes) && runes[i] == '\t' {
			pad.WriteByte('\t') // so that the caret stands right whatever a tab is wide
			continue
		}
		pad.WriteByte(' ')
	}
	return fmt.Sprintf("%5s | %s\n%5s | %s^\n", number, p.text, "", pad.String())
}

// Error is one thing that is wrong in a profile.
type Error struct {
	Position
	// Rule is the id of the rule that is broken (Rules), or "".
	Rule string `json:"rule,omitempty"`
	// Severity of the rule; "" is Fatal.
	Severity Severity `json:"severity,omitempty"`
	// Message says what is wrong.
	Message string `json:"message"`
	// Allowed says what may be written there, or what to do.
	Allowed string `json:"allowed,omitempty"`
	// Origin is where the rule's fact is from (a file of the kernel, for the most part), or "".
	Origin string `json:"origin,omitempty"`
}

// Error is file:line:column, the message, the line with a caret under the
// place, and what is allowed.
func (e *Error) Error() string {
	var b strings.Builder
	if at := e.Position.String(); at != "" {
		b.WriteString(at + ": ")
	}
	if e.Rule != "" {
		b.WriteString(e.Rule + ": ")
	}
	if e.Severity == Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(e.Message + "\n" + e.excerpt())
	if e.Allowed != "" {
		b.WriteString("        " + e.Allowed + "\n")
	}
	if e.Origin != "" {
		b.WriteString("        source: " + e.Origin + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Errors is all that is wrong in a profile, in the order of the layers and
// their lines.
type Errors []*Error

// Error is one error after the other.
func (es Errors) Error() string {
	all := make([]string, len(es))
	for i, e := range es {
		all[i] = e.Error()
	}
	return strings.Join(all, "\n")
}

// Unwrap lets errors.As find each one.
func (es Errors) Unwrap() []error {
	all := make([]error, len(es))
	for i, e := range es {
		all[i] = e
	}
	return all
}

// Fatal are those that are no warnings.
func (es Errors) Fatal() Errors {
	return slices.DeleteFunc(slices.Clone(es), func(e *Error) bool { return e.Severity == Warning })
}

// orNil is nil if there are none, so that no empty Errors is taken for an error.
func (es Errors) orNil() error {
	if len(es) == 0 {
		return nil
	}
	es.sort()
	return es
}

func (es Errors) sort() {
	slices.SortStableFunc(es, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
}

// nearest is the word of words that s is a misspelling of, or "".
func nearest(s string, words []string) string {
	best, limit := "", len(s)/3+1
	for _, w := range words {
		if d := distance(strings.ToLower(s), strings.ToLower(w)); d <= limit {
			best, limit = w, d-1
		}
	}
	return best
}

// distance counts the single-character edits and swaps of neighbours between a and b.
func distance(a, b string) int {
	var before, above []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row = above, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}

// didYouMean is "; did you mean ...?" or "".
func didYouMean(s string, words []string) string {
	if w := nearest(s, words); w != "" {
		return fmt.Sprintf("; did you mean %q?", w)
	}
	return ""
}
