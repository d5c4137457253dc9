// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"fmt"
	"time"
)

// How is how a trial stands.
type How string

// The ways in which it can stand.
const (
	Installed   How = "waiting"  // it was installed, and not booted yet
	Judging     How = "judging"  // it runs, and there is no verdict yet
	IsGreen     How = "green"    // it was found good
	IsRed       How = "red"      // it was found worse
	IsUnknown   How = "unknown"  // it could not be told
	Left        How = "left"     // it was tried, and another kernel runs without a verdict
	WasAccepted How = "accepted" // a person took it for good
)

// Status is what is told of a host's kernels.
type Status struct {
	Running string `json:"running"`
	Good    *Good  `json:"good,omitempty"`
	// Trial is the one of interest: of the kernel that runs, or else the last.
	Trial *Trial `json:"trial,omitempty"`
	How   How    `json:"state,omitempty"`
	Words string `json:"words"`
	// Do is what a person can do; "" where there is nothing to do.
	Do string `json:"do,omitempty"`
}

// Status tells how the kernels stand; tried tells whether the boot loader has tried what it was
// told (Boot.Look). Nil where nothing was recorded and nothing is on trial.
func (s *State) Status(running string, tried bool) *Status {
	if s.Good == nil && len(s.Trials) == 0 {
		return nil
	}
	out := &Status{Running: running, Good: s.Good, Trial: s.Open(running)}
	if out.Trial == nil {
		out.Words = fmt.Sprintf("%s is the one that others will be held against, recorded %s", s.Good.Kernel, when(s.Good.Since))
		return out
	}
	t := out.Trial
	out.How = t.how(running, tried)
	since := fmt.Sprintf("kernel %s on trial since %s: ", t.Kernel, when(t.Registered))
	back := ""
	if t.Kernel != running {
		back = ", and " + running + " runs"
		if t.Rebooted {
			back = ", and the host went back to " + running + " by itself"
		}
	}
	switch out.How {
	case Installed:
		out.Words = since + "it waits to be booted"
		if t.Loader != nil {
			out.Words += "; GRUB tries it once"
		}
		out.Do = "reboot"
	case Judging:
		out.Words = since + "it runs, and is not judged yet"
		out.Do = "nicwright kernel-check judge, where nicwright-trial.service is not at work"
	case Left:
		if t.Loader != nil && !tried {
			out.Words = since + "its trial was cut off" + back + "; GRUB tries it once more"
			out.Do = "reboot"
			break
		}
		out.Words = since + "it was tried, and left before it was judged, or did not come up" + back
		out.Do = "journalctl --boot=-1 may say why; boot it again, and its trial goes on"
	case WasAccepted:
		out.Words = fmt.Sprintf("kernel %s was taken for good by a person %s; its trial said: %s", t.Kernel, when(*t.Accepted), or(string(t.Verdict), "nothing"))
	case IsGreen:
		out.Words = fmt.Sprintf("kernel %s was found good %s%s", t.Kernel, when(*t.Ended), back)
	case IsRed, IsUnknown:
		found := map[How]string{IsRed: "red", IsUnknown: "it could not be told"}[out.How]
		out.Words = since + found + back + ": " + t.Words
		switch {
		case t.Kernel != running:
			out.Do = "read " + or(t.Report, "the journal of nicwright-trial.service") + "; stay on " + running
		case t.Against != "" && t.Against != running:
			out.Do = "boot " + t.Against + " again, or mend it and run nicwright kernel-check judge, or nicwright kernel-check accept"
		default:
			out.Do = "mend it and run nicwright kernel-check judge, or nicwright kernel-check accept"
		}
	}
	return out
}

// how is how one trial stands.
func (t *Trial) how(running string, tried bool) How {
	switch {
	case t.Accepted != nil:
		return WasAccepted
	case t.Verdict == Green && t.Ended != nil:
		return IsGreen
	case t.Verdict == Red:
		return IsRed
	case t.Verdict == Unknown:
		return IsUnknown
	case t.Kernel == running:
		return Judging
	case t.Begun != nil || t.Loader != nil && tried:
		return Left
	}
	return Installed
}

// Told says how the rehearsal went.
func (r *Rehearsal) Told() string {
	if r.Ended == nil {
		return "under way since " + when(r.Begun) + ", unless it was killed"
	}
	return r.Words
}

func when(t time.Time) string { return t.Local().Format(time.DateTime) }

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
