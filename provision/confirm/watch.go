// SPDX-License-Identifier: Apache-2.0

package confirm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/journal"
)

// Watch is a watchdog.
type Watch struct {
	Journal journal.Dir
	RunDir  string   // where the locks are
	Args    []string // its command line, for who finds the lock taken
	// Rollback takes an operation back. It is called with the writer's lock held.
	Rollback func(ctx context.Context, o *journal.Operation) error
	// Armed is called once the watchdog has its place: from then on it misses nothing.
	Armed func() error
	// Try asks a target of a probe for an answer, until ctx ends.
	Try func(ctx context.Context, target Target) error
	// Tell is told what happens, a line each.
	Tell func(line string)
	// Retry is the wait after a first error, doubled up to 16 times of it; Every is the time
	// between two tries of a probe.
	Retry, Every time.Duration

	place  *os.File
	probe  *prober
	due    map[string]dueTime // by the operation's ID
	failed int                // errors in a row
}

// growths is how often the wait after an error is doubled.
const growths = 4

// Run watches until nothing waits to be confirmed. It returns ErrArmed where
// another does that already, and an error when ctx ends before.
//
// All is decided with the writer's lock held: also that there is nothing to do any
// more, so that who holds that lock and finds a watchdog can rely on it.
func (w *Watch) Run(ctx context.Context) (err error) {
	if w.place, err = takePlace(w.RunDir); err != nil {
		return err
	}
	defer func() { w.place.Close() }()
	changes, err := w.changes()
	if err != nil {
		return err
	}
	defer changes.Close()
	if err := w.Armed(); err != nil {
		return fmt.Errorf("telling that the watchdog is armed: %w", err)
	}
	w.due = map[string]dueTime{}
	defer func() { w.stopProbe() }()
	for {
		next, err := w.look(ctx)
		if err == nil && next == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the watchdog was ended: %w", context.Cause(ctx))
		}
		if err != nil {
			// What is tried again writes to the journal itself: only the time counts here.
			wait := w.Retry << min(w.failed, growths)
			w.failed++
			w.Tell(fmt.Sprintf("%v; trying again in %v", err, wait))
			if err := w.sleep(ctx, time.Now().Add(wait), nil, nil); err != nil {
				return err
			}
			continue
		}
		w.failed = 0
		if err := w.sleep(ctx, w.due[next.ID].at, changes, w.probe.lostSignal()); err != nil {
			return err
		}
	}
}

// changes subscribes to the journal.
func (w *Watch) changes() (*fsnotify.Watcher, error) {
	dir := filepath.Join(string(w.Journal), "operations")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the journal's directory: %w", err)
	}
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching the journal: %w", err)
	}
	if err := n.Add(dir); err != nil {
		n.Close()
		return nil, fmt.Errorf("watching the journal %s: %w", dir, err)
	}
	return n, nil
}

// sleep lasts until a time, a change of the journal, or a lost probe.
func (w *Watch) sleep(ctx context.Context, until time.Time, changes *fsnotify.Watcher, lost <-chan struct{}) error {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	var events <-chan fsnotify.Event
	var errs <-chan error
	if changes != nil {
		events, errs = changes.Events, changes.Errors
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("the watchdog was ended while an operation waits to be confirmed: %w", context.Cause(ctx))
	case <-timer.C:
	case <-events:
	case err := <-errs: // events were lost: something happened
		w.Tell(fmt.Sprintf("watching the journal: %v: looking again", err))
	case <-lost:
	}
	return nil
}

// look decides, with the writer's lock held, that is when no operation is under
// way. It gives the operation that is waited for; nil when there is none, and then
// the watchdog's place is free.
func (w *Watch) look(ctx context.Context) (_ *journal.Operation, err error) {
	lock, err := provision.WaitLock(ctx, w.RunDir, w.Args)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	ops, err := w.Journal.List()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	var next *journal.Operation
	for _, o := range journal.Waiting(ops) {
		if o.Confirm.Deadline == nil { // nobody is at work, and so it was interrupted
			if err := w.Journal.SetDeadline(o, now); err != nil {
				return nil, err
			}
			w.Tell(fmt.Sprintf("operation %s was interrupted: it goes back at %s", o.ID, When(*o.Confirm.Deadline)))
		}
		w.reckon(o, now)
		if next == nil || w.due[o.ID].at.Before(w.due[next.ID].at) {
			next = o
		}
	}
	if next == nil {
		w.stopProbe()
		return nil, w.place.Close()
	}
	w.probeFor(next)
	var why string
	switch {
	case w.probe.isLost():
		why = fmt.Sprintf("the probe had no answer for %v: %v", w.probe.lost, w.probe.lastError())
	case now.Before(w.due[next.ID].at):
		return next, nil
	case w.probe.answers() && next.InForce():
		if err := w.Journal.SetConfirmed(next, now); err != nil {
			return nil, err
		}
		w.Tell(fmt.Sprintf("operation %s stays: the probe answers", next.ID))
		return next, nil // its own change wakes it at once
	default:
		why = "it was not confirmed by " + When(*next.Confirm.Deadline)
	}
	w.stopProbe()
	w.Tell(fmt.Sprintf("operation %s (apply of %s) goes back: %s", next.ID, next.Profile.Name, why))
	err = w.Rollback(ctx, next)
	if err == nil {
		err = w.stillWaits(next.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("taking operation %s back: %w", next.ID, err)
	}
	w.Tell(fmt.Sprintf("operation %s was taken back", next.ID))
	return next, nil // there may be another
}

// dueTime is when the time of an operation is over, by the clock that nobody sets.
type dueTime struct {
	deadline time.Time // of the journal, that it was made of
	at       time.Time
}

// reckon makes the due time of a deadline when that is first seen: a host whose
// clock is set back is not left cut off for longer.
func (w *Watch) reckon(o *journal.Operation, now time.Time) {
	deadline := *o.Confirm.Deadline
	if known, ok := w.due[o.ID]; ok && known.deadline.Equal(deadline) {
		return // of another attempt it is another
	}
	w.due[o.ID] = dueTime{deadline, now.Add(min(deadline.Sub(now), o.Confirm.Within.Duration()))}
}

// stillWaits looks whether an operation is as it was before it was taken back.
func (w *Watch) stillWaits(id string) error {
	ops, err := w.Journal.List()
	if err != nil {
		return err
	}
	if o := journal.Find(ops, id); o != nil && o.Waits() {
		return errors.New("the rollback came to its end, and the journal does not have it")
	}
	return nil
}
