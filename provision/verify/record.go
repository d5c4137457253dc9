// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/report"
)

// Record is what is kept of a verify of what is in force: its last operation wants the
// same, but for what is to be proved. Of anything else it is nil. status is the exit status.
func Record(r *report.Report, want *profiles.Want, ops []*journal.Operation, tool string, status int) *journal.Verified {
	in := journal.InForce(ops, want.Profile)
	if want.Profile == "" || len(in) == 0 || !same(want, in[len(in)-1]) {
		return nil
	}
	v := &journal.Verified{
		Ended: r.Started.Add(time.Duration(r.Seconds * float64(time.Second))).UTC().Truncate(time.Millisecond), Kernel: r.Kernel, Tool: tool,
		Profile: want.Profile, Operation: in[len(in)-1].ID, Quick: r.Quick, Drift: len(r.Drift), Proofs: []journal.Proved{}, Status: status, Error: r.Error,
	}
	for _, j := range r.Proofs {
		v.Proofs = append(v.Proofs, journal.Proved{Kind: j.Kind, Cell: slices.Clone(j.Cell), Verdict: j.Verdict, OK: j.OK})
	}
	return v
}

// same tells whether an operation brought the host to that want.
func same(want *profiles.Want, op *journal.Operation) bool {
	of := new(profiles.Want)
	if json.Unmarshal(op.Want, of) != nil {
		return false
	}
	text := func(w profiles.Want) []byte {
		w.Verify, w.Bench = nil, nil
		b, err := json.Marshal(w)
		if err != nil {
			return nil
		}
		return b
	}
	a, b := text(*want), text(*of)
	return a != nil && bytes.Equal(a, b)
}
