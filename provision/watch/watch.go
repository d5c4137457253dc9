// SPDX-License-Identifier: Apache-2.0

// Package watch keeps an eye on a host: events of the kernel and of Open vSwitch make
// it look again, with the same look and the same plan as apply; what that plan would do
// is drift, and is told as it begins and ends. On request it repairs, by the same code
// as apply. An event is never believed, only taken for a reason to look.
package watch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/provision"
)

// ErrDeaf is returned when the source of events ended.
var ErrDeaf = errors.New("the events of the host came to an end: what happens now would not be seen")

// Seen is what a look found.
type Seen struct {
	Profiles []Profile // in force
	// Open is the operation that has begun and not come to its end, "" for none; Waits: one waits to be confirmed.
	Open  string
	Waits bool
	// Needs are the sources whose events can be about what the profiles want (Subscriptions.Need).
	Needs []string
	// Sight is what metrics are made of.
	Sight Sight
	// Suspects are who may have changed a resource, in words.
	Suspects func(resource.ID) []string
}

// Profile is one that is in force, by its last operation.
type Profile struct {
	Name      string
	Operation string
	Applied   *time.Time
	Steps     []step.Step // to bring the host back to it
	Err       error       // why that cannot be told
}

// Repair is what a repair did.
type Repair struct {
	Operation string      // its ID; "" where nothing had to be done
	Steps     []step.Step // that were done
	// Refused is why nothing was done, "" where it was.
	Refused string
}

// Watch watches a host. Fields are set before Run.
type Watch struct {
	Look func(context.Context) (Seen, error)
	// Busy tells whether an operation of nicwright, or a verify, is at work: what changes then is no drift.
	Busy func() (bool, error)
	// Repair applies a profile anew, but for some resources; nil: nothing is repaired.
	Repair func(ctx context.Context, profile string, leave map[resource.ID]bool) (Repair, error)
	// Need asks for further sources of events, and tells whether there are new ones.
	Need func(names []string) (bool, error)
	// Events are told one at a time; what they are is not said.
	Events <-chan struct{}
	// Every is the time after which the host is looked at without an event, for what no event tells; 0: never.
	Every time.Duration
	Tell  func(Event) error

	pace   pacer
	ledger ledger
	ours   map[string]bool   // operations of repairs
	said   map[string]string // by profile, why it was not repaired; told once
	open   string            // the interrupted operation that was told

	mu    sync.Mutex
	state State
}

// Times of the loop.
const (
	busyRetry   = time.Second      // after which it is asked again whether an operation is at work
	failedRetry = 30 * time.Second // after a look that failed
	never       = 100 * 365 * 24 * time.Hour
)

// Run watches until ctx ends, which is no error.
func (w *Watch) Run(ctx context.Context) error {
	w.ledger, w.ours, w.said = ledger{}, map[string]bool{}, map[string]string{}
	w.update(func(s *State) { s.Started = time.Now() })
	next := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-w.Events:
			if !open && ctx.Err() == nil {
				return ErrDeaf
			}
			if at := w.pace.after(time.Now()); at.Before(next) {
				next = at
				timer.Reset(time.Until(next))
			}
			continue
		case <-timer.C:
		}
		var err error
		if next, err = w.round(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		timer.Reset(time.Until(next))
	}
}

// round looks once, tells, repairs, and gives when to look again.
func (w *Watch) round(ctx context.Context) (time.Time, error) {
	// Before, and after, for an operation that begins or ends meanwhile.
	if busy, err := w.busy(); busy || err != nil {
		return time.Now().Add(busyRetry), err
	}
	began := time.Now()
	seen, err := w.Look(ctx)
	now := time.Now()
	w.pace.looked(began, now)
	if ctx.Err() != nil {
		return now, nil
	}
	if err != nil {
		w.update(func(s *State) { s.looked(began, now, err) })
		return now.Add(failedRetry), w.lost("", err)
	}
	if busy, err := w.busy(); busy || err != nil {
		return time.Now().Add(busyRetry), err
	}
	next := now.Add(never)
	if w.Every > 0 {
		next = now.Add(w.Every)
	}
	if err := w.take(seen, began, now); err != nil {
		return next, err
	}
	if fresh, err := w.Need(seen.Needs); fresh || err != nil {
		next = earlier(next, now.Add(settle)) // what happened between the look and the subscription
		if err != nil {
			return next, err
		}
	}
	// What a repair of its own left half way is gone on with; another's is for the operator to end.
	if w.Repair == nil || seen.Waits || seen.Open != "" && !w.ours[seen.Open] {
		return next, nil
	}
	wake, err := w.repair(ctx, seen, now)
	return earlier(next, wake), err
}

