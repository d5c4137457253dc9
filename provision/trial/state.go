// SPDX-License-Identifier: Apache-2.0

// Package trial keeps which kernel of a host is good, which are on trial and what the
// trials said, and decides by that what is to be done: what is recorded before a kernel is
// installed, what is judged at a boot, when a host may go back. How a host is recorded,
// and what systemd does, it is given.
package trial

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Version is the version of the document.
const Version = 1

// State is the document, /var/lib/nicwright/trial.json.
type State struct {
	Version int `json:"version"`
	// Good is the kernel that others are held against; absent before the first recording.
	Good *Good `json:"good,omitempty"`
	// Trials are of other kernels, the one that was registered last is the last. A kernel is there once.
	Trials []*Trial `json:"trials"`
}

// Good is a kernel that is as it has to be.
type Good struct {
	Kernel string    `json:"kernel"` // as uname -r prints it
	Since  time.Time `json:"since"`
	// Baseline is the name of what was recorded with it.
	Baseline string `json:"baseline"`
}

// Trial is of one kernel.
type Trial struct {
	Kernel     string    `json:"kernel"`
	Registered time.Time `json:"registered"`
	// Installed is the ID of the boot in which a hook of its package told of it; "" where it was found running.
	Installed string `json:"installed,omitempty"`
	// Against is the good kernel of then, Baseline what was recorded with it; "" where there was none.
	Against  string `json:"against,omitempty"`
	Baseline string `json:"baseline,omitempty"`
	// Problems is what the hooks could not do, and why.
	Problems []string `json:"problems,omitempty"`
	// Rehearsal is how it went in a virtual machine; absent where none was begun.
	Rehearsal *Rehearsal `json:"rehearsal,omitempty"`
	// Loader is what GRUB was told; absent where it was told nothing.
	Loader *Loader `json:"loader,omitempty"`
	// Boots is how often it was judged, or began to be.
	Boots int `json:"boots"`
	// Boot is the ID of the boot (/proc/sys/kernel/random/boot_id) that it was judged in last.
	Boot    string     `json:"boot,omitempty"`
	Begun   *time.Time `json:"begun,omitempty"`
	Verdict Verdict    `json:"verdict"`
	Ended   *time.Time `json:"ended,omitempty"`
	// Words are what the verdict is for, in one line.
	Words string `json:"words,omitempty"`
	// Report is the file with all of it.
	Report string `json:"report,omitempty"`
	// Rebooted: we had the host go back, which is done once.
	Rebooted bool `json:"rebooted,omitempty"`
	// Accepted is when a person said that it is good, whatever the verdict.
	Accepted *time.Time `json:"accepted,omitempty"`
}

// Rehearsal is one of `nicwright rehearse`.
type Rehearsal struct {
	Begun   time.Time  `json:"begun"`
	Ended   *time.Time `json:"ended,omitempty"` // absent: it is under way, or was killed
	Verdict string     `json:"verdict,omitempty"`
	// Words are the verdict's, or why there is none.
	Words  string `json:"words,omitempty"`
	Report string `json:"report,omitempty"`
}

// Loader is what GRUB's environment block was told.
type Loader struct {
	New string `json:"new"` // the entry that boots the kernel on trial: booted once
	Old string `json:"old"` // the default meanwhile
}

// Verdict is how a trial ended.
type Verdict string

// The verdicts.
const (
	Waiting Verdict = ""        // it was not booted yet, or its trial has not ended
	Green   Verdict = "green"   // it is as the good one, and the good one from then on
	Red     Verdict = "red"     // something is worse, or the profile was not applied
	Unknown Verdict = "unknown" // it could not be told: nothing is done because of it
)

// Decode reads the document. Fields that it does not know mean nothing to it.
func Decode(text []byte) (*State, error) {
	s := new(State)
	dec := json.NewDecoder(bytes.NewReader(text))
	switch err := dec.Decode(s); {
	case err != nil:
		return nil, fmt.Errorf("not the document of trials: %w", err)
	case dec.More():
		return nil, errors.New("not the document of trials: more follows it")
	case s.Version != Version:
		return nil, fmt.Errorf("its version is %d, and this nicwright reads %d", s.Version, Version)
	case s.Good != nil && (s.Good.Kernel == "" || s.Good.Baseline == ""):
		return nil, errors.New("not the document of trials: it says not which kernel is good, or by what")
	}
	seen := map[string]bool{}
	for _, t := range s.Trials {
		switch {
		case t == nil || t.Kernel == "" || seen[t.Kernel]:
			return nil, errors.New("not the document of trials: a trial has no kernel of its own")
		case t.Verdict != Waiting && t.Verdict != Green && t.Verdict != Red && t.Verdict != Unknown:
			return nil, fmt.Errorf("not the document of trials: the verdict on %s is %q", t.Kernel, t.Verdict)
		}
		seen[t.Kernel] = true
	}
	return s, nil
}

// Encode is the document's text.
func Encode(s *State) ([]byte, error) {
	s.Version = Version
	if s.Trials == nil {
		s.Trials = []*Trial{}
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the trials: %w", err)
	}
	return append(text, '\n'), nil
}

// Of is the trial of a kernel, nil where it has none.
func (s *State) Of(kernel string) *Trial {
	for _, t := range s.Trials {
		if t.Kernel == kernel {
			return t
		}
	}
	return nil
}
