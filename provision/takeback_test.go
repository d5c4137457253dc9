// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/provision/journal"
)

// applyToConfirm is an apply that waits to be confirmed, its first steps only if cut is not below 0.
func (f *flow) applyToConfirm(cut int, a Allowed) string {
	f.t.Helper()
	plan, err := f.look().Apply(wantVFs(pf0, 2), journal.Profile{Name: "a"}, a)
	if err != nil {
		f.t.Fatal(err)
	}
	if !plan.Confirm(journal.Confirm{Within: journal.Seconds(time.Minute)}) {
		f.t.Fatal("there is nothing to go back from")
	}
	f.does(cut, plan, nil)
	return plan.Operation().ID
}

// takenBack does what the watchdog does, and gives the number of operations that it took.
func (f *flow) takenBack(id string, cut int) int {
	f.t.Helper()
	for n := 0; ; n++ {
		plan, err := f.look().TakeBack(id)
		if err != nil {
			f.t.Fatal(err)
		}
		if plan == nil || n > 0 && cut >= 0 {
			return n
		}
		f.does(cut, plan, nil)
	}
}

func TestWhatWaitsIsTakenBack(t *testing.T) {
	for _, cut := range []int{-1, 0, 1} {
		f := newFlow(t)
		before := asWant(t, f.m.copy(t))
		id := f.applyToConfirm(cut, Allowed{})
		if !journal.Find(f.look().ops, id).Waits() {
			t.Fatalf("cut at %d: it does not wait", cut)
		}
		if n := f.takenBack(id, -1); n != 1 {
			t.Errorf("cut at %d: %d rollbacks", cut, n)
		}
		if d := cmp.Diff(before, asWant(t, f.m.copy(t))); d != "" {
			t.Errorf("cut at %d: (-before +now):\n%s", cut, d)
		}
		if len(journal.Waiting(f.look().ops)) > 0 {
			t.Errorf("cut at %d: it waits still", cut)
		}
	}
}

func TestATakingBackThatWasKilledGoesOn(t *testing.T) {
	f := newFlow(t)
	before := asWant(t, f.m.copy(t))
	id := f.applyToConfirm(-1, Allowed{})
	f.takenBack(id, 0)
	f.takenBack(id, -1)
	if d := cmp.Diff(before, asWant(t, f.m.copy(t))); d != "" {
		t.Errorf("(-before +now):\n%s", d)
	}
	f.journal("apply a done undone", "rollback a done")
}

func TestWhatWasTakenMayBeTakenBack(t *testing.T) {
	f := newFlow(t)
	id := f.applyToConfirm(-1, Allowed{Take: []string{"all"}})
	plan, err := f.look().TakeBack(id)
	if err != nil || !plan.opt.TakeAll {
		t.Errorf("%+v, %v", plan, err)
	}
}

func TestNothingDoneIsNotConfirmed(t *testing.T) {
	f := newFlow(t)
	f.apply(-1, "a", wantVFs(pf0, 2), Allowed{})
	plan, err := f.look().Apply(wantVFs(pf0, 2), journal.Profile{Name: "a"}, Allowed{})
	if err != nil || plan.Confirm(journal.Confirm{}) || plan.Operation().Confirm != nil {
		t.Errorf("%+v, %v", plan, err)
	}
	if plan, err := f.look().TakeBack(f.look().ops[0].ID); err != nil || plan != nil {
		t.Errorf("what does not wait is taken back: %v, %v", plan, err)
	}
}

// A boot takes away what waits; an apply brings it back, to be confirmed itself, and what goes back is all of it, also
// where that one was cut off, and although the first of the two waits still then.
func TestWhatWaitsOverABootIsTakenBack(t *testing.T) {
	for _, cut := range []int{-1, 0, 1} {
		f := newFlow(t)
		before := asWant(t, f.m.copy(t))
		first := f.applyToConfirm(-1, Allowed{})
		f.boot, f.m = "c", newModel(t, "bare")
		second := f.applyToConfirm(cut, Allowed{})
		if o := journal.Find(f.look().ops, first); o.Waits() || second == first {
			t.Errorf("cut at %d: the first waits still: %+v", cut, o)
		}
		f.takenBack(second, -1)
		if d := cmp.Diff(before, asWant(t, f.m.copy(t))); d != "" {
			t.Errorf("cut at %d: (-before +now):\n%s", cut, d)
		}
		if o := journal.Unconfirmed(f.look().ops, "a"); o == nil || o.ID != second || len(journal.Waiting(f.look().ops)) > 0 {
			t.Errorf("cut at %d: not confirmed was %+v", cut, o)
		}
	}
}

// A cut between the two documents that say that one goes on with the other leaves both waiting.
func TestACutAsOneGoesOnWithAnotherLeavesBoth(t *testing.T) {
	f := newFlow(t)
	before := asWant(t, f.m.copy(t))
	first := f.applyToConfirm(-1, Allowed{})
	was := *journal.Find(f.look().ops, first)
	f.boot, f.m = "c", newModel(t, "bare")
	second := f.applyToConfirm(0, Allowed{})
	if err := f.dir.Write(&was); err != nil {
		t.Fatal(err)
	}
	if n := len(journal.Waiting(f.look().ops)); n != 2 {
		t.Fatalf("%d wait", n)
	}
	f.takenBack(second, -1)
	f.takenBack(first, -1)
	if d := cmp.Diff(before, asWant(t, f.m.copy(t))); d != "" {
		t.Errorf("(-before +now):\n%s", d)
	}
	if n := len(journal.Waiting(f.look().ops)); n != 0 {
		t.Errorf("%d wait still", n)
	}
}
