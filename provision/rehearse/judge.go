// SPDX-License-Identifier: Apache-2.0

package rehearse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/rehearsal"
	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/provision/baseline"
	"github.com/nicwright/nicwright/provision/compare"
)

// Verdict is what a rehearsal says.
type Verdict string

// The verdicts.
const (
	Goes    Verdict = "goes"
	WillNot Verdict = "will not"
	// Unsure: of some of what was proved with the kernel that runs, nobody knows.
	Unsure Verdict = "not known"
)

// Judgement is a rehearsal of a kernel held against one of the kernel that runs.
type Judgement struct {
	Verdict Verdict `json:"verdict"`
	Kernel  string  `json:"kernel"`
	Against string  `json:"against"`
	Profile string  `json:"profile"`
	// Why is what is worse, in words, the first of it first.
	Why []string `json:"why,omitempty"`
	// Refusal is what apply said where the new kernel does not take the profile.
	Refusal string `json:"refusal,omitempty"`
	// Cannot is what the emulation says nothing of.
	Cannot     []string            `json:"cannot_say"`
	Comparison *compare.Comparison `json:"comparison"`
}

// Errors by which nothing is judged; errors.Is finds them.
var (
	ErrRefused = errors.New("it cannot be rehearsed")
	ErrNeither = errors.New("the rehearsal says nothing: the profile cannot be applied in the machine with the kernel that runs, either")
)

// Recorded is what was recorded in the machine.
func Recorded(o *rehearsal.Outcome) (*baseline.Baseline, error) {
	switch {
	case o.Refused != "":
		return nil, fmt.Errorf("kernel %s: %w: %s", style.OrDash(o.Release), ErrRefused, o.Refused)
	case o.Save.Status != 0 || len(o.Baseline) == 0:
		return nil, fmt.Errorf("kernel %s: %w: nothing could be recorded in the machine: %s", o.Release, ErrRefused, o.Save.Said)
	}
	b, err := baseline.Decode(o.Baseline)
	if err != nil {
		return nil, fmt.Errorf("kernel %s: reading what was recorded in the machine: %w", o.Release, err)
	}
	b.Name = "rehearsal of " + o.Release
	return b, nil
}

// Judge holds the outcome with a new kernel against that with the one that runs.
func Judge(before, after *rehearsal.Outcome, profile string, t Twin, o compare.Options) (*Judgement, error) {
	a, err := Recorded(before)
	if err != nil {
		return nil, err
	}
	b, err := Recorded(after)
	if err != nil {
		return nil, err
	}
	if before.Apply.Status != 0 && after.Apply.Status != 0 {
		return nil, fmt.Errorf("%w (%s): %s", ErrNeither, before.Release, last(before.Apply.Said))
	}
	j := &Judgement{Verdict: Goes, Kernel: after.Release, Against: before.Release, Profile: profile, Cannot: cannot(before, after, a, b, t)}
	if j.Comparison, err = compare.Compare(a, b, o); err != nil {
		return nil, err
	}
	c := j.Comparison
	applied := before.Apply.Status == 0 && after.Apply.Status == 0
	c.Findings = slices.DeleteFunc(c.Findings, func(f compare.Finding) bool {
		return f.Area == compare.Speed || ofMachine(f) || !applied && !ofKernel(f)
	})
	if after.Kernel != "" && before.Kernel == "" {
		j.Verdict = WillNot
		j.Why = append(j.Why, "the kernel reported an error of its own: "+firstLine(after.Kernel))
	}
	if after.Apply.Status != 0 {
		j.Verdict, j.Refusal = WillNot, after.Apply.Said
		j.Why = append(j.Why, "apply: "+last(after.Apply.Said))
		return j, nil
	}
	for _, f := range c.Of(compare.Broken) {
		j.Verdict = WillNot
		words := f.Name()
		if f.Before != "" && f.After != "" {
			words += fmt.Sprintf(" (%s -> %s)", f.Before, f.After)
		}
		j.Why = append(j.Why, words)
	}
	switch n := len(c.Of(compare.NotTried)); {
	case j.Verdict != Goes:
	case !applied:
		j.Verdict = Unsure
		j.Why = append(j.Why, "it could not be applied in the machine with "+before.Release+", to compare with: "+last(before.Apply.Said))
	case n > 0:
		j.Verdict = Unsure
		j.Why = append(j.Why, fmt.Sprintf("%s not tried", style.Count(n, "proof")))
	}
	return j, nil
}

// ofKernel tells of a difference that it is one of the kernels, also where the profile was
// applied with one of them alone: software, and what a driver does not let anybody change.
func ofKernel(f compare.Finding) bool {
	return f.Area == compare.Software || f.Area == compare.Shown && strings.HasSuffix(f.After, "[fixed]")
}

