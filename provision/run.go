// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/provision/report"
)

// runner does the steps of one operation.
type runner struct {
	doers    map[string]step.Doer
	progress func(report.Done) // told of every step that ends, never concurrently
	// stop ends the run between two acts, and lets those under way come to their end.
	stop context.Context
}

// run does the steps, phase by phase. Steps of one phase on different devices run
// concurrently, those on one device in order. It stops at the first phase with an
// error, after the acts under way have ended.
func (r runner) run(ctx context.Context, steps []step.Step) error {
	for len(steps) > 0 {
		n := 1
		for n < len(steps) && steps[n].Phase == steps[0].Phase {
			n++
		}
		if err := r.phase(ctx, steps[:n]); err != nil {
			return err
		}
		steps = steps[n:]
	}
	return nil
}

func (r runner) phase(ctx context.Context, steps []step.Step) error {
	lanes := map[string][]step.Step{}
	var order []string
	for _, s := range steps {
		// What another domain detaches in quiesce has to be done before the next domain's.
		key := s.Domain + "/" + s.Device
		if lanes[key] == nil {
			order = append(order, key)
		}
		lanes[key] = append(lanes[key], s)
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		first error
		done  int
	)
	// What other lanes have begun when one fails ends by itself; they begin no more.
	goOn := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return first == nil && ctx.Err() == nil && r.stop.Err() == nil
	}
	ended := func(acted []step.Step, took float64, err error) {
		mu.Lock()
		defer mu.Unlock()
		for _, s := range acted {
			d := report.Done{Step: s, Seconds: took, Err: err}
			if err != nil {
				d.Error = err.Error()
			}
			r.progress(d)
		}
		done += len(acted)
		if err != nil && first == nil {
			first = fmt.Errorf("phase %s: %w", acted[0].Phase, err)
		}
	}
	for i, key := range order {
		lane := lanes[key]
		if i > 0 && lane[0].Domain != lanes[order[i-1]][0].Domain {
			wg.Wait()
		}
		wg.Go(func() {
			for len(lane) > 0 && goOn() {
				n := groupLen(lane)
				start := time.Now()
				err := r.do(ctx, lane[:n])
				ended(lane[:n], time.Since(start).Seconds(), err)
				if err != nil {
					return
				}
				lane = lane[n:]
			}
		})
	}
	wg.Wait()
	switch {
	case first != nil:
		return first
	case done == len(steps):
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("phase %s: stopped: %w", steps[0].Phase, context.Cause(ctx))
	case r.stop.Err() != nil:
		return fmt.Errorf("phase %s: stopped at a step's end, as was asked: %w", steps[0].Phase, context.Cause(r.stop))
	}
	return nil
}

// groupLen is how many steps at the head of a lane are done in one act.
func groupLen(lane []step.Step) int {
	n := 1
	for n < len(lane) && lane[0].Group != "" && lane[n].Group == lane[0].Group && lane[n].Domain == lane[0].Domain {
		n++
	}
	return n
}

func (r runner) do(ctx context.Context, steps []step.Step) error {
	d := r.doers[steps[0].Domain]
	if d == nil {
		return fmt.Errorf("%s: no part of nicwright does steps of %q: the plan is from another version", steps[0], steps[0].Domain)
	}
	return d.Do(ctx, steps)
}
