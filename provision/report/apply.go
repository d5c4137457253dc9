// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nicwright/nicwright/internal/health"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/internal/style"
)

// Done is one step that ended.
type Done struct {
	step.Step
	Seconds float64 `json:"seconds"`         // of the act it was done in; a group's steps share one
	Error   string  `json:"error,omitempty"` // why it failed
	Err     error   `json:"-"`
}

// Print writes it on one line, with its duration.
func (d Done) Print(w io.Writer) {
	mark := style.Green("done  ")
	if d.Err != nil || d.Error != "" {
		mark = style.Red("failed")
	}
	// A terminal that has gone away must not stop an apply half way.
	_, _ = fmt.Fprintf(w, "%s %-9s %s%s\n", mark, d.Phase, Line(cleanStep(d.Step)), style.Faint("  "+style.Seconds(d.Seconds)))
}

// Apply is what an operation did: an apply, a rollback, a removal.
type Apply struct {
	Profile string      `json:"profile"`
	Started time.Time   `json:"started"`
	Seconds float64     `json:"seconds"`
	Steps   []Done      `json:"steps"`
	Left    []step.Left `json:"left,omitempty"` // what is wanted and stays as it is
	// Awaits is what is stored in cards and holds after a reboot, in words.
	Awaits []string `json:"awaits_reset,omitempty"`
	// Phases is where the time went, in seconds: of each phase the device that took longest.
	Phases map[string]float64 `json:"phases,omitempty"`
	// Said is what the kernel said of itself meanwhile. It is told, and decides nothing.
	Said  health.Said `json:"said,omitzero"`
	Error string      `json:"error,omitempty"`
}

// End closes the report with the operation's outcome.
func (r *Apply) End(err error) {
	r.Seconds = time.Since(r.Started).Seconds()
	r.Phases = PhaseSeconds(r.Steps)
	if err != nil {
		r.Error = err.Error()
	}
}

// PhaseSeconds is where the time of steps went, in seconds: of each phase the device
// that took longest.
func PhaseSeconds(steps []Done) map[string]float64 {
	lanes := map[step.Phase]map[string]float64{}
	group := ""
	for _, d := range steps {
		if d.Group != "" && d.Group == group {
			continue
		}
		group = d.Group
		if lanes[d.Phase] == nil {
			lanes[d.Phase] = map[string]float64{}
		}
		lanes[d.Phase][d.Device] += d.Seconds
	}
	phases := map[string]float64{}
	for p, devices := range lanes {
		for _, s := range devices {
			phases[p.String()] = max(phases[p.String()], s)
		}
	}
	return phases
}

// PrintSaid writes what the kernel said meanwhile, if anything: of an operation that
// failed, too.
func (r Apply) PrintSaid(w io.Writer) error {
	var b strings.Builder
	writeSaid(&b, cleanSaid(r.Said))
	return style.Flush(w, &b)
}

// Print writes the closing line.
func (r Apply) Print(w io.Writer) error {
	var b strings.Builder
	if len(r.Steps) == 0 {
		fmt.Fprintf(&b, "%s: nothing to do\n", r.Profile)
		return style.Flush(w, &b)
	}
	var parts []string
	for p := step.Quiesce; p <= step.Addresses; p++ {
		if s, ok := r.Phases[p.String()]; ok {
			parts = append(parts, p.String()+" "+style.Seconds(s))
		}
	}
	fmt.Fprintf(&b, "%s: %s in %s (%s)\n", style.Bold(r.Profile), style.Count(len(r.Steps), "step"), style.Seconds(r.Seconds), strings.Join(parts, ", "))
	for _, a := range r.Awaits {
		fmt.Fprintf(&b, "%s\n", style.Amber(a))
	}
	return style.Flush(w, &b)
}
