// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nicwright/nicwright/provision/baseline"
	"github.com/nicwright/nicwright/provision/compare"
)

// Check does what hooks and the unit at boot ask for. What it does to the outside is in its
// functions, none of which may be nil.
type Check struct {
	Dir       Dir
	Boot      Boot
	Baselines baseline.Dir
	Options   compare.Options
	Running   string // the kernel, as uname -r prints it
	BootID    string
	FallBack  bool
	Now       func() time.Time
	// Say gives a sentence to who listens.
	Say func(string)
	// Record records the host as it is.
	Record func(context.Context) (*baseline.Baseline, error)
	// Installed are the kernels that can be booted.
	Installed func() ([]string, error)
	// Unit is how the unit is that applies the profile, Start starts it or waits for it.
	Unit  func(context.Context) (Unit, error)
	Start func(context.Context) error
	// Rehearse begins a rehearsal of a kernel, which lives on by itself; false where there is nobody to do it.
	Rehearse func(ctx context.Context, kernel string) (bool, error)
	Reboot   func(context.Context) error
}

// Unit is a unit of systemd that applies the profile.
type Unit struct {
	Active bool
	// Unconfirmed: it left the profile alone, for nobody had confirmed it. That is nobody's fault.
	Unconfirmed bool
	Words       string // what it says
}

// Before does what is to be done before a kernel is installed: the one that runs is recorded.
func (c *Check) Before(ctx context.Context, kernel string) error {
	words, record := "", false
	if err := c.Dir.Update(func(s *State) error {
		c.announce(s, kernel)
		words, record = s.MayRecord(c.Running)
		return nil
	}); err != nil {
		return err
	}
	if !record {
		c.Say(words)
		return nil
	}
	if err := c.record(ctx); err != nil {
		return err
	}
	return c.Dir.Update(func(s *State) error {
		c.announce(s, kernel)
		return nil
	})
}

// save records the kernel that runs, and keeps that.
func (c *Check) save(ctx context.Context) error {
	b, err := c.Record(ctx)
	if err != nil {
		return fmt.Errorf("recording kernel %s, to hold others against it: %w", c.Running, err)
	}
	b.Name = BaselineOf(c.Running)
	return c.Baselines.Save(b)
}

// record records the kernel that runs as the one that others are held against.
func (c *Check) record(ctx context.Context) error {
	if err := c.save(ctx); err != nil {
		return err
	}
	return c.Dir.Update(func(s *State) error {
		s.Recorded(c.Running, c.Now())
		return nil
	})
}

// announce gives the trial of a kernel that is being installed, the same before and after.
func (c *Check) announce(s *State, kernel string) *Trial {
	t := s.Of(kernel)
	if t == nil || t.Installed != c.BootID || t.Begun != nil || t.Verdict != Waiting {
		installed, _ := c.Installed() // without it, trials of kernels that are gone stay a while longer
		t = s.Register(kernel, c.BootID, installed, c.Now())
	}
	if s.Good != nil {
		t.Against, t.Baseline = s.Good.Kernel, s.Good.Baseline
	}
	return t
}

// After does what is to be done when a kernel is installed: it is on trial, GRUB is told to
// try it once, and it is rehearsed in the background.
func (c *Check) After(ctx context.Context, kernel string) error {
	old := ""
	if err := c.Dir.Update(func(s *State) error {
		old = c.announce(s, kernel).Against
		return nil
	}); err != nil {
		return err
	}
	loader, untold := c.Boot.TryOnce(kernel, old)
	begun, unrehearsed := c.Rehearse(ctx, kernel)
	return errors.Join(untold, unrehearsed, c.Dir.Update(func(s *State) error {
		t := c.announce(s, kernel)
		t.Loader = loader
		if begun && t.Rehearsal == nil {
			t.Rehearsal = &Rehearsal{Begun: c.Now()}
		}
		return nil
	}))
}

