// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/provision/journal"
)

func TestHeedRefusesAnApplyOverWhatWaits(t *testing.T) {
	p := newPlace(t)
	o := p.applied(time.Hour)
	o.Boot = "this"
	a := &app{settings: newSettings(p.run, p.state)}
	heed := func(verb string, w way, boot string) error {
		return a.heed(t.Context(), verb, w, []*journal.Operation{o}, boot)
	}
	err := heed("apply", way{within: time.Minute}, "this")
	if err == nil || !strings.Contains(err.Error(), "nicwright confirm") || !strings.Contains(err.Error(), "nicwright rollback") {
		t.Errorf("apply: %v", err)
	}
	if err := heed("rollback", way{}, "this"); err != nil {
		t.Errorf("rollback: %v", err)
	}
	if err := heed("apply", way{}, "the next"); err != nil {
		t.Errorf("after a boot the plan decides: %v", err)
	}
	if err := heed("apply", way{atBoot: true}, "this"); err != nil {
		t.Errorf("of the unit as well: %v", err)
	}
}

// What was cut off by a boot goes back at once, unless the apply is one that goes on and is to be confirmed.
func TestHeedGoesBackFromWhatABootCutOff(t *testing.T) {
	p := newPlace(t)
	d := journal.Dir(p.state)
	o := &journal.Operation{Kind: journal.Apply, Boot: "before", Profile: journal.Profile{Name: "rack7"}, Confirm: &journal.Confirm{Within: journal.Seconds(time.Hour)}, Want: []byte("{}"), Before: []byte("{}"), Touched: journal.Touched{}}
	if err := d.Begin(o, nil); err != nil {
		t.Fatal(err)
	}
	a := &app{settings: newSettings(p.run, p.state)}
	ops := []*journal.Operation{o}
	if err := a.heed(t.Context(), "apply", way{within: time.Minute}, ops, "this"); err != nil {
		t.Errorf("one that goes on: %v", err)
	}
	if err := a.heed(t.Context(), "apply", way{}, ops, "before"); err == nil || !strings.Contains(err.Error(), "goes back by itself") {
		t.Errorf("in the same boot: %v", err)
	}
	if err := a.heed(t.Context(), "apply", way{atBoot: true}, ops, "this"); status(err) != exitBack || !strings.Contains(err.Error(), "was cut off by a boot") {
		t.Errorf("after a boot: %v", err)
	}
	if now, err := d.List(); err != nil || len(journal.Waiting(now)) > 0 || len(now) != 2 {
		t.Errorf("it waits still: %d operations, %v", len(now), err)
	}
}

func TestCarry(t *testing.T) {
	now := time.Now()
	deadline := func(left time.Duration) *time.Time { at := now.Add(left); return &at }
	was := func(left time.Duration) *journal.Operation {
		return &journal.Operation{
			ID: "1", Kind: journal.Apply, Outcome: journal.Done, Profile: journal.Profile{Name: "rack7", Hash: "h"},
			Confirm: &journal.Confirm{Within: journal.Seconds(time.Hour), Deadline: deadline(left), Probe: []string{"192.0.2.1"}, ProbeLost: journal.Seconds(time.Second), Take: []string{"all"}},
		}
	}
	goesOn := journal.Operation{Kind: journal.Apply, Profile: journal.Profile{Name: "rack7", Hash: "h"}, Resumes: []string{"1"}}
	same := journal.Operation{Kind: journal.Apply, Profile: goesOn.Profile}
	another := journal.Operation{Kind: journal.Apply, Profile: journal.Profile{Name: "rack7", Hash: "other"}}
	back := was(-time.Minute)
	back.UndoneBy = "2"
	for name, c := range map[string]struct {
		w      way
		ops    []*journal.Operation
		op     journal.Operation
		partly bool
		within time.Duration
		code   int
		says   string
	}{
		"nothing waits":                         {op: same},
		"it goes on after a boot":               {ops: []*journal.Operation{was(time.Minute)}, op: goesOn, within: time.Minute},
		"it goes on at the boot":                {w: way{atBoot: true}, ops: []*journal.Operation{was(time.Minute)}, op: goesOn, within: time.Minute},
		"there is hardly time left":             {ops: []*journal.Operation{was(time.Second)}, op: goesOn, within: leastWithin},
		"it goes on, and says another time":     {w: way{within: time.Hour}, ops: []*journal.Operation{was(time.Minute)}, op: goesOn, within: time.Hour},
		"the unit once more, in the same boot":  {w: way{atBoot: true}, ops: []*journal.Operation{was(time.Minute)}, op: same},
		"somebody once more, in the same boot":  {ops: []*journal.Operation{was(time.Minute)}, op: same, code: exitError, says: "waits to be confirmed"},
		"another is installed":                  {w: way{atBoot: true}, ops: []*journal.Operation{was(time.Minute)}, op: another, code: exitError, says: "waits to be confirmed"},
		"taken back, and the unit is at it":     {w: way{atBoot: true}, ops: []*journal.Operation{back}, op: same, code: exitBack, says: "was not confirmed"},
		"taken back, and less of it is here":    {w: way{atBoot: true}, ops: []*journal.Operation{back}, op: another, partly: true, code: exitBack, says: "not applied again by itself"},
		"taken back, and another is installed":  {w: way{atBoot: true}, ops: []*journal.Operation{back}, op: another},
		"taken back, and somebody applies it":   {ops: []*journal.Operation{back}, op: same},
		"taken back, and somebody tries it now": {w: way{within: time.Minute}, ops: []*journal.Operation{back}, op: same, within: time.Minute},
	} {
		w, err := c.w.carry(c.ops, c.op, c.partly, now)
		if status(err) != c.code || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err == nil && w.within != c.within {
			t.Errorf("%s: it is to be confirmed within %v, want %v", name, w.within, c.within)
		}
		// The probe counts at the end of the time only, for the network comes up meanwhile.
		if carried := c.within > 0 && c.w.within == 0; carried != (w.lost == w.within && slices.Equal(w.targets, []string{"192.0.2.1"}) && slices.Equal(w.take, []string{"all"})) {
			t.Errorf("%s: the probe is %v, lost after %v, and may take %v", name, w.targets, w.lost, w.take)
		}
	}
}
