// SPDX-License-Identifier: Apache-2.0

package confirm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/journal"
)

// scene is a journal with a watchdog whose rollback is a fake one.
type scene struct {
	t     *testing.T
	dir   journal.Dir
	run   string
	try   func(Target) error
	fails int // rollbacks that fail before one does not

	mu    sync.Mutex
	backs []string // what was tried to be taken back
	lines []string
}

func newScene(t *testing.T) *scene {
	return &scene{t: t, dir: journal.Dir(t.TempDir()), run: t.TempDir(), try: func(Target) error { return nil }}
}

// rollback marks the operation as one that was taken back.
func (s *scene) rollback(_ context.Context, o *journal.Operation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := provision.TakeLock(s.run, nil); err == nil {
		return errors.New("the rollback is done without the writer's lock")
	}
	s.backs = append(s.backs, o.ID)
	if s.fails > 0 {
		s.fails--
		return errors.New("the kernel said no")
	}
	return takeBack(s.dir, o.ID)
}

func takeBack(dir journal.Dir, id string) error {
	ops, err := dir.List()
	if err != nil {
		return err
	}
	o := journal.Find(ops, id)
	back := &journal.Operation{Kind: journal.Rollback}
	if o.Open() {
		back.Resumes = []string{id}
	} else {
		back.Undoes = []string{id}
	}
	return errors.Join(dir.Begin(back, ops), dir.End(back, nil, ops))
}

// watching is a watchdog that runs.
type watching struct {
	t    *testing.T
	stop context.CancelFunc
	err  chan error
}

// watch starts one, and returns when it is armed.
func (s *scene) watch() watching {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.t.Context())
	armed := make(chan struct{})
	w := &Watch{
		Journal: s.dir, RunDir: s.run, Args: []string{"watchdog"}, Rollback: s.rollback,
		Armed: func() error { close(armed); return nil },
		Try:   func(_ context.Context, target Target) error { return s.try(target) },
		Tell: func(line string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.lines = append(s.lines, line)
		},
		Retry: 5 * time.Millisecond, Every: 5 * time.Millisecond,
	}
	err := make(chan error, 1)
	go func() { err <- w.Run(ctx) }()
	select {
	case <-armed:
	case e := <-err:
		s.t.Fatalf("it was not armed: %v", e)
	}
	s.t.Cleanup(stop)
	return watching{s.t, stop, err}
}