// Problem keeps with the trial of a kernel what a hook could not do.
func (c *Check) Problem(kernel string, err error) error {
	return c.Dir.Update(func(s *State) error {
		t := c.announce(s, kernel)
		t.Problems = append(t.Problems, err.Error())
		return nil
	})
}

// Judge does what is to be done at a boot. The trial is that of the kernel that runs, ended;
// nil where it is not on trial.
func (c *Check) Judge(ctx context.Context) (*Trial, error) {
	s, err := c.Dir.Load()
	if err != nil {
		return nil, err
	}
	switch s.AtBoot(c.Running, c.BootID) {
	case Nothing:
		c.again(s)
		return nil, nil
	case Record:
		// Nobody is on trial: a boot is not to be taken for bad because of it.
		unit, err := c.Unit(ctx)
		if err == nil && !unit.Active {
			err = fmt.Errorf("kernel %s is not recorded as the one to hold others against: %s", c.Running, unit.Words)
		}
		if err == nil {
			err = c.record(ctx)
		}
		if err != nil {
			c.Say(err.Error())
			return nil, nil //nolint:nilerr // said
		}
		c.Say("kernel " + c.Running + " was recorded: others will be held against it")
		return nil, nil
	case Judge:
	}
	var t Trial
	if err := c.Dir.Update(func(s *State) error {
		t = *s.Begin(c.Running, c.BootID, c.Now())
		return nil
	}); err != nil {
		return nil, err
	}
	c.Say("judging kernel " + c.Running)
	o := c.judge(ctx, &t)
	if o.verdict == Green {
		if err := c.Baselines.Save(o.now); err != nil { // the next one could not be held against it
			o.verdict, o.words = Unknown, oneLine(err.Error())
		}
	}
	report, problems := c.keep(o)
	if o.verdict == Green {
		// Before it is told to anybody: who is cut off here judges it once more.
		if err := c.Boot.MakeDefault(c.Running, t.Loader); err != nil {
			problems = append(problems, err.Error())
		}
	}
	if err := c.Dir.Update(func(s *State) error {
		s.End(c.Running, o.verdict, o.words, report, c.Now())
		end := s.Of(c.Running)
		end.Problems = append(end.Problems, problems...)
		t = *end
		return nil
	}); err != nil {
		return nil, err
	}
	if t.Verdict != Red {
		return &t, nil
	}
	return &t, c.back(ctx, &t)
}

// mostTries is how often GRUB is told to try a kernel whose trials are cut off.
const mostTries = 3

// again has GRUB try kernels once more whose trial was cut off, as by a power cut: GRUB came
// back to the good one, which runs now. A kernel that did not even come up is not tried again.
// The boot of the good kernel is good whatever comes of that.
func (c *Check) again(s *State) {
	said := "kernel " + c.Running + " is good"
	for _, t := range s.Trials {
		if t.Loader == nil || t.Begun == nil || t.Boots >= mostTries {
			continue
		}
		_, next, tried, err := c.Boot.Look(t.Loader)
		if err == nil && (t.how(c.Running, tried) != Left || next != "") {
			continue
		}
		if err == nil {
			_, err = c.Boot.TryOnce(t.Kernel, c.Running)
		}
		said = fmt.Sprintf("the trial of kernel %s was cut off: GRUB tries it once more at the next boot", t.Kernel)
		if err != nil {
			said = fmt.Sprintf("the trial of kernel %s was cut off: %v", t.Kernel, err)
		}
	}
	c.Say(said)
}

// outcome is what a trial came to.
type outcome struct {
	verdict Verdict
	words   string
	now     *baseline.Baseline  // nil where nothing was recorded
	found   *compare.Comparison // nil where nothing was compared
}

