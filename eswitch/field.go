// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"strconv"

	"github.com/nicwright/nicwright/internal/step"
)

// field is one field of a spec, as the text that steps have; absent: not set.
type field interface {
	get() step.Value
	set(step.Value)
}

type (
	textField struct{ at **string }
	intField  struct{ at **int }
	boolField struct{ at **bool }
)

func (f textField) get() step.Value { return textOf(*f.at) }
func (f intField) get() step.Value  { return intOf(*f.at) }
func (f boolField) get() step.Value { return boolOf(*f.at) }

func (f textField) set(v step.Value) {
	*f.at = nil
	if s, ok := v.Get(); ok {
		*f.at = &s
	}
}

// What is set comes from a state or another spec: it is a number, and true or false.
func (f intField) set(v step.Value) {
	*f.at = nil
	if s, ok := v.Get(); ok {
		if n, err := strconv.Atoi(s); err == nil {
			*f.at = &n
		}
	}
}

func (f boolField) set(v step.Value) {
	*f.at = nil
	if s, ok := v.Get(); ok {
		on := s == "true"
		*f.at = &on
	}
}

func textOf(p *string) step.Value {
	if p == nil {
		return step.Absent()
	}
	return step.Text(*p)
}

func intOf(p *int) step.Value {
	if p == nil {
		return step.Absent()
	}
	return step.Text(strconv.Itoa(*p))
}

func boolOf(p *bool) step.Value {
	if p == nil {
		return step.Absent()
	}
	return step.Text(strconv.FormatBool(*p))
}

// word is a text of which "" says that there is none.
func word(s string) step.Value {
	if s == "" {
		return step.Absent()
	}
	return step.Text(s)
}
