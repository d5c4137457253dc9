// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"fmt"
	"slices"
	"time"
)

// keep is how many trials are kept.
const keep = 10

// BaselineOf is the name of what is recorded of a kernel for trials; what a person saved
// under the kernel's own name is left alone.
func BaselineOf(kernel string) string { return "kernel-check-" + kernel }

// MayRecord tells whether what is recorded with the kernel that runs is what others are to
// be held against: not while that kernel is itself on trial. Words are for the person who
// installs another.
func (s *State) MayRecord(running string) (words string, ok bool) {
	if s.Good == nil || s.Good.Kernel == running {
		return "", true
	}
	return fmt.Sprintf("kernel %s, which runs, is itself on trial and not found good: the next one will be held against %s", running, s.Good.Kernel), false
}

// Recorded keeps that the kernel that runs was recorded as the one to hold others against.
func (s *State) Recorded(running string, now time.Time) {
	since := now
	if s.Good != nil && s.Good.Kernel == running {
		since = s.Good.Since
	}
	s.Good = &Good{Kernel: running, Since: since, Baseline: BaselineOf(running)}
}

// Register puts a kernel on trial that was installed in a boot (its ID; "" for one that was
// found running). One that is installed anew under the same release begins anew. installed
// are the kernels that are there: trials of others are forgotten; nil where nobody knows.
func (s *State) Register(kernel, boot string, installed []string, now time.Time) *Trial {
	t := &Trial{Kernel: kernel, Registered: now, Installed: boot}
	if s.Good != nil {
		t.Against, t.Baseline = s.Good.Kernel, s.Good.Baseline
	}
	s.Trials = slices.DeleteFunc(s.Trials, func(o *Trial) bool {
		return o.Kernel == kernel || len(installed) > 0 && !slices.Contains(installed, o.Kernel)
	})
	s.Trials = append(s.Trials, t)
	s.Trials = s.Trials[max(0, len(s.Trials)-keep):]
	return t
}

// Do is what is to be done at a boot.
type Do int

// The things that can be done.
const (
	// Nothing: the good kernel runs.
	Nothing Do = iota
	// Record: no kernel was recorded yet; this one is what others will be held against.
	Record
	// Judge: this one is on trial.
	Judge
)

// AtBoot says what is to be done with the kernel that runs in a boot. A kernel that nobody
// announced is on trial all the same, and so is another build of the good one.
func (s *State) AtBoot(running, boot string) Do {
	switch {
	case s.Good == nil:
		return Record
	case s.Good.Kernel != running:
		return Judge
	}
	if t := s.Of(running); t != nil && t.Verdict != Green && t.Accepted == nil && t.Installed != boot {
		return Judge
	}
	return Nothing
}

// Begin keeps that the kernel that runs is judged in this boot. One that was begun and
// never ended, as by a power cut, begins anew.
func (s *State) Begin(running, boot string, now time.Time) *Trial {
	t := s.Of(running)
	if t == nil {
		t = s.Register(running, "", nil, now)
	}
	if t.Boot != boot {
		t.Boots++
	}
	if t.Baseline == "" && s.Good != nil {
		t.Against, t.Baseline = s.Good.Kernel, s.Good.Baseline
	}
	t.Boot, t.Begun, t.Ended, t.Verdict, t.Words, t.Report = boot, &now, nil, Waiting, "", ""
	return t
}

// End keeps a verdict. A green one makes the kernel the good one.
func (s *State) End(kernel string, v Verdict, words, report string, now time.Time) {
	t := s.Of(kernel)
	if t == nil {
		return
	}
	t.Verdict, t.Words, t.Report, t.Ended = v, words, report, &now
	if v == Green {
		s.Recorded(kernel, now)
	}
}

// Accept makes a kernel the good one because a person says so.
func (s *State) Accept(kernel string, now time.Time) {
	t := s.Of(kernel)
	if t == nil {
		t = s.Register(kernel, "", nil, now)
	}
	t.Accepted = &now
	s.Recorded(kernel, now)
}

// Way is what is known of the way back.
type Way struct {
	Asked     bool     // --fall-back
	Running   string   // the kernel that runs
	Installed []string // that can be booted
	Default   string   // the kernel that the boot loader boots if nothing is done; "" if that is not known
	Next      string   // the one that it boots once before that, "" for none
}

// MayReboot tells whether the host is to be rebooted because of a red verdict, and if not,
// why: it is done once in a trial, and only where that surely brings the old kernel back.
func (t *Trial) MayReboot(w Way) (why string, ok bool) {
	old := t.Against
	switch {
	case t.Verdict != Red:
		return "its verdict is not red", false
	case !w.Asked:
		return "nobody asked for a reboot (install --kernel-checks --fall-back)", false
	case t.Rebooted:
		return "it was rebooted because of this trial before: that is done once", false
	case t.Installed == "":
		return "no package told of it: somebody may have booted it on purpose", false
	case old == "" || old == w.Running:
		return "no other kernel was recorded as good", false
	case !slices.Contains(w.Installed, old):
		return "kernel " + old + " is not installed any more", false
	case w.Default == "":
		return "which kernel the boot loader takes is not known", false
	case w.Next != "" && w.Next != old:
		return "the boot loader is told to boot " + w.Next + " next", false
	case w.Default != old:
		return "the boot loader's default is " + w.Default + ", and not " + old, false
	}
	return "", true
}

// Open is the trial of interest now: that of the kernel that runs where it is not the good
// one, or else the last one; nil where there is none.
func (s *State) Open(running string) *Trial {
	if t := s.Of(running); t != nil && (s.Good == nil || s.Good.Kernel != running) {
		return t
	}
	if len(s.Trials) == 0 {
		return nil
	}
	return s.Trials[len(s.Trials)-1]
}
