// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Confirm says that an apply goes back by itself unless it is confirmed in time.
type Confirm struct {
	// Within is how long the operator has, from the end of the apply.
	Within Seconds `json:"within"`
	// Deadline is by the host's clock. None is set while the apply works.
	Deadline  *time.Time `json:"deadline,omitempty"`
	Confirmed *time.Time `json:"confirmed,omitempty"`
	// Probe are the targets that have to answer, each as confirm.ParseTarget reads it.
	Probe     []string `json:"probe,omitempty"`
	ProbeLost Seconds  `json:"probe_lost,omitempty"` // without an answer for so long, it goes back at once
	// Take is what the apply was allowed to take: going back may take it as well.
	Take []string `json:"take,omitempty"`
}

// Over tells that the deadline has passed.
func (c *Confirm) Over(now time.Time) bool { return c.Deadline != nil && !now.Before(*c.Deadline) }

// Waits tells an apply that goes back unless it is confirmed.
func (o *Operation) Waits() bool {
	return o.Kind == Apply && o.Confirm != nil && o.Confirm.Confirmed == nil && (o.Open() || o.InForce())
}

// Waiting are the operations that wait to be confirmed, oldest first.
func Waiting(all []*Operation) []*Operation {
	var out []*Operation
	for _, o := range all {
		if o.Waits() {
			out = append(out, o)
		}
	}
	return out
}

// Unconfirmed is the last apply of a profile, if that was to be confirmed, never was,
// and was taken back; nil if not, and where an earlier one is in force.
func Unconfirmed(all []*Operation, profile string) *Operation {
	var last *Operation
	for _, o := range all {
		if o.Kind != Apply || o.Profile.Name != profile {
			continue
		}
		if o.InForce() {
			return nil
		}
		last = o
	}
	if last == nil || last.Confirm == nil || last.Confirm.Confirmed != nil || last.Open() {
		return nil
	}
	return last
}

// runFrom sets the deadline of an operation that waits.
func (o *Operation) runFrom(now time.Time) {
	if o.Waits() {
		deadline := now.Add(o.Confirm.Within.Duration())
		o.Confirm.Deadline = &deadline
	}
}

// SetDeadline writes the deadline of an operation that was interrupted before its
// end could set it. It is for who holds the writer's lock.
func (d Dir) SetDeadline(o *Operation, now time.Time) error {
	o.runFrom(now.UTC())
	return d.Write(o)
}

// SetConfirmed writes that an operation was confirmed: it stays. It is for who
// holds the writer's lock.
func (d Dir) SetConfirmed(o *Operation, now time.Time) error {
	now = now.UTC()
	o.Confirm.Confirmed = &now
	return d.Write(o)
}

// Seconds is a duration, in seconds in JSON.
type Seconds time.Duration

// Duration is the same as the standard library has it.
func (s Seconds) Duration() time.Duration { return time.Duration(s) }

// MarshalJSON is the number of seconds.
func (s Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

// most is the longest time in a document: a year.
const most = 365 * 24 * time.Hour

// UnmarshalJSON reads seconds, from 0 to those of a year.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	var n float64
	if err := json.Unmarshal(b, &n); err != nil {
		return fmt.Errorf("seconds: %w", err)
	}
	if n < 0 || n > most.Seconds() {
		return fmt.Errorf("%v seconds: want 0 to %v", n, most.Seconds())
	}
	*s = Seconds(math.Round(n * float64(time.Second)))
	return nil
}
