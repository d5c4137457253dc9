// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/confirm"
	"github.com/nicwright/nicwright/provision/install"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/trial"
)

// hostStatus is what status prints.
type hostStatus struct {
	Installed *boot   `json:"installed,omitempty"` // absent: nothing comes up at boot
	InForce   []force `json:"in_force"`
	// Verified is the last verification of what is, or was, in force; absent where there was none.
	Verified    *lastVerified `json:"verified,omitempty"`
	Interrupted *entry        `json:"interrupted,omitempty"`
	// AwaitsReset is what is stored in cards, which go by what there was before until a reboot.
	AwaitsReset []journal.Stored `json:"awaits_reset,omitempty"`
	// Kernels is which kernel is good, and which is on trial; absent without kernel checks.
	Kernels *trial.Status `json:"kernels,omitempty"`
	Unknown []string      `json:"unknown,omitempty"` // what could not be found out, and why
}

// boot is what install put in place.
type boot struct {
	Profile string           `json:"profile,omitempty"`
	Files   []string         `json:"files"`
	Unit    *install.Running `json:"unit,omitempty"` // absent where systemd does not say
	// Error is why the installed profile cannot be read.
	Error string `json:"error,omitempty"`
	// InForce tells whether what it asks of this host is what is in force; absent where nobody knows.
	InForce *bool `json:"in_force,omitempty"`
	// Unconfirmed is the operation that applied it and went back because nobody confirmed it: no boot applies it.
	Unconfirmed string `json:"unconfirmed,omitempty"`
}

// force is a profile that is in force, by its last operation.
type force struct {
	Profile   string     `json:"profile"`
	Operation string     `json:"operation"`
	Applied   *time.Time `json:"applied,omitempty"`
	Tool      string     `json:"tool"` // version of nicwright
	// GoesBack is when it is taken back unless it is confirmed; absent where nothing is to be confirmed.
	GoesBack *time.Time `json:"goes_back,omitempty"`
	// ThisBoot tells whether it was applied since the host booted.
	ThisBoot bool `json:"this_boot"`
	// Drift are the steps that would bring the host back to the profile; null where nobody knows.
	Drift []string `json:"drift"`
	// Left is what the profile wants and an apply would leave as it is.
	Left []string `json:"left,omitempty"`
	// Error is why the drift is not known.
	Error string `json:"error,omitempty"`
}

func newStatus(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say what is installed, what is in force, and whether the host has drifted",
		Long: `status says what comes up at boot and how its unit is, which profile is in force
since when, by which operation and version, whether the host is still as that
wants it, when it was last verified and what that found, and whether an operation
was interrupted. It changes nothing; all of it is seen by root alone.`,
		Example: "  nicwright status\n  nicwright status --json | jq -e 'all(.in_force[]; .drift == [])'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.statusHere(cmd.Context())
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(s)
			}
			return a.printStatus(s, time.Now())
		},
	}
}

func (a *app) statusHere(ctx context.Context) (hostStatus, error) {
	ops, err := provision.History(a.state())
	if err != nil {
		return hostStatus{}, err
	}
	s := statusOf(ops)
	s.verified(a.state(), ops, kernel())
	s.kernels(a.kernelsHere())
	p, err := a.bootHere(ctx, &s)
	if err != nil {
		return hostStatus{}, err
	}
	if len(s.InForce) == 0 && p == nil && !slices.ContainsFunc(ops, func(o *journal.Operation) bool { return len(o.Stored) > 0 }) {
		return s, nil
	}
	road, err := a.look(ctx)
	if err != nil {
		s.Unknown = append(s.Unknown, "drift: "+err.Error())
		return s, nil
	}
	s.AwaitsReset = road.AwaitsReset()
	for i := range s.InForce {
		f := &s.InForce[i]
		op := journal.Find(ops, f.Operation)
		f.ThisBoot = op.Boot == road.Boot
		f.drift(func(want *profiles.Want) (*provision.Plan, error) {
			return road.Apply(want, op.Profile, provision.Allowed{Replace: op.Replaces})
		}, op)
	}
	if p == nil {
		return s, nil
	}
	if want, err := profiles.Resolve(p, road.Have.CardInfos()); err == nil {
		same := false
		for _, f := range s.InForce {
			same = same || wants(journal.Find(ops, f.Operation), want)
		}
		s.Installed.InForce = &same
		if o := journal.Unconfirmed(ops, p.Name); o != nil && wants(o, want) {
			s.Installed.Unconfirmed = o.ID
		}
	}
	return s, nil
}

// statusOf is what the journal says.
func statusOf(ops []*journal.Operation) hostStatus {
	s := hostStatus{InForce: []force{}}
	if open := journal.OpenOne(ops); open != nil {
		s.Interrupted = &entry{ID: open.ID, Kind: open.Kind, Profile: open.Profile.Name, Begun: open.Begun, Ended: open.Ended, Outcome: open.Outcome, Error: open.Error, Open: true}
	}
	last := map[string]int{} // place in InForce
	for _, o := range journal.InForce(ops, "") {
		f := force{Profile: o.Profile.Name, Operation: o.ID, Applied: o.Ended, Tool: o.Tool}
		if o.Waits() {
			f.GoesBack = o.Confirm.Deadline
		}
		if i, again := last[o.Profile.Name]; again {
			s.InForce[i] = f
			continue
		}
		last[o.Profile.Name] = len(s.InForce)
		s.InForce = append(s.InForce, f)
	}
	return s
}

