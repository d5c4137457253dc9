// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/report"
	"github.com/nicwright/nicwright/provision/verify"
)

// keepVerified keeps what a verify of what is in force found, for status and watch. What
// was proved is told whatever becomes of that: an error is printed.
func (a *app) keepVerified(r *report.Report, want *profiles.Want, err error) {
	status := exitDone
	switch {
	case err != nil:
		status = exitError
	case !r.OK:
		status = exitUnproven
	}
	ops, err := provision.History(a.state())
	if err == nil {
		if v := verify.Record(r, want, ops, version(), status); v != nil {
			err = a.state().KeepVerified(v)
		}
	}
	if err != nil {
		fmt.Fprintf(style.Plain(os.Stderr), "nicwright: %v\n", err)
	}
}

// lastVerified is what status says of the last verification.
type lastVerified struct {
	*journal.Verified
	OK bool `json:"ok"`
	// OtherKernel: another kernel runs now.
	OtherKernel bool `json:"of_another_kernel"`
	// Outdated: what is in force now is another operation's, or nothing is.
	Outdated bool `json:"before_the_last_apply"`
}

// verified reads the last verification; one that cannot be read is told, and nothing else.
func (s *hostStatus) verified(dir journal.Dir, ops []*journal.Operation, kernel string) {
	v, err := dir.LastVerified()
	if err != nil {
		s.Unknown = append(s.Unknown, err.Error())
	}
	if v == nil {
		return
	}
	in := journal.InForce(ops, v.Profile)
	s.Verified = &lastVerified{
		Verified: v, OK: v.OK(), OtherKernel: kernel != "" && v.Kernel != kernel,
		Outdated: len(in) == 0 || in[len(in)-1].ID != v.Operation,
	}
}

// words are one line.
func (v lastVerified) words(now time.Time) string {
	s := fmt.Sprintf("%s at %s (%s ago) on %s: ", v.Profile, v.Ended.Local().Format(time.DateTime), now.Sub(v.Ended).Round(time.Second), v.Kernel)
	if v.Quick {
		s += "quick, "
	}
	s += v.found()
	if v.OtherKernel {
		s += style.Amber(", of another kernel")
	}
	if v.Outdated {
		s += style.Amber(", before the last apply or rollback")
	}
	return s
}

// found are the proofs in a few words: the first that was not as it had to be is named.
func (v lastVerified) found() string {
	proofs := style.Count(len(v.Proofs), "proof")
	not := slices.DeleteFunc(slices.Clone(v.Proofs), func(p journal.Proved) bool { return p.OK })
	switch {
	case v.OK:
		return style.Green(proofs + ", all as required")
	case v.Error != "":
		first, _, _ := strings.Cut(v.Error, "\n")
		return style.Red(proofs + ", and it did not end: " + first)
	case len(not) == 1:
		return style.Red(fmt.Sprintf("%s, of which %s is %s", proofs, report.Name(not[0].Kind, not[0].Cell), not[0].Verdict))
	case len(not) > 1:
		return style.Red(fmt.Sprintf("%s, of which %d are not as required: %s is %s, ...", proofs, len(not), report.Name(not[0].Kind, not[0].Cell), not[0].Verdict))
	case v.Drift > 0:
		return style.Red(fmt.Sprintf("%s, and the host was %s away from the profile", proofs, style.Count(v.Drift, "step")))
	}
	return style.Red(fmt.Sprintf("%s, exit status %d", proofs, v.Status))
}

// kernel is the running kernel's release, as uname -r prints it; "" if that failed.
func kernel() string { return kconfig.Host{}.Ask().Release() }
