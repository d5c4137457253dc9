// SPDX-License-Identifier: Apache-2.0

package confirm

import (
	"errors"
	"testing"

	"github.com/nicwright/nicwright/provision/journal"
)

func TestProbeLostItGoesBackAtOnce(t *testing.T) {
	s := newScene(t)
	s.try = func(target Target) error {
		if target.Host == "192.0.2.2" {
			return errors.New("no answer")
		}
		return nil
	}
	_, w := s.applied(journal.Confirm{Within: later, Probe: []string{"192.0.2.1", "192.0.2.2"}, ProbeLost: soon})
	w.ends()
	s.assert(1, "the probe had no answer for 50ms: no answer")
}

func TestProbeAnswersAtTheDeadlineItStays(t *testing.T) {
	s := newScene(t)
	o, w := s.applied(journal.Confirm{Within: 20 * soon, Probe: []string{"192.0.2.1:22"}, ProbeLost: later})
	w.ends()
	s.assert(0, "stays: the probe answers")
	if s.now(o.ID).Confirm.Confirmed == nil {
		t.Error("it was not confirmed")
	}
}

func TestProbeThatDoesNotAnswerAtTheDeadlineDoesNotConfirm(t *testing.T) {
	s := newScene(t)
	s.try = func(Target) error { return errors.New("no answer") }
	_, w := s.applied(journal.Confirm{Within: 2 * soon, Probe: []string{"192.0.2.1:22"}, ProbeLost: later})
	w.ends()
	s.assert(1, "not confirmed by")
}

func TestProbeDoesNotConfirmWhatFailed(t *testing.T) {
	s := newScene(t)
	l := s.lock()
	w := s.watch()
	o := s.begin(journal.Confirm{Within: 2 * soon, Probe: []string{"192.0.2.1:22"}, ProbeLost: later})
	s.end(o, errors.New("the kernel said no"))
	s.release(l)
	w.ends()
	s.assert(1)
}