func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

func (w *Watch) busy() (bool, error) {
	busy, err := w.Busy()
	w.update(func(s *State) { s.Busy = busy })
	return busy, err
}

func (w *Watch) tell(events ...Event) error {
	for _, e := range events {
		e.Time = time.Now().UTC()
		if err := w.Tell(e); err != nil {
			return err
		}
	}
	return nil
}

// lost tells, once, that nothing is known of a profile, or of the host for "".
func (w *Watch) lost(profile string, err error) error {
	text := oneLine(err.Error())
	if w.State().Unknown[profile] == text {
		return nil
	}
	w.update(func(s *State) { s.Unknown[profile] = text })
	return w.tell(Event{Event: Unknown, Profile: profile, Says: text})
}

// found tells that what was unknown is known again.
func (w *Watch) found(profile string) error {
	if _, was := w.State().Unknown[profile]; !was {
		return nil
	}
	w.update(func(s *State) { delete(s.Unknown, profile) })
	return w.tell(Event{Event: Known, Profile: profile})
}

// oneLine is a message for people in one line.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' }), "; ")
}

// take takes what a look found in, and tells what is new.
func (w *Watch) take(seen Seen, began, now time.Time) error {
	before := w.State()
	drifts := map[key]Drift{}
	var errs []error
	errs = append(errs, w.found(""), w.inForce(before, seen))
	for _, p := range seen.Profiles {
		if p.Err != nil { // what was known of it stands
			maps.Copy(drifts, before.of(p.Name))
			errs = append(errs, w.lost(p.Name, p.Err))
			continue
		}
		errs = append(errs, w.found(p.Name))
		maps.Copy(drifts, driftsOf(p.Name, p.Steps))
	}
	if seen.Open != "" && seen.Open != w.open && !w.ours[seen.Open] {
		errs = append(errs, w.tell(Event{Event: Interrupted, Operation: seen.Open, Says: "it was begun, and nobody is at work on it: nicwright status"}))
	}
	w.open = seen.Open
	// Of a profile that is not in force any more nothing ends: it is not wanted.
	gone := maps.Clone(before.Drifts)
	maps.DeleteFunc(gone, func(k key, _ Drift) bool {
		return !slices.ContainsFunc(seen.Profiles, func(p Profile) bool { return p.Name == k.profile })
	})
	w.update(func(s *State) {
		s.looked(began, now, nil)
		s.Drifts, s.Profiles, s.Sight, s.Interrupted = drifts, seen.Profiles, seen.Sight, seen.Open != ""
		s.seen = true
	})
	return errors.Join(append(errs, w.tell(compare(gone, drifts)...))...)
}

// inForce tells what is watched, and forgets of a profile that was applied anew, by
// another than this, what was repaired.
func (w *Watch) inForce(before State, seen Seen) error {
	same := before.seen && slices.EqualFunc(before.Profiles, seen.Profiles, func(a, b Profile) bool { return a.Name == b.Name && a.Operation == b.Operation })
	if same {
		return nil
	}
	var errs []error
	for _, p := range seen.Profiles {
		i := slices.IndexFunc(before.Profiles, func(b Profile) bool { return b.Name == p.Name })
		if i >= 0 && before.Profiles[i].Operation == p.Operation || w.ours[p.Operation] {
			continue
		}
		w.forget(p.Name)
		errs = append(errs, w.tell(Event{Event: Watching, Profile: p.Name, Operation: p.Operation}))
	}
	for _, b := range before.Profiles {
		if !slices.ContainsFunc(seen.Profiles, func(p Profile) bool { return p.Name == b.Name }) {
			w.forget(b.Name)
			w.update(func(s *State) { delete(s.Unknown, b.Name) })
		}
	}
	if len(seen.Profiles) == 0 {
		errs = append(errs, w.tell(Event{Event: Watching, Says: "nothing is in force: nothing can drift"}))
	}
	return errors.Join(errs...)
}

