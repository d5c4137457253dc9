// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nicwright/nicwright/internal/step"
)

// Done is one step that ended, as told to a progress function.
type Done struct {
	step.Step
	Seconds float64 `json:"seconds"`         // of the act it was done in; a group's steps share one
	Error   string  `json:"error,omitempty"` // why it failed
	Err     error   `json:"-"`
}

// run does the steps, phase by phase. Steps of one phase on different devices
// run concurrently, those on one device in order. It stops at the first phase
// with an error, after the acts under way have ended. progress is called for
// every step that ends, never concurrently.
func run(ctx context.Context, steps []step.Step, doers map[string]step.Doer, progress func(Done)) error {
	for len(steps) > 0 {
		n := 1
		for n < len(steps) && steps[n].Phase == steps[0].Phase {
			n++
		}
		if err := runPhase(ctx, steps[:n], doers, progress); err != nil {
			return err
		}
		steps = steps[n:]
	}
	return nil
}

func runPhase(ctx context.Context, steps []step.Step, doers map[string]step.Doer, progress func(Done)) error {
	lanes := map[string][]step.Step{}
	var order []string
	for _, s := range steps {
		if lanes[s.Device] == nil {
			order = append(order, s.Device)
		}
		lanes[s.Device] = append(lanes[s.Device], s)
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		first error
	)
	// What other lanes have begun when one fails ends by itself; they begin no more.
	goOn := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return first == nil && ctx.Err() == nil
	}
	for _, device := range order {
		lane := lanes[device]
		wg.Go(func() {
			for len(lane) > 0 && goOn() {
				n := groupLen(lane)
				start := time.Now()
				err := do(ctx, lane[:n], doers)
				took := time.Since(start).Seconds()
				mu.Lock()
				for _, s := range lane[:n] {
					d := Done{Step: s, Seconds: took, Err: err}
					if err != nil {
						d.Error = err.Error()
					}
					progress(d)
				}
				if err != nil {
					if first == nil {
						first = fmt.Errorf("phase %s: %w", lane[0].Phase, err)
					}
					mu.Unlock()
					return
				}
				mu.Unlock()
				lane = lane[n:]
			}
		})
	}
	wg.Wait()
	if first == nil && ctx.Err() != nil {
		return fmt.Errorf("phase %s: stopped: %w", steps[0].Phase, context.Cause(ctx))
	}
	return first
}

// groupLen is how many steps at the head of a lane are done in one act.
func groupLen(lane []step.Step) int {
	n := 1
	for n < len(lane) && lane[0].Group != "" && lane[n].Group == lane[0].Group && lane[n].Domain == lane[0].Domain {
		n++
	}
	return n
}

func do(ctx context.Context, steps []step.Step, doers map[string]step.Doer) error {
	d := doers[steps[0].Domain]
	if d == nil {
		return fmt.Errorf("%s: no part of nicwright does steps of %q: the plan is from another version", steps[0], steps[0].Domain)
	}
	return d.Do(ctx, steps)
}

// sortSteps puts steps in the order of the phases, and keeps the order of each
// domain within a phase. What is detached goes first, the switch before the bond
// that is its port.
func sortSteps(steps []step.Step) {
	rank := func(s step.Step) int {
		r := int(s.Phase) * 4
		switch {
		case s.Phase == step.Quiesce && s.Domain == "ovs":
			return r
		case s.Phase == step.Quiesce && s.Domain == "bond":
			return r + 1
		}
		return r + 2
	}
	slices.SortStableFunc(steps, func(a, b step.Step) int { return rank(a) - rank(b) })
}
