// SPDX-License-Identifier: Apache-2.0

package step

import (
	"encoding/json"
	"fmt"
)

// Value is what an attribute is or shall be, in its own notation. The zero Value
// is absent, which is something else than unknown, and than the empty text.
// Values compare with ==.
type Value struct {
	text  string
	state valueState
}

type valueState uint8

const (
	absent valueState = iota
	unknown
	known
)

// Text is the value s.
func Text(s string) Value { return Value{s, known} }

// Absent says that it is not there, or shall not be.
func Absent() Value { return Value{} }

// Unknown says that it may be there or not, for a step before takes it away or makes it anew.
func Unknown() Value { return Value{state: unknown} }

// IsAbsent tells that it is not there.
func (v Value) IsAbsent() bool { return v.state == absent }

// IsUnknown tells that nobody knows.
func (v Value) IsUnknown() bool { return v.state == unknown }

// Get is the text and whether there is one.
func (v Value) Get() (string, bool) { return v.text, v.state == known }

// Str is the text, "" where there is none.
func (v Value) Str() string { return v.text }

// String is the value as a line of a plan shows it.
func (v Value) String() string {
	switch v.state {
	case absent:
		return "(none)"
	case unknown:
		return "(unknown)"
	}
	if v.text == "" {
		return `""`
	}
	return v.text
}

type unknownValue struct {
	Unknown bool `json:"unknown"`
}

// MarshalJSON is null, {"unknown": true} or the text.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.state {
	case absent:
		return []byte("null"), nil
	case unknown:
		return json.Marshal(unknownValue{true})
	}
	return json.Marshal(v.text)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (v *Value) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err == nil {
		*v = Absent()
		if s != nil {
			*v = Text(*s)
		}
		return nil
	}
	var u unknownValue
	if err := json.Unmarshal(b, &u); err != nil || !u.Unknown {
		return fmt.Errorf("%s is no value of a step: want null, {\"unknown\": true} or a text", b)
	}
	*v = Unknown()
	return nil
}
