// SPDX-License-Identifier: Apache-2.0

// Package verify runs the proofs that a profile asks for, in their order, between
// VFs that it takes from the host for the while, and holds their verdicts against
// what the profile requires. What a proof does is its domain's; what is said of it
// is provision/report's.
package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/health"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/site"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/report"
)

// Input is what there is to verify.
type Input struct {
	Profile string
	Want    *profiles.Want
	Have    report.Host // as observed after PutBack
	// Drift is the plan from what there is to what is wanted, and Left what that leaves alone.
	Drift []step.Step
	Left  []step.Left
	// Quick: the transfer of each kind that most depends on, and nothing else.
	Quick bool
}

// Progress is told what Run is at. Its methods are called one after another.
type Progress interface {
	// Plan says how many cells there will be.
	Plan(cells int)
	// Start says which cell runs now.
	Start(name string)
	// Rate says how many bytes have arrived in the present cell after so many seconds.
	Rate(bytes int64, seconds float64)
	// End gives the verdict of the present cell.
	End(report.Judged)
}

// PutBack brings back what a run that was killed took. It comes before the host is
// observed, for a verify and for whatever changes the host: VFs that are away look
// as if somebody had them. Where there is nothing to put back it does nothing. The
// caller has the lock.
func PutBack(ctx context.Context) error { return site.Clean(ctx) }

// run is a Run under way.
type run struct {
	in Input
	*report.Report
	progress Progress
	cells    []cell // that run on every pair
	force    bool   // VFs in use are taken, too
	// What takes VFs, and gives them back: tests have something else in place of it.
	free    func(context.Context, pci.Function) error
	enter   func(ctx context.Context, functions ...pci.Function) (*site.Site, error)
	connect func(from, to *site.Place) func(context.Context) error
	leave   func(context.Context, *site.Site) error
}

// Run runs the proofs. It always gives a report: with an error, of the proofs that
// had ended until then. An error means that a VF could not be put back or that ctx
// has ended, and no verdict.
func Run(ctx context.Context, in Input, progress Progress) (*report.Report, error) {
	r := newRun(in, progress)
	heard := health.Begin(ctx)
	err := r.end(ctx, r.all(ctx))
	r.Said = heard.End(ctx)
	return r.Report, err
}

func (r *run) end(ctx context.Context, err error) error {
	if err == nil {
		err = ctx.Err()
	}
	r.Seconds = time.Since(r.Started).Seconds()
	if err != nil {
		r.OK, r.Error = false, err.Error()
	}
	return err
}

func newRun(in Input, progress Progress) *run {
	drift := in.Drift
	if drift == nil {
		drift = []step.Step{}
	}
	r := &run{in: in, progress: progress, free: site.Free, connect: connect, leave: leave, Report: &report.Report{
		Profile: in.Profile, Started: time.Now().UTC(), Kernel: kernel(), Quick: in.Quick, Host: in.Have,
		Drift: drift, Left: in.Left, OK: len(drift) == 0, Taken: []string{}, Proofs: []report.Judged{},
	}}
	if r.force = in.Want.Verify != nil && in.Want.Verify.InUse; r.force {
		r.free = func(context.Context, pci.Function) error { return nil }
	}
	r.enter = func(ctx context.Context, functions ...pci.Function) (*site.Site, error) {
		for _, f := range functions { // also those that the profile names, and by force
			if err := unleased(in.Have, func(context.Context, pci.Function) error { return nil })(ctx, f); err != nil {
				return nil, err
			}
		}
		return site.Enter(ctx, r.force, functions...)
	}
	r.cells = matrix(in.Want, in.Quick, r.granted)
	return r
}

