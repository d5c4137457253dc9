// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"time"

	"github.com/nicwright/nicwright/internal/resource"
)

// Times of repairs.
const (
	// firstWait is how long after a repair the same resource is not repaired again; doubled by each
	// repair that was undone and each that failed, up to longestWait.
	firstWait   = 5 * time.Second
	longestWait = 10 * time.Minute
	// holds is how long a repair has to hold to count as one that nobody undoes.
	holds = time.Hour
	// mostUndone is how many repairs of a resource may be undone before it is left alone.
	mostUndone = 3
)

// place is a resource as a profile wants it.
type place struct {
	profile  string
	resource resource.ID
}

// ledger has what was repaired, and decides what may be.
type ledger map[place]*record

type record struct {
	repaired  time.Time // the last repair, until it is undone
	undone    int       // repairs that were undone, in a row
	failed    int       // repairs that failed, in a row
	notBefore time.Time
	fought    bool // it is left alone
}

// undone notes that a resource drifts, and tells whether that is the last straw: it was
// repaired, and that was undone once too often.
func (l ledger) undone(p place, now time.Time) bool {
	r := l[p]
	if r == nil || r.repaired.IsZero() {
		return false
	}
	if now.Sub(r.repaired) >= holds {
		delete(l, p)
		return false
	}
	r.undone++
	r.repaired = time.Time{}
	r.fought = r.undone >= mostUndone
	return r.fought
}

// may tells whether a resource that drifts may be repaired, and if not, when; the zero
// time is never.
func (l ledger) may(p place, now time.Time) (bool, time.Time) {
	r := l[p]
	switch {
	case r == nil:
		return true, time.Time{}
	case r.fought:
		return false, time.Time{}
	}
	return !now.Before(r.notBefore), r.notBefore
}

// tried notes a repair that was tried.
func (l ledger) tried(p place, now time.Time, ok bool) {
	r := l[p]
	if r == nil {
		r = &record{}
		l[p] = r
	}
	if ok {
		r.repaired, r.failed = now, 0
	} else {
		r.failed++
	}
	r.notBefore = now.Add(backOff(r.undone + r.failed))
}

// backOff is the wait after n repairs that were of no use.
func backOff(n int) time.Duration {
	wait := firstWait
	for ; n > 0 && wait < longestWait; n-- {
		wait *= 2
	}
	return min(wait, longestWait)
}

// forget drops what is known of a profile: it was applied anew, by somebody.
func (l ledger) forget(profile string) {
	for p := range l {
		if p.profile == profile {
			delete(l, p)
		}
	}
}
