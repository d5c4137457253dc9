// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// Doer sets the offload switches of one operation: it looks for netdevs once for
// all functions and keeps one socket, so that the time goes with the number of
// functions. Close ends it.
type Doer struct {
	finder finder

	mu     sync.Mutex // ports are done concurrently, and the client is for one at a time
	client client     // nil until it is needed, and after a failure
	dial   func(context.Context) (client, error)
}

// finder is netdev.Finder.
type finder interface {
	With(ctx context.Context, fn pci.Function, representor bool, act func(netdev.Link) error) error
}

// client is *ethtool.Client.
type client interface {
	Until(ctx context.Context) error
	Set(index int, want map[string]bool) (ethtool.Change, error)
	Get(index int) (ethtool.Features, error)
	Close() error
}

// NewDoer makes a Doer for the network namespace of the threads that call Do.
func NewDoer() *Doer {
	return &Doer{
		finder: new(netdev.Finder),
		dial:   func(ctx context.Context) (client, error) { return ethtool.Dial(ctx) },
	}
}

// Close closes the socket.
func (d *Doer) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.close()
}

func (d *Doer) close() error {
	if d.client == nil {
		return nil
	}
	c := d.client
	d.client = nil
	return c.Close()
}

// Do sets the features of the steps' netdevs, with one request for each netdev.
// What fails at one does not keep it from the others. That the kernel took the
// request says nothing: its answer lists what is not as it was asked to be.
func (d *Doer) Do(ctx context.Context, steps []step.Step) error {
	var order []pci.Function
	want := map[pci.Function]map[string]bool{}
	for _, s := range steps {
		fn := s.Resource.Function
		if s.Resource != resource.OfNetdev(fn) {
			return fmt.Errorf("setting offload switches: %s is no netdev of a function", s.Resource)
		}
		if want[fn] == nil {
			order, want[fn] = append(order, fn), map[string]bool{}
		}
		want[fn][s.Attribute] = s.To == step.Text("on")
	}
	var errs []error
	for _, fn := range order {
		if ctx.Err() != nil {
			return errors.Join(append(errs, context.Cause(ctx))...)
		}
		if err := d.function(ctx, fn, want[fn]); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (d *Doer) function(ctx context.Context, fn pci.Function, want map[string]bool) error {
	err := d.finder.With(ctx, fn, false, func(l netdev.Link) error { return d.set(ctx, fn, l, want) })
	if errors.Is(err, netdev.ErrNone) {
		return fmt.Errorf("setting the offload switches of %s: %w; is its driver bound, and its netdev in this network namespace?", fn, err)
	}
	return err
}

// set asks for all features of a netdev, and holds the answer against them.
func (d *Doer) set(ctx context.Context, fn pci.Function, l netdev.Link, want map[string]bool) (err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	of := fmt.Sprintf("%s (%s)", fn, l.Name)
	if d.client == nil {
		if d.client, err = d.dial(ctx); err != nil {
			d.client = nil
			return kernel.Wrap("setting offload switches", of, err)
		}
	}
	if err := d.client.Until(ctx); err != nil {
		return kernel.Wrap("setting offload switches", of, err)
	}
	change, err := d.client.Set(l.Index, want)
	if err != nil {
		if kernel.Errno(err) == 0 { // its answer may still come, and would be taken for the next one's
			err = errors.Join(err, d.close())
		}
		err = kernel.Wrap("setting offload switches", of, err)
		if errors.Is(err, unix.EPERM) {
			err = kernel.Remedied(err, "run as root")
		}
		return err
	}
	if len(change.Refused) == 0 {
		return nil
	}
	have, err := d.client.Get(l.Index)
	if err != nil {
		return kernel.Wrap("reading offload switches back", of, err)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(change.Refused)) {
		f, _ := have.Get(name)
		errs = append(errs, refused(of, l.Name, fn, name, want[name], f))
	}
	return errors.Join(errs...)
}

// refused says why a feature is not as it was asked to be, as far as it is known.
func refused(of, netdev string, fn pci.Function, name string, on bool, f ethtool.Feature) error {
	if f.Fixed() {
		return fmt.Errorf("setting %s of %s to %s: it is fixed %s: %s", name, of, onOff(on), onOff(!on), whyFixed(fn, name))
	}
	return fmt.Errorf("setting %s of %s to %s: the kernel accepted it and it is still %s; TLS needs checksum offload (ethtool -K %s tx on rx on), and dmesg may say more",
		name, of, onOff(on), onOff(!on), netdev)
}
