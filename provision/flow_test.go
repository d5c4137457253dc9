// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/provision/journal"
)

// flow is a model host with its journal: operations as Do does them, without a kernel.
type flow struct {
	t      *testing.T
	m      *model
	dir    journal.Dir // "": the journal is in memory, for there are many walks
	memory []*journal.Operation
	boot   string
}

func (f *flow) look() *Road {
	f.t.Helper()
	ops := slices.Clone(f.memory)
	if f.dir != "" {
		var err error
		if ops, err = readJournal(f.dir); err != nil {
			f.t.Fatal(err)
		}
	}
	return &Road{Journal: f.dir, Have: f.m.copy(f.t), Boot: f.boot, Tool: "t", ops: ops}
}

// walk does a plan, its first steps only if cut is not below 0: it is interrupted then.
func (f *flow) walk(plan *Plan, cut int) error {
	f.t.Helper()
	if err := f.begin(plan); err != nil {
		return err
	}
	todo := plan.Steps
	if cut >= 0 && cut < len(todo) {
		same := func(a, b step.Step) bool {
			return a.Group != "" && a.Group == b.Group && a.Phase == b.Phase && a.Domain == b.Domain
		}
		for cut > 0 && same(todo[cut-1], todo[cut]) { // a group is one act
			cut--
		}
		todo = todo[:cut]
	}
	err := f.m.run(todo)
	if err != nil {
		return fmt.Errorf("%w; the plan:\n%s", err, formatted(plan))
	}
	if len(todo) < len(plan.Steps) {
		return f.end(plan, errors.New("interrupted"))
	}
	left, _, err := steps(f.m.copy(f.t), plan.Want, plan.before, plan.opt)
	if err != nil {
		return fmt.Errorf("looking again: %w; the plan:\n%s", err, formatted(plan))
	}
	if len(left.Steps) > 0 {
		return fmt.Errorf("not converged: %v; the plan:\n%s", left.Steps, formatted(plan))
	}
	return f.end(plan, nil)
}

func (f *flow) begin(plan *Plan) error {
	if f.dir != "" {
		if err := settleV1(f.dir, plan.ops); err != nil {
			return err
		}
		return f.dir.Begin(plan.op, plan.ops)
	}
	op := plan.op
	if op.ID == "" {
		op.ID = fmt.Sprintf("%08d-%s", len(f.memory), op.Kind)
	}
	f.memory = append(slices.DeleteFunc(f.memory, func(o *journal.Operation) bool { return o.ID == op.ID }), op)
	for _, id := range op.Resumes {
		journal.Find(f.memory, id).Outcome = journal.Superseded
	}
	return nil
}

func (f *flow) end(plan *Plan, outcome error) error {
	op := plan.op
	if f.dir != "" {
		return f.dir.End(op, outcome, plan.ops)
	}
	if op.Outcome = journal.Done; outcome != nil {
		op.Outcome = journal.Failed
		return nil
	}
	for _, id := range op.Undoes {
		journal.Find(f.memory, id).UndoneBy = op.ID
	}
	return nil
}

func formatted(p *Plan) string { return golden.Format(step.Result{Steps: p.Steps, Left: p.Left}) }