// all is the order of the proofs: the matrix of transfers on each pair of VFs, the
// same with hosts on the wire, the switch, the bonds.
func (r *run) all(ctx context.Context) error {
	c := newChooser(r.in.Have, r.in.Want, r.free)
	defer func() { r.Taken = append(r.Taken, c.passed...) }()
	found, err := c.pairs(ctx, r.in.Quick)
	peers, withPeer, size := r.peers()
	r.progress.Plan(len(r.cells)*max(1, len(found)) + len(peers)*len(withPeer))
	if err != nil {
		for _, c := range r.cells {
			r.judge(impossible(c, "", "", err), c.require)
		}
	}
	for _, p := range found {
		if err := r.onPair(ctx, p); err != nil {
			return err
		}
	}
	for _, p := range peers {
		if err := r.onPeer(ctx, p, withPeer, size); err != nil {
			return err
		}
	}
	if r.in.Quick {
		return nil
	}
	if err := r.onSwitch(ctx, c); err != nil {
		return err
	}
	r.onBonds(ctx)
	return nil
}

// onPair takes two VFs, runs the cells between them and puts them back.
func (r *run) onPair(ctx context.Context, p pair) error {
	s, err := r.enter(ctx, p.from, p.to)
	if err != nil {
		for _, c := range r.cells {
			r.judge(impossible(c, p.from.String(), p.to.String(), err), c.require)
		}
		return ctx.Err()
	}
	r.Taken = append(r.Taken, fmt.Sprintf("%s and %s: %s", s.Places[0], s.Places[1], p.why))
	unreachable := r.reach(ctx, p.from.String(), p.to.String(), r.connect(s.Places[0], s.Places[1]))
	for _, c := range r.cells {
		if ctx.Err() != nil {
			break
		}
		if unreachable != nil {
			q := proof.Proof{Kind: c.kind, Cell: c.fields(p.from.String(), p.to.String())}
			q.Fail(withCause(unreachable, noLink(r.in.Have, p.from.PF, p.to.PF)))
			r.judge(q, c.require)
			continue
		}
		r.progress.Start(report.Name(c.kind, c.fields(p.from.String(), p.to.String())))
		r.judge(c.run(ctx, s.Places[0], s.Places[1], r.progress.Rate), c.require)
	}
	return r.leave(ctx, s)
}

// reach waits until there is a way.
func (r *run) reach(ctx context.Context, from, to string, connect func(context.Context) error) error {
	r.progress.Start(fmt.Sprintf("the way from %s to %s", from, to))
	return site.Reach(ctx, connect)
}

// connect is a try of reach.
func connect(from, to *site.Place) func(context.Context) error {
	return func(ctx context.Context) error {
		client, server, err := site.Connect(ctx, from, to, false)
		if err != nil {
			return err
		}
		return errors.Join(client.Close(), server.Close())
	}
}

// leave puts VFs back, also when the context has ended.
func leave(ctx context.Context, s *site.Site) error {
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := s.Leave(back); err != nil {
		return fmt.Errorf("putting the VFs of a proof back: %w; the next apply or verify tries it again", err)
	}
	return nil
}

func impossible(c cell, from, to string, err error) proof.Proof {
	p := proof.Proof{Kind: c.kind, Cell: c.fields(from, to)}
	p.Impossible("%v", err)
	return p
}

func (r *run) judge(p proof.Proof, require proof.Verdict) { r.progress.End(r.Judge(p, require)) }

// granted are the port function attributes of a VF, nil where they are not known:
// in legacy mode there are none.
func (r *run) granted(f pci.Function) map[string]bool {
	if p := r.in.Have.Port(f.PF); p != nil && f.IsVF() && f.VF < len(p.VFs) {
		return p.VFs[f.VF].Caps
	}
	return nil
}

// noLink says which of the ports have no link, "" if all have one.
func noLink(h report.Host, ports ...pci.Address) string {
	var without []string
	seen := map[pci.Address]bool{}
	for _, a := range ports {
		p := h.Port(a)
		if p == nil || seen[a] {
			continue
		}
		seen[a] = true
		switch {
		case p.Netdev == "":
		case !p.Up:
			without = append(without, fmt.Sprintf("%s (%s) is down", p.Netdev, a))
		case !p.Carrier:
			without = append(without, fmt.Sprintf("no link on %s (%s)", p.Netdev, a))
		}
	}
	return strings.Join(without, ", ")
}

// withCause puts what is known to be the cause before what was met.
func withCause(err error, cause string) error {
	if cause == "" {
		return err
	}
	return fmt.Errorf("%s: %w", cause, err)
}

// kernel is the running kernel's release, "" if uname(2) failed.
func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
