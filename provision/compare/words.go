// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"io"
	"strings"

	"github.com/nicwright/nicwright/internal/style"
)

// Advice is one sentence of what to do.
func (c *Comparison) Advice() string {
	n := func(class Class) int { return len(c.Of(class)) }
	switch {
	case n(Broken) > 0 && c.A.Kernel != c.B.Kernel:
		return fmt.Sprintf("DO NOT KEEP kernel %s: %s worse than on %s. Boot that one again, and look below", c.B.Kernel, is(n(Broken), "thing"), c.A.Kernel)
	case n(Broken) > 0:
		return fmt.Sprintf("LOOK: %s worse than before, and the kernel (%s) is the same: something else has changed", is(n(Broken), "thing"), c.B.Kernel)
	case n(NotTried) > 0:
		return fmt.Sprintf("TRY AGAIN: nothing of what was tried is worse, and %s not tried: see below", was(n(NotTried), "thing"))
	case n(Inconclusive) > 0:
		return fmt.Sprintf("TRY AGAIN when the uplinks have no other traffic: nothing is worse, and %s", style.Count(n(Inconclusive), "thing")+" could not be told")
	case n(Flaky)+n(Unknown) > 0:
		return fmt.Sprintf("KEEP IT, and look below: nothing is worse on %s; %s not known to be the kernel's, %d flaky", c.B.Kernel, is(n(Unknown), "change"), n(Flaky))
	case n(Waived) > 0:
		return fmt.Sprintf("KEEP IT: what is worse on %s is waived (%d)", c.B.Kernel, n(Waived))
	}
	return fmt.Sprintf("KEEP IT: nothing is worse on %s: %s as before, %s", c.B.Kernel, style.Count(len(c.Passed), "proof"), style.Count(n(Known), "known change"))
}

func is(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return style.Count(n, noun) + " are"
}

func was(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " was"
	}
	return style.Count(n, noun) + " were"
}

// Heading says what is compared, on one line.
func (c *Comparison) Heading() string {
	one := func(s Side) string {
		return fmt.Sprintf("%s (kernel %s, %s, %s)", s.Name, s.Kernel, s.Taken.UTC().Format("2006-01-02 15:04 UTC"), style.Count(s.Runs, "run"))
	}
	return one(c.A) + " -> " + one(c.B)
}

// change is "offloaded -> software", or that something is there or gone.
func (f Finding) change() string {
	switch {
	case f.Before == "" && f.After == "":
		return ""
	case f.Class == NotTried:
		return "it was: " + f.Before
	case f.Before == "":
		return "new: " + f.After
	case f.After == "":
		return "gone; it was: " + f.Before
	}
	return f.Before + " -> " + f.After
}

// of are the subjects, the first few.
func (f Finding) of() string {
	const most = 4
	if len(f.Subjects) <= most {
		return strings.Join(f.Subjects, ", ")
	}
	return fmt.Sprintf("%s, ... (%d)", strings.Join(f.Subjects[:most], ", "), len(f.Subjects))
}

// lines are the finding, its change, and what is to be said of it.
func (f Finding) lines() []string {
	head := f.What
	if of := f.of(); of != "" {
		head = of + ": " + head
	}
	lines := []string{head}
	if change := f.change(); change != "" {
		lines = append(lines, change)
	}
	if f.Words != "" {
		lines = append(lines, f.Words)
	}
	if f.Known != nil {
		words := "known"
		if f.Known.Since != "" {
			words += " since " + f.Known.Since
		}
		lines = append(lines, words+" ("+f.Known.ID+"): "+f.Known.Words, "source: "+f.Known.Source)
	}
	if f.Waiver != nil {
		lines = append(lines, fmt.Sprintf("waived until %s: %s", f.Waiver.Expires, f.Waiver.Reason))
	}
	return lines
}

// colours are those of the classes.
func (c Class) colour(s string) string {
	switch c {
	case Broken:
		return style.Red(s)
	case NotTried, Inconclusive, Flaky, Unknown, Waived:
		return style.Amber(s)
	}
	return s
}

// Print writes the comparison as text, what to do in its first line. Noise is counted,
// and with verbose told.
func (c *Comparison) Print(w io.Writer, verbose bool) error {
	var b strings.Builder
	worst := Noise
	if len(c.Findings) > 0 {
		worst = c.Findings[0].Class
	}
	b.WriteString(style.Bold(worst.colour(c.Advice())) + "\n" + style.Faint(c.Heading()) + "\n")
	for _, class := range Classes {
		all := c.Of(class)
		if len(all) == 0 || class == Noise && !verbose {
			continue
		}
		fmt.Fprintf(&b, "\n%s (%d)\n", class.colour(strings.ToUpper(string(class))), len(all))
		said := map[string]bool{} // what an entry of the table says, it says once
		for _, f := range all {
			if f.Known != nil {
				if said[f.Known.ID] {
					f.Known = nil
				} else {
					said[f.Known.ID] = true
				}
			}
			lines := f.lines()
			fmt.Fprintf(&b, "  %s\n", lines[0])
			for _, l := range lines[1:] {
				b.WriteString("      " + strings.ReplaceAll(l, "\n", "\n      ") + "\n")
			}
		}
	}
	if len(c.Never) > 0 {
		fmt.Fprintf(&b, "\n%s not possible, or failed, both times: %s\n", style.Count(len(c.Never), "proof"), strings.Join(c.Never, "; "))
	}
	for _, w := range c.Expired {
		fmt.Fprintf(&b, "\n%s\n", style.Amber(fmt.Sprintf("a waiver has expired (%s): %s: %s", w.Expires, w.What, w.Reason)))
	}
	if verbose {
		for _, p := range c.Passed {
			fmt.Fprintf(&b, "\n  as before: %s", p)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "\n%s as before. Differences: %s\n", style.Count(len(c.Passed), "proof"), c.tally())
	return style.Flush(w, &b)
}

// tally counts the findings of each class.
func (c *Comparison) tally() string {
	var parts []string
	for _, class := range Classes {
		if n := len(c.Of(class)); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, class))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, "; ")
}
