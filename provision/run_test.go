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

	"github.com/nicwright/nicwright/internal/step"
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
		s := step.Step{Domain: "d", Resource: "r", To: "x"}
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
	err := run(t.Context(), stepsOf("1/a 2/b/g 2/c/g 2/d 3/e/g"), map[string]step.Doer{"d": r}, func(Done) {})
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
	err := run(t.Context(), stepsOf("1/a 2/b 2/c 3/d"), map[string]step.Doer{"d": r}, func(d Done) {
		told = append(told, d.Attribute+":"+d.Error)
	})
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
	r := &recorder{wait: map[string]chan struct{}{"a": release}}
	other := doerFunc(func([]step.Step) error { close(release); return nil })
	s := stepsOf("1/a//x 1/b//y")
	s[1].Domain = "o"
	if err := run(t.Context(), s, map[string]step.Doer{"d": r, "o": other}, func(Done) {}); err != nil {
		t.Fatal(err)
	}
}

type doerFunc func([]step.Step) error

func (f doerFunc) Do(_ context.Context, s []step.Step) error { return f(s) }

func TestRunNamesADomainItDoesNotKnow(t *testing.T) {
	err := run(t.Context(), stepsOf("1/a"), nil, func(Done) {})
	if err == nil || !strings.Contains(err.Error(), `"d"`) {
		t.Errorf("error %v does not name the domain", err)
	}
}

func TestRunDoesNothingAfterItsContextEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := &recorder{}
	if err := run(ctx, stepsOf("1/a"), map[string]step.Doer{"d": r}, func(Done) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	if len(r.acts) > 0 {
		t.Errorf("did %v", r.acts)
	}
}