// ends waits until it has ended by itself.
func (w watching) ends() {
	w.t.Helper()
	select {
	case err := <-w.err:
		if err != nil {
			w.t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		w.t.Fatal("the watchdog has not ended")
	}
}

// kill ends it in the middle.
func (w watching) kill() {
	w.t.Helper()
	w.stop()
	if err := <-w.err; !errors.Is(err, context.Canceled) && !strings.Contains(fmt.Sprint(err), "another nicwright") {
		w.t.Fatalf("ended in the middle it gave %v", err)
	}
}

func (s *scene) lock() *provision.Lock {
	s.t.Helper()
	ctx, stop := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer stop()
	l, err := provision.WaitLock(ctx, s.run, []string{"apply"})
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

func (s *scene) release(l *provision.Lock) {
	s.t.Helper()
	if err := l.Release(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) begin(c journal.Confirm) *journal.Operation {
	s.t.Helper()
	o := &journal.Operation{Kind: journal.Apply, Profile: journal.Profile{Name: "rack7"}, Confirm: &c}
	if err := s.dir.Begin(o, nil); err != nil {
		s.t.Fatal(err)
	}
	return o
}

func (s *scene) end(o *journal.Operation, outcome error) {
	s.t.Helper()
	if err := s.dir.End(o, outcome, nil); err != nil {
		s.t.Fatal(err)
	}
}

// applied is an apply that came to its end with a watchdog.
func (s *scene) applied(c journal.Confirm) (*journal.Operation, watching) {
	s.t.Helper()
	l := s.lock()
	w := s.watch()
	o := s.begin(c)
	s.end(o, nil)
	s.release(l)
	return o, w
}

func (s *scene) now(id string) *journal.Operation {
	s.t.Helper()
	ops, err := s.dir.List()
	if err != nil {
		s.t.Fatal(err)
	}
	return journal.Find(ops, id)
}

// confirm does what the verb does.
func (s *scene) confirm() (*journal.Operation, error) {
	s.t.Helper()
	l := s.lock()
	defer s.release(l)
	ops, err := s.dir.List()
	if err != nil {
		s.t.Fatal(err)
	}
	o, err := Choose(ops, "", time.Now())
	if err != nil {
		return nil, err
	}
	return o, s.dir.SetConfirmed(o, time.Now())
}

// assert tells what was taken back, how often it was tried, and that nobody watches any more.
func (s *scene) assert(tries int, says ...string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.backs) != tries {
		s.t.Errorf("a rollback was tried %d times, want %d: %v", len(s.backs), tries, s.backs)
	}
	all := strings.Join(s.lines, "\n")
	for _, w := range says {
		if !strings.Contains(all, w) {
			s.t.Errorf("it did not tell %q:\n%s", w, all)
		}
	}
	if there, err := Armed(s.run); err != nil || there {
		s.t.Errorf("a watchdog is there: %v, %v", there, err)
	}
}

const (
	soon  = journal.Seconds(50 * time.Millisecond)
	later = journal.Seconds(time.Hour)
)

// overNow makes the deadline of an operation pass.
func (s *scene) overNow(id string) {
	s.t.Helper()
	l := s.lock()
	defer s.release(l)
	if err := s.dir.SetDeadline(s.now(id), time.Now().Add(-2*later.Duration())); err != nil {
		s.t.Fatal(err)
	}
}

func TestConfirmedInTimeItStays(t *testing.T) {
	s := newScene(t)
	o, w := s.applied(journal.Confirm{Within: later})
	if got, err := s.confirm(); err != nil || got.ID != o.ID {
		t.Fatalf("%v, %v", got, err)
	}
	w.ends()
	s.assert(0)
	if _, err := s.confirm(); err == nil || !strings.Contains(err.Error(), "was confirmed at") {
		t.Errorf("confirmed twice: %v", err)
	}
}

func TestNotConfirmedItGoesBack(t *testing.T) {
	s := newScene(t)
	o, w := s.applied(journal.Confirm{Within: soon})
	w.ends()
	s.assert(1, "rack7", "not confirmed by", "was taken back")
	if s.now(o.ID).Waits() {
		t.Error("it waits still")
	}
	if _, err := s.confirm(); err == nil || !strings.Contains(err.Error(), "too late") {
		t.Errorf("confirmed too late: %v", err)
	}
}

func TestTheDeadlineDoesNotRunWhileTheApplyWorks(t *testing.T) {
	s := newScene(t)
	l := s.lock()
	w := s.watch()
	o := s.begin(journal.Confirm{Within: soon})
	<-time.After(4 * soon.Duration())
	s.mu.Lock()
	if len(s.backs) > 0 {
		t.Error("it was taken back while the apply worked")
	}
	s.mu.Unlock()
	s.end(o, nil)
	s.release(l)
	w.ends()
	s.assert(1)
}

func TestAnApplyThatWasKilledGoesBack(t *testing.T) {
	s := newScene(t)
	l := s.lock()
	w := s.watch()
	o := s.begin(journal.Confirm{Within: soon})
	s.release(l) // as the kernel does
	w.ends()
	s.assert(1, "was interrupted", "was taken back")
	if d := s.now(o.ID).Confirm.Deadline; d == nil {
		t.Error("it had no deadline")
	}
}

func TestAnApplyThatFailedGoesBackAndCannotBeConfirmed(t *testing.T) {
	s := newScene(t)
	l := s.lock()
	w := s.watch()
	o := s.begin(journal.Confirm{Within: later})
	s.end(o, errors.New("the kernel said no"))
	s.release(l)
	if _, err := s.confirm(); err == nil || !strings.Contains(err.Error(), "did not come to its end") {
		t.Errorf("what failed was confirmed: %v", err)
	}
	s.overNow(o.ID)
	w.ends()
	s.assert(1)
}

func TestTakenBackByHandTheWatchdogEnds(t *testing.T) {
	s := newScene(t)
	o, w := s.applied(journal.Confirm{Within: later})
	l := s.lock()
	if err := takeBack(s.dir, o.ID); err != nil {
		t.Fatal(err)
	}
	s.release(l)
	w.ends()
	s.assert(0)
}

func TestNothingWasBegunTheWatchdogEnds(t *testing.T) {
	s := newScene(t)
	l := s.lock()
	w := s.watch()
	s.release(l)
	w.ends()
	s.assert(0)
}

func TestKilledAndArmedAgain(t *testing.T) {
	s := newScene(t)
	o, w := s.applied(journal.Confirm{Within: later})
	w.kill()
	s.overNow(o.ID)
	s.watch().ends()
	s.assert(1)

	s = newScene(t) // killed while the apply works, too
	l := s.lock()
	w = s.watch()
	o = s.begin(journal.Confirm{Within: soon})
	w.kill()
	s.end(o, nil)
	s.release(l)
	s.watch().ends()
	s.assert(1)
}

func TestThereIsOneWatchdogOnly(t *testing.T) {
	s := newScene(t)
	_, w := s.applied(journal.Confirm{Within: later})
	if there, err := Armed(s.run); err != nil || !there {
		t.Fatalf("it is not seen: %v, %v", there, err)
	}
	second := &Watch{Journal: s.dir, RunDir: s.run}
	if err := second.Run(t.Context()); !errors.Is(err, ErrArmed) {
		t.Errorf("the second gave %v", err)
	}
	w.kill()
	s.assert(0)
}

func TestARollbackThatFailsIsTriedAgain(t *testing.T) {
	s := newScene(t)
	s.fails = 3
	_, w := s.applied(journal.Confirm{Within: soon})
	w.ends()
	s.assert(4, "the kernel said no; trying again in 5ms", "trying again in 20ms", "was taken back")
}

func TestAClockThatIsSetBackDoesNotPutOffTheDeadline(t *testing.T) {
	w := &Watch{due: map[string]dueTime{}}
	now := time.Now()
	far := now.Add(time.Hour)
	o := &journal.Operation{ID: "a", Confirm: &journal.Confirm{Within: journal.Seconds(time.Minute), Deadline: &far}}
	w.reckon(o, now)
	if got := w.due["a"].at.Sub(now); got != time.Minute {
		t.Errorf("it is over in %v, want a minute", got)
	}
	w.reckon(o, now.Add(30*time.Second))
	if got := w.due["a"].at.Sub(now); got != time.Minute {
		t.Errorf("looked at again, it is over in %v, want a minute", got)
	}
}
