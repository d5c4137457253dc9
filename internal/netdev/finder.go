// SPDX-License-Identifier: Apache-2.0

package netdev

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/pci"
)

// Finder finds the netdevs of functions for somebody who changes many of them: it
// looks at all once and remembers. Whoever knows that netdevs were made anew says
// so with Invalidate; a function that is not remembered is looked for again, and
// so is one whose netdev the kernel does not know any more (With). The zero
// value works, for one network namespace; it is safe for concurrent use.
type Finder struct {
	// Look is how it looks; nil: All.
	Look func(context.Context) ([]Link, error)

	mu    sync.Mutex
	known map[want]Link
}

type want struct {
	f           pci.Function
	representor bool
}

// Invalidate forgets everything.
func (f *Finder) Invalidate() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known = nil
}

// OfFunction finds the own netdev of a PF or VF. errors.Is(err, ErrNone) when it
// has none in this network namespace.
func (f *Finder) OfFunction(ctx context.Context, fn pci.Function) (Link, error) {
	return f.find(ctx, "the netdev", want{fn, false})
}

// Representor finds the representor of a VF. errors.Is(err, ErrNone) when there
// is none.
func (f *Finder) Representor(ctx context.Context, vf pci.Function) (Link, error) {
	return f.find(ctx, "the representor", want{vf, true})
}

func (f *Finder) find(ctx context.Context, what string, w want) (Link, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l, ok := f.known[w]; ok {
		return l, nil
	}
	look := f.Look
	if look == nil {
		look = All
	}
	all, err := look(ctx)
	if err != nil {
		return Link{}, fmt.Errorf("looking for %s of %s: %w", what, w.f, err)
	}
	f.known = make(map[want]Link, len(all))
	for _, l := range all {
		if l.SF == nil {
			f.known[want{l.Function, l.Representor}] = l
		}
	}
	if l, ok := f.known[w]; ok {
		return l, nil
	}
	return Link{}, fmt.Errorf("looking for %s of %s: %w", what, w.f, ErrNone)
}

// With does something to the own netdev of a function, or to its representor;
// once more, to the netdev that it has now, where the kernel answers that there is
// none of that index any more (ENODEV).
func (f *Finder) With(ctx context.Context, fn pci.Function, representor bool, act func(Link) error) error {
	find := f.OfFunction
	if representor {
		find = f.Representor
	}
	l, err := find(ctx, fn)
	if err != nil {
		return err
	}
	if err = act(l); !errors.Is(err, unix.ENODEV) {
		return err
	}
	f.Invalidate()
	if l, err = find(ctx, fn); err != nil {
		return err
	}
	return act(l)
}
