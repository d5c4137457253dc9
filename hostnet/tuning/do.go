// SPDX-License-Identifier: Apache-2.0

package tuning

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/step"
)

// Doer tells the drivers of one operation. It looks for netdevs once for all functions.
type Doer struct {
	want    map[pci.Function]Want
	netdevs netdev.Finder
}

// NewDoer makes a Doer of the want that its steps were made from, for the network
// namespace of the threads that call Do.
func NewDoer(want map[pci.Function]Want) *Doer { return &Doer{want: want} }

// Do tells the netdevs of the steps, one request for each setting of each netdev, and
// reads back what became of it. What fails at one does not keep it from the others.
func (d *Doer) Do(ctx context.Context, steps []step.Step) error {
	var functions []pci.Function
	want := map[pci.Function]Values{}
	for _, s := range steps {
		fn := s.Resource.Function
		if s.Resource != resource.OfNetdev(fn) {
			return fmt.Errorf("telling a driver %s: %s is no netdev of a function", s.Attribute, s.Resource)
		}
		if want[fn] == nil {
			functions, want[fn] = append(functions, fn), Values{}
		}
		want[fn][s.Attribute] = s.To.Str()
	}
	c, err := ethtool.Dial(ctx)
	if err != nil {
		return fmt.Errorf("telling the drivers of netdevs what is wanted: %w", err)
	}
	defer c.Close()
	var errs []error
	for _, fn := range functions {
		if ctx.Err() != nil {
			return errors.Join(append(errs, context.Cause(ctx))...)
		}
		if err := d.with(ctx, fn, func(l netdev.Link) error { return d.tell(ctx, c, fn, l, want[fn]) }); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// with does something to a netdev, which after a change of the eswitch may take a moment
// to be there.
func (d *Doer) with(ctx context.Context, fn pci.Function, act func(netdev.Link) error) error {
	err := d.netdevs.With(ctx, fn, false, act)
	if !errors.Is(err, netdev.ErrNone) {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, appearTime, fmt.Errorf("%s are over; is its driver bound, and its netdev in this network namespace?", appearTime))
	defer cancel()
	events, waits := await.Links(ctx)
	if waits != nil {
		return waits
	}
	return await.Until(ctx, "there is "+resource.OfNetdev(fn).String(), events, func() (bool, error) {
		err := d.netdevs.With(ctx, fn, false, act)
		if errors.Is(err, netdev.ErrNone) {
			return false, nil
		}
		return err == nil, err
	})
}

// appearTime is how long a netdev may take to be there.
const appearTime = 30 * time.Second

// tell tells one netdev, setting by setting.
func (d *Doer) tell(ctx context.Context, c *ethtool.Client, fn pci.Function, l netdev.Link, want Values) error {
	if err := c.Until(ctx); err != nil {
		return err
	}
	t := teller{c: c, of: fmt.Sprintf("%s (%s)", fn, l.Name), link: l, kept: map[string]bool{}}
	for name := range want {
		_, asked := d.want[fn].Values[name]
		_, before := d.want[fn].Before[name]
		t.kept[name] = before && !asked
	}
	var errs []error
	for _, g := range groups {
		part := Values{}
		for name, v := range want {
			if a, known := find(name); known && a.setting == g {
				part[name] = v
			}
		}
		switch {
		case len(part) == 0:
		case g == "":
			errs = append(errs, t.mtu(part[attrMTU]))
		case g == features:
			errs = append(errs, t.features(part))
		default:
			errs = append(errs, t.numbers(g, part))
		}
	}
	return errors.Join(errs...)
}

// teller tells one netdev.
type teller struct {
	c    *ethtool.Client
	of   string // as people name it
	link netdev.Link
	// kept are the attributes that nobody asks for and that are put back: where the driver has them now.
	kept map[string]bool
}

func (t teller) mtu(v string) error {
	mtu, err := strconv.Atoi(v)
	if err != nil {
		return fmt.Errorf("%s: its MTU is no number: %w", t.of, err)
	}
	return rtlink.SetMTU(rtlink.Link{Name: t.link.Name, Index: t.link.Index}, mtu)
}

// numbers sets what is not so, and sees that it is: drivers make other numbers of what
// they cannot have, as powers of two of the rings.
func (t teller) numbers(g ethtool.Setting, part Values) error {
	op := "setting " + words(part)
	now, most, err := t.c.Numbers(t.link.Index, g)
	if err != nil {
		return kernel.Wrap(op, t.of, err)
	}
	want := ethtool.Numbers{}
	for name, v := range part {
		a, _ := find(name)
		n, err := a.numbers(v)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", t.of, op, err)
		}
		for number, v := range n {
			_, has := now[number]
			if m, said := most[number]; t.kept[name] && (!has || said && v > m) {
				continue
			}
			if !has {
				return fmt.Errorf("%s: %s: its driver has no such setting (%s): leave it out of the profile", t.of, op, a.shown())
			}
			want[number] = v
		}
	}
	change := want
	if g != ethtool.FEC { // which is set whole
		change = maps.Clone(want)
		maps.DeleteFunc(change, func(name string, n uint32) bool { return now[name] == n })
	}
	if g == ethtool.FEC && so(now, want) || len(change) == 0 {
		return nil
	}
	if err := t.c.SetNumbers(t.link.Index, g, change); err != nil {
		a, _ := find(slices.Min(slices.Collect(maps.Keys(part))))
		return kernel.Remedied(kernel.Wrap(op, t.of, err), "see what it takes with "+a.shown()+" "+t.link.Name+"; dmesg may say more")
	}
	if now, _, err = t.c.Numbers(t.link.Index, g); err != nil {
		return kernel.Wrap("reading back after "+op, t.of, err)
	}
	if !so(now, want) {
		return fmt.Errorf("%s: %s: the driver took it, and made %s of it: say that in the profile", t.of, op, now)
	}
	return nil
}

// so tells whether numbers are as is wanted.
func so(now, want ethtool.Numbers) bool {
	for name, n := range want {
		if now[name] != n {
			return false
		}
	}
	return true
}

// features asks for all features of a netdev, and holds the answer against them: that the
// kernel took the request says nothing.
func (t teller) features(part Values) error {
	now, err := t.c.Get(t.link.Index)
	if err != nil {
		return kernel.Wrap("setting "+words(part), t.of, err)
	}
	want := map[string]bool{}
	for name, v := range part {
		feature := strings.TrimPrefix(name, featurePrefix)
		if is, has := now.Get(feature); !t.kept[name] || has && !is.Fixed() {
			want[feature] = v == "on"
		}
	}
	if len(want) == 0 {
		return nil
	}
	change, err := t.c.Set(t.link.Index, want)
	if err != nil {
		return kernel.Wrap("setting "+words(part), t.of, err)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(change.Refused)) {
		errs = append(errs, fmt.Errorf("%s: setting %s%s to %s: the kernel took it, and it is still %s: another feature that it needs, or that excludes it, may be in the way (ethtool -k %s; dmesg may say more)",
			t.of, featurePrefix, name, onOff(want[name]), onOff(!want[name]), t.link.Name))
	}
	return errors.Join(errs...)
}

// words are what is being set: "rings rx to 512, rings tx to 512".
func words(part Values) string {
	var all []string
	for _, name := range slices.SortedFunc(maps.Keys(part), order) {
		all = append(all, name+" to "+part[name])
	}
	return strings.Join(all, ", ")
}