// ofMachine tells of a difference that it is of chance: without udev netdevs are called
// in the order in which the driver comes to them, and each boot has another.
func ofMachine(f compare.Finding) bool {
	return f.Area == compare.Shown && (f.What == "netdev" || f.What == "altnames")
}

// cannot is what the emulation says nothing of.
func cannot(before, after *rehearsal.Outcome, a, b *baseline.Baseline, t Twin) []string {
	all := []string{"how fast it is, and what it costs the processor: the card is a program" + map[bool]string{true: "", false: ", and the processor is emulated"}[after.KVM]}
	firmware := "what the card's firmware does by itself, and what it can (crypto, limits): it is the emulation's"
	if t.Firmware != "" && !slices.Contains(after.Ignored, "firmware") {
		firmware += ", which only calls itself " + t.Firmware
	}
	all = append(all, firmware,
		"the host's other devices and their drivers; what its kernel command line, systemd and udev do, names of netdevs among it: the machine has none of them")
	for _, o := range t.Other {
		all = append(all, "as it is not the same there: "+o)
	}
	for _, name := range after.Ignored {
		all = append(all, "as the emulated card cannot be given it: its "+name)
	}
	for _, l := range after.Left {
		all = append(all, "as the machine has no IOMMU behind the card: "+l)
	}
	for _, x := range []struct{ option, what string }{
		{"MLX5_EN_TLS", "TLS"}, {"MLX5_EN_IPSEC", "IPsec"}, {"MLX5_CLS_ACT", "flows of Open vSwitch and tc"},
	} {
		// Where the running kernel had it, that is a difference, and is told as one.
		if lacks(a, x.option) && lacks(b, x.option) {
			all = append(all, fmt.Sprintf("%s in the card: mlx5_core of %s and of %s is built without it (%s), as it is on the host. What needs it goes in software with both", x.what, before.Release, after.Release, x.option))
		}
	}
	return all
}

// lacks tells that a kernel's own driver is built without an option.
func lacks(b *baseline.Baseline, option string) bool {
	return b.Software["config."+option] == "not set" && b.Software["module.mlx5_core.in_tree"] != "false"
}

// OK tells that the profile will go.
func (j *Judgement) OK() bool { return j.Verdict == Goes }

// mostWhy is how much of what is worse is in the first line.
const mostWhy = 3

// Line is the first line: what the kernel will do to the profile.
func (j *Judgement) Line() string {
	why := strings.Join(j.Why[:min(len(j.Why), mostWhy)], "; ")
	if more := len(j.Why) - mostWhy; more > 0 {
		why += fmt.Sprintf("; and %d more", more)
	}
	switch j.Verdict {
	case Goes:
		words := "it is applied, and nothing of it was proved"
		if n := len(j.Comparison.Passed); n > 0 {
			words = style.Count(n, "proof") + " as there"
		}
		if n := len(j.Comparison.Never); n > 0 {
			words += fmt.Sprintf(", %s not possible, or failed, with both", style.Count(n, "proof"))
		}
		return fmt.Sprintf("with %s your profile will go as it does with %s (%s): %s, %s", j.Kernel, j.Against, j.Profile, words, style.Count(len(j.Comparison.Of(compare.Known)), "known change"))
	case Unsure:
		return fmt.Sprintf("with %s nobody knows whether your profile will go (%s): %s", j.Kernel, j.Profile, why)
	}
	return fmt.Sprintf("with %s your profile will not go (%s): %s", j.Kernel, j.Profile, why)
}

// Print writes a judgement as text, what to expect in its first line.
func (j *Judgement) Print(w io.Writer, verbose bool) error {
	var b strings.Builder
	colour := map[Verdict]func(string) string{Goes: style.Green, WillNot: style.Red, Unsure: style.Amber}[j.Verdict]
	b.WriteString(style.Bold(colour(j.Line())) + "\n")
	var text bytes.Buffer
	if err := j.Comparison.Print(&text, verbose); err != nil {
		return err
	}
	// The comparison's own first line says what to do with a kernel that was booted.
	_, rest, _ := strings.Cut(text.String(), "\n")
	b.WriteString(rest)
	if j.Refusal != "" {
		b.WriteString("\nWhat apply said:\n  " + strings.ReplaceAll(j.Refusal, "\n", "\n  ") + "\n")
	}
	b.WriteString("\nThe rehearsal says nothing of\n")
	for _, c := range j.Cannot {
		b.WriteString("  - " + c + "\n")
	}
	return style.Flush(w, &b)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimSpace(line)
}

// last is what a program said at its end that is an error, on one line: steps that were
// done come before it.
func last(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	for _, l := range lines {
		if rest, ok := strings.CutPrefix(l, "nicwright: "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return strings.TrimSpace(lines[len(lines)-1])
}
