// SPDX-License-Identifier: Apache-2.0

package confirm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nicwright/nicwright/provision/journal"
)

// DefaultLost is how long a probe may be without an answer where nobody says.
const DefaultLost = 10 * time.Second

// prober tries the targets of one operation, again and again. A nil prober has
// none: it is never lost and never answers.
type prober struct {
	id     string // the operation's
	lost   time.Duration
	cancel context.CancelFunc
	ended  chan struct{}
	signal chan struct{} // closed when it is lost

	mu     sync.Mutex
	answer bool // the last try had one, of every target
	err    error
}

// probeFor tries the targets of an operation from now on, unless it does so already.
func (w *Watch) probeFor(o *journal.Operation) {
	if w.probe != nil && w.probe.id == o.ID {
		return
	}
	w.stopProbe()
	if len(o.Confirm.Probe) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &prober{id: o.ID, lost: o.Confirm.ProbeLost.Duration(), cancel: cancel, ended: make(chan struct{}), signal: make(chan struct{})}
	if p.lost <= 0 {
		p.lost = DefaultLost
	}
	w.probe = p
	go p.run(ctx, o.Confirm.Probe, w.Every, w.Try)
}

func (w *Watch) stopProbe() {
	if w.probe != nil {
		w.probe.cancel()
		<-w.probe.ended
		w.probe = nil
	}
}

func (p *prober) run(ctx context.Context, texts []string, every time.Duration, try func(context.Context, Target) error) {
	defer close(p.ended)
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := time.Now() // of the answers
	for {
		err := tryAll(ctx, every, texts, try)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			last = time.Now()
		}
		p.mu.Lock()
		p.answer, p.err = err == nil, err
		p.mu.Unlock()
		if time.Since(last) >= p.lost {
			close(p.signal)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tryAll asks all targets at once; every one has to answer within limit.
func tryAll(ctx context.Context, limit time.Duration, texts []string, try func(context.Context, Target) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	errs := make([]error, len(texts))
	var wg sync.WaitGroup
	for i, text := range texts {
		wg.Go(func() {
			t, err := ParseTarget(text)
			if err == nil {
				err = try(ctx, t)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (p *prober) lostSignal() <-chan struct{} {
	if p == nil {
		return nil
	}
	return p.signal
}

func (p *prober) isLost() bool {
	select {
	case <-p.lostSignal():
		return true
	default:
		return false
	}
}

func (p *prober) answers() bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answer
}

func (p *prober) lastError() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Before is asked before the first step: what of a probe answers then has to answer
// afterwards. said is what the operator named: HOST, HOST:PORT, or gateway. Of the
// default routes' gateways those that answer are taken; a host has to answer itself.
func Before(ctx context.Context, said string, limit time.Duration, try func(context.Context, Target) error) ([]string, error) {
	if said == "gateway" {
		gateways, err := Gateways()
		if err != nil {
			return nil, fmt.Errorf("--probe gateway: %w", err)
		}
		if len(gateways) == 0 {
			return nil, errors.New("--probe gateway: this host has no default route with a gateway: name a HOST or HOST:PORT")
		}
		return answering(ctx, gateways, limit, try)
	}
	t, err := ParseTarget(said)
	if err != nil {
		return nil, fmt.Errorf("--probe %s: %w", said, err)
	}
	// Names are not looked up afterwards: the way to the resolver may be what is lost.
	if t, err = t.Resolve(ctx); err != nil {
		return nil, fmt.Errorf("--probe %s: %w", said, err)
	}
	if err := tryAll(ctx, limit, []string{t.String()}, try); err != nil {
		return nil, fmt.Errorf("--probe %s does not answer now, so it could tell nothing after the apply: %w: nothing was changed", said, err)
	}
	return []string{t.String()}, nil
}

func answering(ctx context.Context, gateways []Target, limit time.Duration, try func(context.Context, Target) error) ([]string, error) {
	var answer []string
	var errs []error
	for _, g := range gateways {
		if slices.Contains(answer, g.String()) {
			continue
		}
		if err := tryAll(ctx, limit, []string{g.String()}, try); err != nil {
			errs = append(errs, err)
			continue
		}
		answer = append(answer, g.String())
	}
	if len(answer) == 0 {
		return nil, fmt.Errorf("--probe gateway: none answers now, so they could tell nothing after the apply: %w: nothing was changed; name a HOST or HOST:PORT", errors.Join(errs...))
	}
	return answer, nil
}
