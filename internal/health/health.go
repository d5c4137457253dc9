// SPDX-License-Identifier: Apache-2.0

// Package health notes what the kernel says of itself while something is done to the
// host: reports of its own errors, warnings of the network's drivers, and devlink's
// health reporters. It judges nothing.
package health

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/kernellog"
	"github.com/nicwright/nicwright/internal/style"
)

// Said is what was said.
type Said struct {
	// Bugs are the kernel's reports of its own errors (oops, BUG, WARNING), each whole.
	Bugs []string `json:"bugs,omitempty"`
	// Warnings are messages of the network's drivers of level warning and worse, each that
	// differs in more than numbers once.
	Warnings []Warning `json:"warnings,omitempty"`
	// Reporters are devlink's whose count of errors went up.
	Reporters []Reporter `json:"reporters,omitempty"`
	// Unknown is what could not be listened to, and why.
	Unknown []string `json:"unknown,omitempty"`
}

// Warning is a message, and how often it came.
type Warning struct {
	Message string `json:"message"`
	Times   int    `json:"times"`
}

// Reporter is a health reporter with what it counted meanwhile.
type Reporter struct {
	Name       string `json:"name"` // pci/0000:3b:00.0 fw_fatal
	Healthy    bool   `json:"healthy"`
	Errors     uint64 `json:"errors"`
	Recoveries uint64 `json:"recoveries"`
}

// answerTimeout is how long devlink may take to say how the reporters are: what failed before may hold it up for ever.
const answerTimeout = 10 * time.Second

// most is how many reports, and how many warnings, are kept.
const most = 100

// Watch listens from its making until its End.
type Watch struct {
	log     *kernellog.Log
	before  map[string]devlink.Reporter
	unknown []string
}

// Begin begins to listen. What cannot be listened to is in Said.Unknown.
func Begin(ctx context.Context) *Watch {
	w := &Watch{}
	var err error
	if w.before, err = reporters(ctx); err != nil {
		w.unknown = append(w.unknown, err.Error())
	}
	if w.log, err = kernellog.Open(); err == nil {
		if err = w.log.Skip(); err != nil {
			err = errors.Join(err, w.log.Close())
			w.log = nil
		}
	}
	if err != nil {
		w.unknown = append(w.unknown, err.Error())
	}
	return w
}

// End gives what was said since Begin, and listens no more. Also when ctx has ended.
func (w *Watch) End(ctx context.Context) Said {
	ctx = context.WithoutCancel(ctx)
	s := Said{Unknown: w.unknown}
	if w.log != nil {
		c := collector{said: &s}
		lost, err := w.log.Read(ctx, c.record)
		if err = errors.Join(err, w.log.Close()); err != nil {
			s.Unknown = append(s.Unknown, err.Error())
		}
		if lost {
			s.Unknown = append(s.Unknown, "messages of the kernel's log were overwritten before they were read")
		}
	}
	if w.before != nil {
		ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, fmt.Errorf("%v are over", answerTimeout))
		defer cancel()
		now, err := reporters(ctx)
		if err != nil {
			s.Unknown = append(s.Unknown, err.Error())
		}
		s.Reporters = moved(w.before, now)
	}
	return s
}

// collector sorts messages.
type collector struct {
	said  *Said
	scan  kernellog.Scanner
	begun bool           // the last message was of a report
	seen  map[string]int // a warning without its numbers: where it is
}

var numbers = regexp.MustCompile(`0x[0-9a-fA-F]+|[0-9]+`)

// WithoutNumbers is a message as others are that say the same: numbers are what they
// differ in.
func WithoutNumbers(message string) string { return numbers.ReplaceAllString(message, "0") }

func (c *collector) record(r kernellog.Record) {
	if r.User {
		return // anybody may write one that looks like a bug
	}
	begins := kernellog.Begins(r.Message)
	if c.scan.Line(r.Message) {
		switch n := len(c.said.Bugs); {
		case (begins || !c.begun) && n < most:
			c.said.Bugs = append(c.said.Bugs, r.Message)
		case !begins && c.begun && n > 0:
			c.said.Bugs[n-1] += "\n" + r.Message
		}
		c.begun = true
		return
	}
	c.begun = false
	if r.Level > kernellog.Warning || !r.OfDrivers() {
		return
	}
	key := WithoutNumbers(r.Message)
	if at, ok := c.seen[key]; ok {
		c.said.Warnings[at].Times++
		return
	}
	if len(c.said.Warnings) == most {
		return
	}
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	c.seen[key] = len(c.said.Warnings)
	c.said.Warnings = append(c.said.Warnings, Warning{r.Message, 1})
}

// reporters are devlink's by their names; none of a kernel without devlink.
func reporters(ctx context.Context) (_ map[string]devlink.Reporter, err error) {
	c, err := devlink.Dial()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	all, err := c.Reporters(ctx)
	named := map[string]devlink.Reporter{}
	for _, r := range all {
		name := r.Device.String()
		if r.Port != nil {
			name += fmt.Sprintf("/%d", *r.Port)
		}
		named[name+" "+r.Name] = r
	}
	return named, err
}

// moved are those that counted more errors than before. One whose device was made anew
// meanwhile begins at zero.
func moved(before, now map[string]devlink.Reporter) []Reporter {
	var all []Reporter
	for name, r := range now {
		b := before[name]
		if r.Errors < b.Errors {
			b = devlink.Reporter{Healthy: true}
		}
		if r.Errors > b.Errors || !r.Healthy && b.Healthy {
			all = append(all, Reporter{name, r.Healthy, r.Errors - b.Errors, r.Recoveries - min(b.Recoveries, r.Recoveries)})
		}
	}
	slices.SortFunc(all, func(a, b Reporter) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Quiet tells that nothing was said, and that all was listened to.
func (s Said) Quiet() bool {
	return len(s.Bugs)+len(s.Warnings)+len(s.Reporters)+len(s.Unknown) == 0
}

// Lines are for people; of a report of a bug the first line.
func (s Said) Lines() []string {
	var lines []string
	for _, b := range s.Bugs {
		first, rest, _ := strings.Cut(b, "\n")
		if rest != "" {
			first += " (" + style.Count(strings.Count(rest, "\n")+1, "more line") + " in dmesg)"
		}
		lines = append(lines, "an error of the kernel itself: "+first)
	}
	for _, r := range s.Reporters {
		line := fmt.Sprintf("health reporter %s: %s, %d recovered from", r.Name, style.Count(int(r.Errors), "error"), r.Recoveries)
		if !r.Healthy {
			line += "; it is in error now: devlink health diagnose " + strings.Replace(r.Name, " ", " reporter ", 1)
		}
		lines = append(lines, line)
	}
	for _, w := range s.Warnings {
		line := w.Message
		if w.Times > 1 {
			line += fmt.Sprintf(" (%d times, but for numbers)", w.Times)
		}
		lines = append(lines, line)
	}
	for _, u := range s.Unknown {
		lines = append(lines, "not known: "+u)
	}
	return lines
}
