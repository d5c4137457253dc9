// SPDX-License-Identifier: Apache-2.0

// Package compare says what is different between two baselines of a host, most often
// of the same host with another kernel, and what of it matters.
package compare

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/provision/baseline"
)

// Class is what a difference means.
type Class string

// The classes, worst first.
const (
	Broken       Class = "broken"               // worse than it was: a verdict, a refusal, an error of the kernel, speed
	NotTried     Class = "not tried"            // it was proved before, and now nobody knows
	Inconclusive Class = "inconclusive"         // it was tried, and others' traffic may be why
	Flaky        Class = "flaky"                // now so, now otherwise, on the same kernel
	Unknown      Class = "changed, not known"   // a warning
	Known        Class = "changed, as is known" // an entry of the table of known changes
	Waived       Class = "waived"               // broken, and somebody has said that it may be
	Noise        Class = "noise"                // nothing is taken away: something new, a figure within its spread
)

// Classes are all of them, worst first.
var Classes = []Class{Broken, NotTried, Inconclusive, Flaky, Unknown, Known, Waived, Noise}

// Area is what a difference is of.
type Area string

// The areas.
const (
	Software Area = "software"
	Cards    Area = "card"
	Shown    Area = "shown by the kernel"
	Proofs   Area = "proof"
	Speed    Area = "speed"
	Said     Area = "said by the kernel"
)

// Finding is one difference.
type Finding struct {
	Class Class `json:"class"`
	Area  Area  `json:"area"`
	// Subjects are the functions, bonds or ports of which it is so; none of the host as a whole.
	Subjects []string `json:"subjects,omitempty"`
	// What is the attribute, or the proof.
	What   string `json:"what"`
	Before string `json:"before,omitempty"` // "" for nothing
	After  string `json:"after,omitempty"`
	// Words say what it means, and what to do.
	Words string `json:"words,omitempty"`
	// Known is the entry of the table of known changes.
	Known *Entry `json:"known,omitempty"`
	// Waiver is why a broken one is waived.
	Waiver *Waiver `json:"waiver,omitempty"`
}

// Name tells the finding from others of a comparison.
func (f Finding) Name() string {
	s := string(f.Area) + ": "
	if len(f.Subjects) == 1 {
		s += f.Subjects[0] + ": "
	}
	return s + f.What
}

// Side is one of the two.
type Side struct {
	Name    string    `json:"name"`
	Taken   time.Time `json:"taken"`
	Kernel  string    `json:"kernel"`
	Profile string    `json:"profile,omitempty"`
	Runs    int       `json:"runs"`
}

// Comparison is what a comparison found, worst first.
type Comparison struct {
	A        Side      `json:"before"`
	B        Side      `json:"after"`
	Findings []Finding `json:"findings"`
	// Passed are the proofs that were as they had been.
	Passed []string `json:"passed"`
	// Never are those that were not possible, or failed, both times.
	Never []string `json:"never,omitempty"`
	// Expired are waivers that hold no more.
	Expired []Waiver `json:"expired,omitempty"`
}

// Of are the findings of a class.
func (c *Comparison) Of(class Class) []Finding {
	return slices.DeleteFunc(slices.Clone(c.Findings), func(f Finding) bool { return f.Class != class })
}

// OK tells that nothing broke, and that all that was proved was proved again.
func (c *Comparison) OK() bool {
	return !slices.ContainsFunc(c.Findings, func(f Finding) bool { return f.Class == Broken || f.Class == NotTried })
}

// Options are what is asked.
type Options struct {
	Known   []Entry
	Waivers []Waiver
	Now     time.Time // by which waivers expire
	// OtherFirmware and OtherProfile: the two may differ in that.
	OtherFirmware, OtherProfile bool
	// Floor is the least loss of speed that counts, as a part: 0.1 is 10%.
	Floor float64
}

// Errors by which a comparison is refused; errors.Is finds them.
var (
	ErrFirmware = errors.New("another firmware runs: what is different may be the card's and not the kernel's; --other-firmware compares all the same")
	ErrProfile  = errors.New("another profile was verified: what is different may be what was asked for; --other-profile compares all the same")
	ErrCards    = errors.New("they are of other cards: a baseline is compared with one of the same host")
)

// comparison is one under way.
type comparison struct {
	a, b *baseline.Baseline
	o    Options
	*Comparison
}

// Compare compares; a is what was before.
func Compare(a, b *baseline.Baseline, o Options) (*Comparison, error) {
	c := &comparison{a, b, o, &Comparison{A: side(a), B: side(b), Findings: []Finding{}, Passed: []string{}}}
	if err := c.comparable(); err != nil {
		return nil, fmt.Errorf("comparing %s with %s: %w", a.Name, b.Name, err)
	}
	c.facts(Software, map[string]baseline.Facts{"": a.Software}, map[string]baseline.Facts{"": b.Software})
	c.facts(Cards, a.Cards, b.Cards)
	c.facts(Shown, a.Shown, b.Shown)
	c.proofs()
	c.speed()
	c.said()
	c.Findings = merge(c.Findings)
	c.waive()
	slices.SortStableFunc(c.Findings, func(x, y Finding) int {
		return cmp.Or(cmp.Compare(slices.Index(Classes, x.Class), slices.Index(Classes, y.Class)), strings.Compare(x.Name(), y.Name()))
	})
	return c.Comparison, nil
}

func side(b *baseline.Baseline) Side {
	return Side{b.Name, b.Taken, b.Software["kernel.release"], b.Profile, len(b.Runs)}
}

