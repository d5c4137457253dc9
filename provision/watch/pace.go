// SPDX-License-Identifier: Apache-2.0

package watch

import "time"

// How often the host is looked at while it changes.
const (
	// settle is the wait for what comes with an event, from the first one on.
	settle = 100 * time.Millisecond
	// shortestPause and longestPause are between the end of a look and the next.
	shortestPause = 200 * time.Millisecond
	longestPause  = 10 * time.Second
	// share is how many times the length of a look has to pass after it: a storm of events costs a
	// tenth of a processor at most, and the first event after a rest is told at once.
	share = 9
)

// pacer says when to look.
type pacer struct{ free time.Time }

// looked notes a look.
func (p *pacer) looked(began, ended time.Time) {
	pause := min(max(share*ended.Sub(began), shortestPause), longestPause)
	p.free = ended.Add(pause)
}

// after is when to look because of an event.
func (p *pacer) after(event time.Time) time.Time {
	at := event.Add(settle)
	if at.Before(p.free) {
		return p.free
	}
	return at
}
