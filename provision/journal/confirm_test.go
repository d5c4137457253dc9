// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"encoding/json"
	"errors"
	"testing"
	"time"
)

func TestTheDeadlineRunsFromTheEndOfTheApply(t *testing.T) {
	for _, outcome := range []error{nil, errors.New("the kernel said no")} {
		d := Dir(t.TempDir())
		old := time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)
		o := &Operation{Kind: Apply, Confirm: &Confirm{Within: Seconds(90 * time.Second), Deadline: &old, Probe: []string{"192.0.2.1:22"}}}
		if err := d.Begin(o, nil); err != nil {
			t.Fatal(err)
		}
		read := only(t, d)
		if !read.Waits() || read.Confirm.Deadline != nil || read.Confirm.Over(time.Now().Add(time.Hour)) {
			t.Errorf("while it works: %+v", read.Confirm)
		}
		if err := d.End(o, outcome, nil); err != nil {
			t.Fatal(err)
		}
		read = only(t, d)
		if !read.Waits() || read.Confirm.Deadline == nil || read.Confirm.Deadline.Sub(*read.Ended) != 90*time.Second || read.Confirm.Probe[0] != "192.0.2.1:22" {
			t.Errorf("after its end: %+v", read.Confirm)
		}
		if read.Confirm.Over(read.Ended.Add(89*time.Second)) || !read.Confirm.Over(read.Ended.Add(90*time.Second)) {
			t.Error("it is not over at the deadline, or before it")
		}
	}
}

func only(t *testing.T, d Dir) *Operation {
	t.Helper()
	all, err := d.List()
	if err != nil || len(all) != 1 {
		t.Fatalf("%d operations, %v", len(all), err)
	}
	return all[0]
}

func TestWhatWaits(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		o    Operation
		want bool
	}{
		"without":     {Operation{Kind: Apply, Outcome: Done}, false},
		"in force":    {Operation{Kind: Apply, Outcome: Done, Confirm: &Confirm{}}, true},
		"failed":      {Operation{Kind: Apply, Outcome: Failed, Confirm: &Confirm{}}, true},
		"interrupted": {Operation{Kind: Apply, Confirm: &Confirm{}}, true},
		"superseded":  {Operation{Kind: Apply, Outcome: Superseded, Confirm: &Confirm{}}, false},
		"taken back":  {Operation{Kind: Apply, Outcome: Done, UndoneBy: "x", Confirm: &Confirm{}}, false},
		"confirmed":   {Operation{Kind: Apply, Outcome: Done, Confirm: &Confirm{Confirmed: &now}}, false},
		"a rollback":  {Operation{Kind: Rollback, Confirm: &Confirm{}}, false},
	} {
		if got := c.o.Waits(); got != c.want || len(Waiting([]*Operation{&c.o})) == 1 != c.want {
			t.Errorf("%s: it waits: %v", name, got)
		}
	}
}

func TestWhatNobodyConfirmed(t *testing.T) {
	now := time.Now()
	apply := func(id string, o Operation) *Operation {
		o.ID, o.Kind, o.Profile.Name = id, Apply, "a"
		return &o
	}
	other := apply("9", Operation{Outcome: Done, UndoneBy: "x", Confirm: &Confirm{}})
	other.Profile.Name = "b"
	back := apply("1", Operation{Outcome: Done, UndoneBy: "x", Confirm: &Confirm{}})
	for name, c := range map[string]struct {
		all  []*Operation
		want *Operation
	}{
		"taken back":                 {[]*Operation{back, other}, back},
		"cut off, and taken back":    {[]*Operation{apply("0", Operation{Outcome: Done, UndoneBy: "x"}), back}, back},
		"an earlier one is in force": {[]*Operation{apply("0", Operation{Outcome: Done}), back}, nil},
		"applied again":              {[]*Operation{back, apply("2", Operation{Outcome: Done})}, nil},
		"applied, and removed":       {[]*Operation{back, apply("2", Operation{Outcome: Done, UndoneBy: "y"})}, nil},
		"waits":                      {[]*Operation{apply("1", Operation{Outcome: Done, Confirm: &Confirm{}})}, nil},
		"waits, interrupted":         {[]*Operation{apply("1", Operation{Outcome: Failed, Confirm: &Confirm{}})}, nil},
		"confirmed, and taken back":  {[]*Operation{apply("1", Operation{Outcome: Done, UndoneBy: "x", Confirm: &Confirm{Confirmed: &now}})}, nil},
		"of another profile":         {[]*Operation{other}, nil},
		"none":                       {nil, nil},
	} {
		if got := Unconfirmed(c.all, "a"); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestConfirmedIsWritten(t *testing.T) {
	d := Dir(t.TempDir())
	o := &Operation{Kind: Apply, Confirm: &Confirm{Within: Seconds(time.Minute)}}
	if err := errors.Join(d.Begin(o, nil), d.SetDeadline(o, time.Now()), d.SetConfirmed(o, time.Now())); err != nil {
		t.Fatal(err)
	}
	if read := only(t, d); read.Waits() || read.Confirm.Confirmed == nil || read.Confirm.Deadline == nil {
		t.Errorf("%+v", read.Confirm)
	}
}

func TestSeconds(t *testing.T) {
	b, err := json.Marshal(Seconds(2500 * time.Millisecond))
	var back Seconds
	if err != nil || string(b) != "2.5" || json.Unmarshal(b, &back) != nil || back.Duration() != 2500*time.Millisecond {
		t.Errorf("%s, %v, %v", b, err, back)
	}
	for _, bad := range []string{`"2m"`, `-1`, `1e300`, `[]`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s is %v", bad, back.Duration())
		}
	}
}