// add adds a finding.
func (c *comparison) add(f Finding) { c.Findings = append(c.Findings, f) }

// comparable refuses what would blame a kernel for something else.
func (c *comparison) comparable() error {
	if c.a.Hash != c.b.Hash && c.a.Hash != "" && c.b.Hash != "" && !c.o.OtherProfile {
		return fmt.Errorf("%w (%s and %s)", ErrProfile, c.a.Profile, c.b.Profile)
	}
	both := 0
	for _, address := range slices.Sorted(maps.Keys(c.a.Cards)) {
		was, is := c.a.Cards[address], c.b.Cards[address]
		if is == nil {
			continue
		}
		if was["serial"] != is["serial"] && was["serial"] != "" && is["serial"] != "" {
			return fmt.Errorf("%w (%s has the serial numbers %s and %s)", ErrCards, address, was["serial"], is["serial"])
		}
		both++
		for _, name := range slices.Sorted(maps.Keys(was)) {
			if strings.HasPrefix(name, "firmware.running.") && is[name] != "" && was[name] != is[name] && !c.o.OtherFirmware {
				return fmt.Errorf("%w (%s: %s %s and %s)", ErrFirmware, address, name, was[name], is[name])
			}
		}
	}
	if both == 0 && len(c.a.Cards) > 0 && len(c.b.Cards) > 0 {
		return ErrCards
	}
	return nil
}

// circumstances are facts of software and cards that are what is compared, or that a boot
// changes: they are told, and mean nothing by themselves.
var circumstances = []string{"kernel.", "package.", "module.*.srcversion", "module.*.version", "openvswitch", "microcode", "firmware."}

// facts compares attributes. What the earlier has and the later lacks is missed; what the
// later has besides is new.
func (c *comparison) facts(area Area, a, b map[string]baseline.Facts) {
	for _, subject := range slices.Sorted(maps.Keys(a)) {
		if _, there := b[subject]; !there {
			f := Finding{Class: Broken, Area: area, Subjects: subjects(subject), What: "all of it", Before: "there", Words: "the kernel shows it no more"}
			if area == Cards {
				c.add(f)
			} else {
				c.change(f)
			}
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(a[subject])) {
			was := a[subject][name]
			is, there := b[subject][name]
			switch {
			case name == "counters":
				c.counters(subject, was, is)
			case !there:
				c.change(Finding{Area: area, Subjects: subjects(subject), What: name, Before: was})
			case is != was:
				c.change(Finding{Area: area, Subjects: subjects(subject), What: name, Before: was, After: is})
			}
		}
	}
	for subject, facts := range b {
		if a[subject] == nil {
			c.add(Finding{Class: Noise, Area: area, Subjects: subjects(subject), What: "all of it", After: "there"})
			continue
		}
		for name, is := range facts {
			if _, there := a[subject][name]; !there {
				c.add(Finding{Class: Noise, Area: area, Subjects: subjects(subject), What: name, After: is})
			}
		}
	}
}

// counters are compared by their names.
func (c *comparison) counters(subject, was, is string) {
	a, b := strings.Fields(was), strings.Fields(is)
	gone := slices.DeleteFunc(slices.Clone(a), func(n string) bool { return slices.Contains(b, n) })
	came := slices.DeleteFunc(b, func(n string) bool { return slices.Contains(a, n) })
	for _, n := range gone {
		c.change(Finding{Area: Shown, Subjects: subjects(subject), What: "counter " + n, Before: "there"})
	}
	for _, n := range came {
		c.add(Finding{Class: Noise, Area: Shown, Subjects: subjects(subject), What: "counter " + n, After: "there"})
	}
}

func subjects(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// change adds a finding of something that is otherwise: known, or not.
func (c *comparison) change(f Finding) {
	f.Class = Unknown
	loads := []string{string(kconfig.Loaded), string(kconfig.Available)}
	switch {
	case f.Area == Software && slices.Contains(loads, f.Before) && slices.Contains(loads, f.After):
		f.Class = Noise // it is loaded when it is needed
	case (f.Area == Software || f.Area == Cards) && slices.ContainsFunc(circumstances, func(p string) bool { return glob(p+"*", f.What) }):
		f.Class = Noise
	}
	if e := c.known(f); e != nil {
		f.Class, f.Known = Known, e
	}
	c.add(f)
}

// known is the entry of the table that says of such a change that it is the kernel's.
func (c *comparison) known(f Finding) *Entry {
	a, b := kconfig.ParseVersion(c.a.Software["kernel.release"]), kconfig.ParseVersion(c.b.Software["kernel.release"])
	for i := range c.o.Known {
		if e := &c.o.Known[i]; e.explains(f, a, b) {
			return e
		}
	}
	return nil
}

// merge makes one of findings that differ in their subjects alone: a feature that all
// VFs have lost is one thing that happened.
func merge(all []Finding) []Finding {
	type key struct {
		class               Class
		area                Area
		what, before, after string
		words, known        string
	}
	at := map[key]int{}
	var merged []Finding
	for _, f := range all {
		k := key{f.Class, f.Area, f.What, f.Before, f.After, f.Words, ""}
		if f.Known != nil {
			k.known = f.Known.ID
		}
		i, there := at[k]
		if !there || len(f.Subjects) == 0 {
			at[k] = len(merged)
			merged = append(merged, f)
			continue
		}
		merged[i].Subjects = append(merged[i].Subjects, f.Subjects...)
	}
	for i := range merged {
		slices.Sort(merged[i].Subjects)
		merged[i].Subjects = slices.Compact(merged[i].Subjects)
	}
	return merged
}
