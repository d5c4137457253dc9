// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/provision/report"
)

// recorder is a domain that notes the acts it is asked to do.
type recorder struct {
	acts [][]string
	fail string // attribute whose act fails
	done chan string
	wait map[string]chan struct{} // attribute -> act waits for this
}

func (r *recorder) Do(_ context.Context, steps []step.Step) error {
	var names []string
	for _, s := range steps {
		if c := r.wait[s.Attribute]; c != nil {
			<-c
		}
		names = append(names, s.Attribute)
		if s.Attribute == r.fail {
			return errors.New("the kernel says no")
		}
		if r.done != nil {
			r.done <- s.Attribute
		}
	}
	r.acts = append(r.acts, names)
	return nil
}

func stepsOf(spec string) []step.Step {
	var out []step.Step
	for _, f := range strings.Fields(spec) {
		s := step.Step{Domain: "d", Resource: resource.OfBond("r"), To: step.Text("x")}
		var phase int
		p := strings.Split(f, "/")
		_, _ = fmt.Sscan(p[0], &phase)
		s.Phase, s.Attribute = step.Phase(phase), p[1]
		if len(p) > 2 {
			s.Group = p[2]
		}
		if len(p) > 3 {
			s.Device = p[3]
		}
		out = append(out, s)
	}
	return out
}

func TestRunGivesNeighboursOfAGroupToTheDomainAtOnce(t *testing.T) {
	r := &recorder{}
	err := runOf(t, map[string]step.Doer{"d": r}).run(t.Context(), stepsOf("1/a 2/b/g 2/c/g 2/d 3/e/g"))
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"a"}, {"b", "c"}, {"d"}, {"e"}}
	if diff := cmp.Diff(want, r.acts); diff != "" {
		t.Error(diff)
	}
}

func TestRunStopsAtAFailureAndSaysInWhichPhase(t *testing.T) {
	r := &recorder{fail: "b"}
	var told []string
	run := runOf(t, map[string]step.Doer{"d": r})
	run.progress = func(d report.Done) { told = append(told, d.Attribute+":"+d.Error) }
	err := run.run(t.Context(), stepsOf("1/a 2/b 2/c 3/d"))
	if err == nil || !strings.Contains(err.Error(), "phase sriov") {
		t.Errorf("error %v does not name the phase", err)
	}
	if want := []string{"a:", "b:the kernel says no"}; !slices.Equal(told, want) {
		t.Errorf("told of %v, want %v", told, want)
	}
}

func TestRunDoesDevicesOfOnePhaseSideBySide(t *testing.T) {
	// "a" on one device ends only after "b" on the other has: in sequence this would hang.
	release := make(chan struct{})
	d := doerFunc(func(s []step.Step) error {
		if s[0].Attribute == "b" {
			close(release)
		}
		<-release
		return nil
	})
	if err := runOf(t, map[string]step.Doer{"d": d}).run(t.Context(), stepsOf("1/a//x 1/b//y")); err != nil {
		t.Fatal(err)
	}
}

// What one domain takes off in a phase is off before the next domain begins, on whatever device.
func TestRunLetsADomainWaitForTheOneBefore(t *testing.T) {
	s := stepsOf("1/a//x 1/b//y 1/c//z 1/d//x")
	s[2].Domain, s[3].Domain = "o", "o"
	begun, release := make(chan string, 4), make(chan struct{})
	doers := map[string]step.Doer{
		"d": doerFunc(func(s []step.Step) error { begun <- s[0].Attribute; <-release; return nil }),
		"o": doerFunc(func(s []step.Step) error { begun <- s[0].Attribute; return nil }),
	}
	done := make(chan error, 1)
	go func() { done <- runOf(t, doers).run(t.Context(), s) }()
	first := []string{<-begun, <-begun} // both of d are under way
	slices.Sort(first)
	if !slices.Equal(first, []string{"a", "b"}) {
		t.Errorf("first began %v", first)
	}
	select {
	case early := <-begun:
		t.Errorf("%s of the next domain began before the one before had ended", early)
	default:
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(begun) != 2 {
		t.Errorf("%d of the next domain's steps were done", len(begun))
	}
}

func TestRunOfADomainThatFailsKeepsTheNextFromBeginning(t *testing.T) {
	s := stepsOf("1/a 1/b")
	s[1].Domain = "o"
	o := &recorder{}
	if err := runOf(t, map[string]step.Doer{"d": &recorder{fail: "a"}, "o": o}).run(t.Context(), s); err == nil || len(o.acts) > 0 {
		t.Errorf("%v; the next domain did %v", err, o.acts)
	}
}

// Whoever stops a run gets the act under way whole, and none after it.
func TestRunStopsAtAStepsEnd(t *testing.T) {
	why := errors.New("the operator asked")
	stop, cancel := context.WithCancelCause(t.Context())
	var acts, told []string
	d := doerFunc(func(s []step.Step) error {
		if s[0].Attribute == "b" {
			cancel(why)
		}
		for _, one := range s {
			acts = append(acts, one.Attribute)
		}
		return nil
	})
	run := runner{doers: map[string]step.Doer{"d": d}, stop: stop, progress: func(d report.Done) { told = append(told, d.Attribute+":"+d.Error) }}
	err := run.run(t.Context(), stepsOf("1/a 2/b/g 2/c/g 2/d 3/e"))
	if !errors.Is(err, why) || !strings.Contains(err.Error(), "phase sriov") || !strings.Contains(err.Error(), "at a step's end") {
		t.Errorf("got %v", err)
	}
	if want := []string{"a", "b", "c"}; !slices.Equal(acts, want) {
		t.Errorf("did %v, want %v", acts, want)
	}
	if want := []string{"a:", "b:", "c:"}; !slices.Equal(told, want) {
		t.Errorf("told of %v, want %v", told, want)
	}
}

// What was the last step is done whole: there is nothing left to stop.
func TestRunThatIsStoppedInItsLastStepIsDone(t *testing.T) {
	stop, cancel := context.WithCancel(t.Context())
	d := doerFunc(func([]step.Step) error { cancel(); return nil })
	run := runner{doers: map[string]step.Doer{"d": d}, stop: stop, progress: func(report.Done) {}}
	if err := run.run(t.Context(), stepsOf("1/a")); err != nil {
		t.Error(err)
	}
}

// runOf runs to its end, and tells nobody.
func runOf(t *testing.T, doers map[string]step.Doer) runner {
	return runner{doers: doers, progress: func(report.Done) {}, stop: t.Context()}
}

type doerFunc func([]step.Step) error

func (f doerFunc) Do(_ context.Context, s []step.Step) error { return f(s) }

func TestRunNamesADomainItDoesNotKnow(t *testing.T) {
	err := runOf(t, nil).run(t.Context(), stepsOf("1/a"))
	if err == nil || !strings.Contains(err.Error(), `"d"`) {
		t.Errorf("error %v does not name the domain", err)
	}
}

func TestRunDoesNothingAfterItsContextEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := &recorder{}
	if err := runOf(t, map[string]step.Doer{"d": r}).run(ctx, stepsOf("1/a")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	if len(r.acts) > 0 {
		t.Errorf("did %v", r.acts)
	}
}
