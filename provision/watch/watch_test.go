// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

var (
	bond0 = resource.OfBond("bond0")
	br0   = resource.OfBridge("br0")
)

func differ(id resource.ID, attribute, have, want string) step.Step {
	return step.Step{Resource: id, Attribute: attribute, From: step.Text(have), To: step.Text(want)}
}

// host is a host that a test changes; all of it is used within a bubble of synctest.
type host struct {
	mu     sync.Mutex // but while a test lets time pass, it is the test's
	events chan struct{}
	seen   Seen
	err    error
	looks  []time.Duration // since the start
	takes  time.Duration
	busy   bool
	told   []string
	start  time.Time
	fixes  func(profile string, leave map[resource.ID]bool) (Repair, error)
	needs  [][]string
}

func newHost(steps ...step.Step) *host {
	h := &host{events: make(chan struct{}, 1), start: time.Now()}
	h.seen = Seen{Profiles: []Profile{{Name: "p", Operation: "1", Steps: steps}}, Suspects: func(resource.ID) []string { return []string{"NetworkManager, which runs"} }}
	return h
}

func (h *host) watch() *Watch {
	w := &Watch{
		Look: func(context.Context) (Seen, error) {
			h.mu.Lock()
			h.looks = append(h.looks, time.Since(h.start))
			takes := h.takes
			h.mu.Unlock()
			time.Sleep(takes)
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.seen, h.err
		},
		Events: h.events,
		Busy: func() (bool, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.busy, nil
		},
		Need: func(names []string) (bool, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.needs = append(h.needs, names)
			return len(h.needs) == 1, nil
		},
		Tell: func(e Event) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.told = append(h.told, e.Words())
			return nil
		},
	}
	if h.fixes != nil {
		w.Repair = func(_ context.Context, p string, leave map[resource.ID]bool) (Repair, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.fixes(p, leave)
		}
	}
	return w
}

func (h *host) set(steps ...step.Step) {
	h.seen.Profiles = slices.Clone(h.seen.Profiles)
	h.seen.Profiles[0].Steps = steps
}

func (h *host) event() {
	select {
	case h.events <- struct{}{}:
	default:
	}
}

// after lets time pass, until nothing moves. All that a test does otherwise it does
// with the host to itself.
func (h *host) after(d time.Duration) {
	h.mu.Unlock()
	time.Sleep(d)
	synctest.Wait()
	h.mu.Lock()
}

// run runs f beside a watch, and gives what Run returned.
func (h *host) run(t *testing.T, w *Watch, f func()) error {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	synctest.Wait()
	h.mu.Lock()
	f()
	h.mu.Unlock()
	stop()
	return <-done
}

func (h *host) says(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(h.told, want) {
		t.Errorf("told:\n%s\nwant:\n%s", strings.Join(h.told, "\n"), strings.Join(want, "\n"))
	}
}

func TestDriftIsToldWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.takes = 80 * time.Millisecond
		err := h.run(t, h.watch(), func() {
			h.after(time.Minute) // at rest
			if len(h.looks) != 2 {
				t.Errorf("looks at %v: want one, and one after the subscriptions", h.looks)
			}
			h.set(differ(bond0, "mtu", "1500", "9000"))
			h.event()
			h.after(time.Second)
			h.set()
			h.event()
			h.after(time.Second)
			h.after(24 * time.Hour)
			if len(h.looks) != 4 {
				t.Errorf("looks at %v: nothing happened for a day", h.looks)
			}
		})
		if err != nil {
			t.Error(err)
		}
		h.says(t, "p: watching", "p: began: bond/bond0 mtu: 1500, want 9000", "p: ended: bond/bond0 mtu: 9000, want 9000")
	})
}

// A thousand events a second cost a tenth of a processor, and none of them is missed.
func TestAStormIsLookedAtInPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.takes = 50 * time.Millisecond
		if err := h.run(t, h.watch(), func() {
			h.after(time.Minute)
			h.looks = nil
			for range 10_000 {
				h.event()
				h.after(time.Millisecond)
			}
			h.set(differ(bond0, "mtu", "1500", "9000"))
			h.event() // the last one
			h.after(time.Second)
		}); err != nil {
			t.Error(err)
		}
		if n := len(h.looks); n < 20 || n > 23 {
			t.Errorf("%d looks of 50 ms in eleven seconds", n)
		}
		h.says(t, "p: watching", "p: began: bond/bond0 mtu: 1500, want 9000")
	})
}

func TestWhatNoEventTellsIsLookedForNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		w := h.watch()
		w.Every = time.Hour
		if err := h.run(t, w, func() { h.after(5*time.Hour + time.Minute) }); err != nil {
			t.Error(err)
		}
		if len(h.looks) != 2+5 {
			t.Errorf("looks at %v", h.looks)
		}
	})
}

// While an apply or a verify is at work nothing has drifted.
func TestOwnOperationsAreNoDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		w := h.watch()
		if err := h.run(t, w, func() {
			h.after(time.Minute)
			h.busy = true
			h.set(differ(bond0, "mtu", "1500", "9000"))
			h.event()
			h.after(10 * time.Second)
			if s := w.State(); !s.Busy || len(s.Drifts) != 0 {
				t.Errorf("busy %v, drifts %v", s.Busy, s.Drifts)
			}
			h.set()
			h.busy = false
			h.after(2 * time.Second)
			if s := w.State(); s.Busy {
				t.Error("still busy")
			}
		}); err != nil {
			t.Error(err)
		}
		h.says(t, "p: watching")
	})
}

func TestWhatCannotBeToldIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(differ(bond0, "mtu", "1500", "9000"))
		if err := h.run(t, h.watch(), func() {
			h.after(time.Second)
			h.err = errors.New("looking at the host: EPERM\nrun it as root")
			h.event()
			h.after(5 * time.Minute) // it tries again by itself
			h.err = nil
			h.after(time.Minute)
			h.seen.Profiles = []Profile{{Name: "p", Operation: "1", Err: errors.New("no such card")}}
			h.event()
			h.after(time.Second)
			h.event()
			h.after(time.Second)
			h.seen.Profiles = []Profile{{Name: "p", Operation: "1"}}
			h.event()
			h.after(time.Second)
		}); err != nil {
			t.Error(err)
		}
		h.says(t, "p: watching", "p: began: bond/bond0 mtu: 1500, want 9000", "unknown: looking at the host: EPERM; run it as root", "known",
			"p: unknown: no such card", "p: known", "p: ended: bond/bond0 mtu: 9000, want 9000")
	})
}

func TestAnotherProfileInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(differ(bond0, "mtu", "1500", "9000"))
		h.seen.Needs = []string{Links}
		if err := h.run(t, h.watch(), func() {
			h.after(time.Second)
			h.seen = Seen{Profiles: []Profile{{Name: "q", Operation: "2"}}, Needs: []string{Links, Switch}, Open: "3"}
			h.event()
			h.after(time.Second)
			h.seen = Seen{}
			h.event()
			h.after(time.Second)
		}); err != nil {
			t.Error(err)
		}
		h.says(t, "p: watching", "p: began: bond/bond0 mtu: 1500, want 9000", "q: watching",
			"interrupted: it was begun, and nobody is at work on it: nicwright status", "watching: nothing is in force: nothing can drift")
		if !slices.Equal(h.needs[2], []string{Links, Switch}) {
			t.Errorf("asked for %v", h.needs)
		}
	})
}

func TestAWatchThatIsDeafEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		err := h.run(t, h.watch(), func() { close(h.events); h.after(time.Second) })
		if !errors.Is(err, ErrDeaf) {
			t.Errorf("got %v", err)
		}
	})
}

func TestEventsAsJSON(t *testing.T) {
	have, want := step.Absent(), step.Text("9000")
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	var b bytes.Buffer
	tell := Lines(&b)
	for _, e := range []Event{
		{Time: at, Event: Began, Profile: "p", Resource: bond0, Attribute: "mtu", Have: &have, Want: &want},
		{Time: at, Event: Watching, Profile: "p", Operation: "1"},
	} {
		if err := tell(e); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := b.String(), `{"time":"2026-11-28T12:00:00Z","event":"began","profile":"p","resource":"bond/bond0","attribute":"mtu","have":null,"want":"9000"}
{"time":"2026-11-28T12:00:00Z","event":"watching","profile":"p","operation":"1"}
`; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	var back Event
	line, _, _ := bytes.Cut(b.Bytes(), []byte("\n"))
	if err := json.Unmarshal(line, &back); err != nil || back.Resource != bond0 || *back.Want != want {
		t.Errorf("read back: %+v, %v", back, err)
	}
	f := fields(Event{Event: Began, Profile: "p", Resource: bond0, Attribute: "mtu", Have: &have, Want: &want})
	if f["NICWRIGHT_HAVE"] != "(none)" || f["NICWRIGHT_WANT"] != "9000" || f["NICWRIGHT_RESOURCE"] != "bond/bond0" || len(f) != 7 {
		t.Errorf("fields %v", f)
	}
}
