// SPDX-License-Identifier: Apache-2.0

// Package probe has the answer to a question about the running host: yes, no or
// not known, with what says so. A question that costs something is asked when its
// answer is first wanted, and once.
package probe

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
)

// Answer is yes, no, or not known, and where it is known from. The zero value is
// not known.
type Answer struct {
	Known bool `json:"known"`
	Yes   bool `json:"yes"`
	// Source is what says so, as in "CONFIG_TLS_DEVICE=y in /boot/config-6.12.0"; of what is not
	// known, what was tried.
	Source string `json:"source"`
}

// Yes is an answer.
func Yes(source string) Answer { return Answer{true, true, source} }

// Yesf is Yes with a formatted source.
func Yesf(format string, args ...any) Answer { return Yes(fmt.Sprintf(format, args...)) }

// No is an answer, too.
func No(source string) Answer { return Answer{true, false, source} }

// Nof is No with a formatted source.
func Nof(format string, args ...any) Answer { return No(fmt.Sprintf(format, args...)) }

// Unknown is none; source is what was tried.
func Unknown(source string) Answer { return Answer{Source: source} }

// Unknownf is Unknown with a formatted source.
func Unknownf(format string, args ...any) Answer { return Unknown(fmt.Sprintf(format, args...)) }

// Denied tells whether it is known that it is not so: the only answer that refuses.
func (a Answer) Denied() bool { return a.Known && !a.Yes }

// First asks one question of several sources, the cheapest first, and stops at the
// first that knows. Of what nobody knows it has what all of them tried.
func First(asks ...func() Answer) Answer {
	var tried []string
	for _, ask := range asks {
		a := ask()
		if a.Known {
			return a
		}
		if a.Source != "" {
			tried = append(tried, a.Source)
		}
	}
	return Unknown(strings.Join(tried, "; "))
}

// Fact is an answer that is looked for when it is first wanted. The zero value is
// not known.
type Fact struct{ ask func() Answer }

// Lazy is the fact that ask answers, once, whoever asks and how often.
func Lazy(ask func() Answer) Fact { return Fact{sync.OnceValue(ask)} }

// Told is a fact that is known already.
func Told(a Answer) Fact { return Fact{func() Answer { return a }} }

// Ask answers.
func (f Fact) Ask() Answer {
	if f.ask == nil {
		return Answer{}
	}
	return f.ask()
}

// MarshalJSON asks, and writes the answer.
func (f Fact) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(f.Ask())
	if err != nil {
		return nil, fmt.Errorf("encoding an answer: %w", err)
	}
	return b, nil
}

// UnmarshalJSON reads an answer.
func (f *Fact) UnmarshalJSON(b []byte) error {
	var a Answer
	if err := json.Unmarshal(b, &a); err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	*f = Told(a)
	return nil
}