// bootHere looks at what is installed; the profile is nil where none is, or it cannot be read.
func (a *app) bootHere(ctx context.Context, s *hostStatus) (*profiles.Profile, error) {
	config := a.settings.GetString("config-dir")
	files, err := install.Host("").Installed(config)
	if err != nil || len(files) == 0 {
		return nil, err
	}
	s.Installed = &boot{Files: files}
	p, err := installedProfile(config)
	switch {
	case err != nil:
		s.Installed.Error = err.Error()
	case p == nil:
		s.Installed.Error = "the profile " + install.ProfilePath(config) + " is missing: install again"
	default:
		s.Installed.Profile = p.Name
	}
	unit, err := install.Ask(ctx)
	if err != nil {
		s.Unknown = append(s.Unknown, install.Unit+": "+err.Error())
	} else {
		s.Installed.Unit = &unit
	}
	return p, nil
}

// drift plans what was applied anew: what that changes is what became otherwise since.
func (f *force) drift(apply func(*profiles.Want) (*provision.Plan, error), op *journal.Operation) {
	want := new(profiles.Want)
	err := json.Unmarshal(op.Want, want)
	var plan *provision.Plan
	if err == nil {
		plan, err = apply(want)
	}
	if err != nil {
		f.Error = err.Error()
		return
	}
	f.Drift = []string{}
	for _, step := range plan.Steps {
		f.Drift = append(f.Drift, step.String())
	}
	for _, l := range plan.Left {
		f.Left = append(f.Left, fmt.Sprintf("%s: %s", l.Resource, l.Reason))
	}
}

// wants tells whether an operation brought the host to that want.
func wants(op *journal.Operation, want *profiles.Want) bool {
	b, err := json.Marshal(want)
	if err != nil {
		return false
	}
	var was bytes.Buffer
	return json.Compact(&was, op.Want) == nil && bytes.Equal(was.Bytes(), b)
}

// maxDrift is how many steps of a drift are printed: status is one screen.
const maxDrift = 8

func (a *app) printStatus(s hostStatus, now time.Time) error {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(key, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", key, fmt.Sprintf(format, args...)) }
	if s.Installed == nil {
		line("installed", "nothing comes up at boot (nicwright install)")
	} else {
		line("installed", "%s", s.Installed.words())
		if u := s.Installed.Unit; u != nil {
			line("unit", "%s: %s", install.Unit, unitWords(*u))
		}
	}
	if len(s.InForce) == 0 {
		line("in force", "nothing")
	}
	for _, f := range s.InForce {
		line("in force", "%s", f.words(now))
		switch {
		case f.Error != "":
			first, _, _ := strings.Cut(f.Error, "\n")
			line("drift", "%s", style.Amber("not known: "+first))
		case f.Drift == nil: // said below
		case len(f.Drift) == 0:
			line("drift", "%s", style.Green("none"))
		default:
			line("drift", "%s", style.Red(style.Count(len(f.Drift), "step")+" away: nicwright apply -p "+f.Profile))
		}
		for i, d := range f.Drift {
			if i == maxDrift {
				line("", "... nicwright plan -p %s has all", f.Profile)
				break
			}
			line("", "%s", d)
		}
		if len(f.Left) > 0 {
			line("left", "%s as it is: nicwright plan -p %s says why", style.Count(len(f.Left), "thing"), f.Profile)
		}
	}
	switch {
	case s.Verified != nil:
		line("verified", "%s", s.Verified.words(now))
	case len(s.InForce) > 0:
		line("verified", "never (nicwright verify)")
	}
	for n, stored := range s.AwaitsReset {
		line(map[bool]string{true: "reboot"}[n == 0], "%s", style.Amber(provision.WordsOf(stored)))
	}
	if s.Kernels != nil {
		for n, l := range kernelLines(s.Kernels) {
			line(map[bool]string{true: "kernels"}[n == 0], "%s", l)
		}
	}
	if i := s.Interrupted; i != nil {
		line("interrupted", "%s", style.Red(fmt.Sprintf("%s of %s: %s: nicwright rollback, or apply", i.ID, i.Profile, i.state())))
	}
	for _, u := range s.Unknown {
		first, _, _ := strings.Cut(u, "\n")
		line("not known", "%s", first)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	_, err := a.out.Write(b.Bytes())
	return err
}

// words are the profile that comes up at boot, and what is to be known of it.
func (b boot) words() string {
	switch {
	case b.Error != "":
		first, _, _ := strings.Cut(b.Error, "\n")
		return style.Red("its profile cannot be read: " + first)
	case b.InForce == nil:
		return b.Profile
	case b.Unconfirmed != "":
		return style.Amber(b.Profile + ", which went back unconfirmed (" + b.Unconfirmed + "): no boot applies it before you do")
	case *b.InForce:
		return b.Profile + ", the same as is in force"
	}
	return style.Amber(b.Profile + ", which is not what is in force: the next boot changes that")
}

func (f force) words(now time.Time) string {
	s := f.Profile
	if f.Applied != nil {
		s += fmt.Sprintf(" since %s (%s ago)", f.Applied.Local().Format(time.DateTime), now.Sub(*f.Applied).Round(time.Second))
	}
	s += ", by " + f.Operation + " of nicwright " + style.OrDash(f.Tool)
	if f.GoesBack != nil {
		s += "; " + style.Amber("goes back at "+confirm.When(*f.GoesBack)+" unless it is confirmed")
	}
	return s
}

// unitWords are the unit's state, and its sentence.
func unitWords(u install.Running) string {
	s := u.Active
	if u.Load != "loaded" {
		s = u.Load
	}
	if u.Result != "" && u.Result != "success" {
		s = style.Red(s + " (" + u.Result + ")")
	}
	if u.Says != "" {
		s += ": " + u.Says
	}
	return s
}