func (w *Watch) forget(profile string) {
	w.ledger.forget(profile)
	delete(w.said, profile)
	w.update(func(s *State) {
		maps.DeleteFunc(s.Fights, func(p place, _ bool) bool { return p.profile == profile })
	})
}

// repair repairs what drifts and may be, and gives when there is more to do; the zero
// time is not before the next event.
func (w *Watch) repair(ctx context.Context, seen Seen, now time.Time) (wake time.Time, err error) {
	for _, p := range seen.Profiles {
		if p.Err != nil {
			continue
		}
		at, err := w.repairProfile(ctx, p.Name, seen, now)
		if wake.IsZero() || !at.IsZero() && at.Before(wake) {
			wake = at
		}
		if err != nil || ctx.Err() != nil {
			return wake, err
		}
	}
	return wake, nil
}

func (w *Watch) repairProfile(ctx context.Context, profile string, seen Seen, now time.Time) (wake time.Time, err error) {
	todo, leave := map[resource.ID]bool{}, map[resource.ID]bool{}
	for k := range w.State().of(profile) {
		if todo[k.resource] || leave[k.resource] {
			continue
		}
		p := place{profile, k.resource}
		if w.ledger.undone(p, now) {
			w.update(func(s *State) { s.Fights[p] = true })
			if err := w.tell(fightOf(p, seen.Suspects)); err != nil {
				return wake, err
			}
		}
		may, at := w.ledger.may(p, now)
		if may {
			todo[k.resource] = true
			continue
		}
		leave[k.resource] = true
		if !at.IsZero() && (wake.IsZero() || at.Before(wake)) {
			wake = at
		}
	}
	if len(todo) == 0 {
		return wake, nil
	}
	did, err := w.Repair(ctx, profile, leave)
	if did.Operation != "" {
		w.ours[did.Operation] = true
	}
	if locked := new(provision.LockedError); errors.As(err, &locked) {
		return now.Add(busyRetry), nil
	}
	now = time.Now() // a repair takes its time
	why := did.Refused
	if err != nil {
		why = oneLine(err.Error())
	}
	if why != "" {
		for id := range todo {
			w.ledger.tried(place{profile, id}, now, false)
			_, at := w.ledger.may(place{profile, id}, now)
			wake = at
		}
		w.update(func(s *State) { s.NotRepaired[profile]++ })
		if w.said[profile] == why {
			return wake, nil
		}
		w.said[profile] = why
		return wake, w.tell(Event{Event: NotRepaired, Profile: profile, Operation: did.Operation, Says: why})
	}
	delete(w.said, profile)
	if did.Operation == "" {
		return now.Add(settle), nil // it has ended by itself
	}
	w.update(func(s *State) { s.Repaired[profile]++ })
	done := map[resource.ID]bool{}
	var errs []error
	for _, s := range did.Steps {
		if !done[s.Resource] {
			done[s.Resource] = true
			w.ledger.tried(place{profile, s.Resource}, now, true)
			errs = append(errs, w.tell(Event{Event: Repaired, Profile: profile, Operation: did.Operation, Resource: s.Resource}))
		}
	}
	return now.Add(settle), errors.Join(errs...)
}

// fightOf says who may be at work against a repair.
func fightOf(p place, suspects func(resource.ID) []string) Event {
	who := "nobody is known who would"
	if all := suspects(p.resource); len(all) > 0 {
		who = "it may be " + strings.Join(all, ", or ")
	}
	return Event{
		Event: Fight, Profile: p.profile, Resource: p.resource,
		Says: fmt.Sprintf("repaired %d times, and undone each time: %s; it is left alone until the profile is applied anew, or watch is started anew", mostUndone, who),
	}
}