func (c *Check) judge(ctx context.Context, t *Trial) outcome {
	unknown := func(err error) outcome { return outcome{verdict: Unknown, words: oneLine(err.Error())} }
	unit, err := c.Unit(ctx)
	if err == nil && !unit.Active && !unit.Unconfirmed {
		// One that is about to be tried again, by itself, is tried now.
		started := c.Start(ctx)
		if ctx.Err() != nil {
			return unknown(started)
		}
		unit, err = c.Unit(ctx)
	}
	switch {
	case err != nil:
		return unknown(fmt.Errorf("whether the profile was applied cannot be told: %w", err))
	case unit.Unconfirmed:
		return unknown(errors.New("the profile was not applied, for nobody had confirmed it: " + unit.Words))
	case !unit.Active:
		return outcome{verdict: Red, words: oneLine("the profile could not be applied: " + or(unit.Words, "see journalctl -b -u nicwright"))}
	}
	if t.Baseline == "" {
		return unknown(errors.New("nothing was recorded to hold it against"))
	}
	before, err := c.Baselines.Load(t.Baseline)
	if err != nil {
		return unknown(err)
	}
	o := outcome{verdict: Unknown}
	if o.now, err = c.Record(ctx); err != nil {
		return unknown(fmt.Errorf("recording kernel %s: %w", c.Running, err))
	}
	o.now.Name = BaselineOf(c.Running)
	if len(before.Runs) == 0 || len(o.now.Runs) == 0 {
		o.words = "nothing was proved, then or now: a kernel is not good because nobody looked"
		return o
	}
	if o.found, err = compare.Compare(before, o.now, c.Options); err != nil {
		o.words = oneLine(err.Error())
		return o
	}
	o.words = o.found.Advice()
	switch {
	case len(o.found.Of(compare.Broken)) > 0:
		o.verdict = Red
	case o.found.OK():
		o.verdict = Green
	}
	return o
}

// keep writes what there is of a trial: the report for people, its file, and what was
// recorded. What could not be kept is told.
func (c *Check) keep(o outcome) (file string, problems []string) {
	write := func(kind string, text []byte, err error) string {
		at := ""
		if err == nil {
			at, err = c.Dir.Report(c.Running, kind, text)
		}
		if err != nil {
			problems = append(problems, err.Error())
		}
		return at
	}
	text := bytes.NewBufferString(o.words + "\n")
	if o.found != nil {
		text.Reset()
		err := o.found.Print(text, true)
		document, failed := json.MarshalIndent(o.found, "", "  ")
		write("json", append(document, '\n'), errors.Join(err, failed))
	}
	if o.now != nil {
		document, err := baseline.Encode(o.now)
		write("baseline.json", document, err)
	}
	return write("txt", text.Bytes(), nil), problems
}

// back has the host go back to the kernel that is good, where that may be done.
func (c *Check) back(ctx context.Context, t *Trial) error {
	w := Way{Asked: c.FallBack, Running: c.Running}
	var err error
	if w.Installed, err = c.Installed(); err != nil {
		return err
	}
	if w.Default, w.Next, _, err = c.Boot.Look(nil); err != nil {
		return err
	}
	why, ok := t.MayReboot(w)
	if !ok {
		c.Say("the host stays on kernel " + c.Running + ": " + why)
		return nil
	}
	// It is on the disk before: a host that comes back here does not reboot again.
	if err := c.Dir.Update(func(s *State) error {
		s.Of(c.Running).Rebooted = true
		return nil
	}); err != nil {
		return err
	}
	t.Rebooted = true
	c.Say("rebooting into kernel " + t.Against + ": " + t.Words)
	return c.Reboot(ctx)
}

// Accept takes the kernel that runs for good, because a person says so: it is recorded, and
// GRUB's default where GRUB was told to try it.
func (c *Check) Accept(ctx context.Context) error {
	if err := c.save(ctx); err != nil {
		return err
	}
	var t Trial
	if err := c.Dir.Update(func(s *State) error {
		s.Accept(c.Running, c.Now())
		t = *s.Of(c.Running)
		return nil
	}); err != nil {
		return err
	}
	return c.Boot.MakeDefault(c.Running, t.Loader)
}

// oneLine is the first line of a text.
func oneLine(s string) string {
	line, _, _ := bytes.Cut([]byte(s), []byte("\n"))
	return string(line)
}
