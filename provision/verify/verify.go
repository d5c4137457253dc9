// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/site"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
)

// VerifyReport is what verify found.
type VerifyReport struct {
	Profile string         `json:"profile"`
	Started time.Time      `json:"started"`
	Seconds float64        `json:"seconds"`
	Kernel  string         `json:"kernel"` // uname -r
	Quick   bool           `json:"quick"`
	OK      bool           `json:"ok"`    // the host is as wanted, and every verdict is what the profile requires
	Drift   []step.Step    `json:"drift"` // what apply would change
	Taken   []string       `json:"taken"` // which VFs were taken for the proofs and why, and which were not
	Proofs  []Judged       `json:"proofs"`
	Host    Host           `json:"-"` // for the picture of the topology
	Want    *profiles.Want `json:"-"`
}

// Judged is a proof with what the profile requires of it.
type Judged struct {
	proof.Proof
	Require proof.Verdict `json:"require,omitempty"` // "": any verdict but failed will do
	OK      bool          `json:"ok"`
}

// AppliedWant is what the last finished apply wanted.
func AppliedWant(state StateDir) (*profiles.Want, error) {
	a, err := state.Applied()
	if err != nil {
		return nil, err
	}
	if a == nil {
		return nil, errors.New("no profile has been applied here: name one with -p, or apply one first")
	}
	return a.Want, nil
}

// Verify looks whether the host is as want says and runs the proofs it asks
// for; quick, the transfer of each kind that most depends on. An error means that it
// could not look; what it found is in the report.
func Verify(ctx context.Context, state StateDir, want func(Host) (*profiles.Want, error), quick bool, progress Progress) (*VerifyReport, error) {
	started := time.Now()
	// What a killed verify left is put back first: its VFs would look used.
	if err := site.Clean(ctx); err != nil {
		return nil, err
	}
	plan, have, err := PlanHost(ctx, state, want)
	if err != nil {
		return nil, err
	}
	r := &VerifyReport{
		Profile: plan.Want.Profile, Started: started.UTC(), Kernel: kernel(), Quick: quick,
		Want: plan.Want, Host: have, Drift: plan.Steps, OK: len(plan.Steps) == 0, Taken: []string{},
	}
	if err := r.run(ctx, progress); err != nil {
		return nil, err
	}
	r.Seconds = time.Since(started).Seconds()
	return r, ctx.Err()
}

func (r *VerifyReport) run(ctx context.Context, progress Progress) error {
	force := r.Want.Verify != nil && r.Want.Verify.InUse
	free := site.Free
	if force {
		free = func(context.Context, pci.Function) error { return nil }
	}
	cells := matrix(r.Want, r.Quick)
	c := newChooser(r.Host, r.Want, free)
	found, err := c.pairs(ctx, r.Quick)
	peers, withPeer, size := r.peers()
	progress.Plan(len(cells)*max(1, len(found)) + len(peers)*len(withPeer))
	if err != nil {
		for _, c := range cells {
			r.judge(impossible(c, "", "", err), c.require, progress)
		}
	}
	for _, p := range found {
		if err := r.onPair(ctx, p, cells, force, progress); err != nil {
			return err
		}
	}
	for _, p := range peers {
		if err := r.onPeer(ctx, p, withPeer, size, force, progress); err != nil {
			return err
		}
	}
	if !r.Quick {
		if err := r.onSwitch(ctx, c, force, progress); err != nil {
			return err
		}
		r.onBonds(ctx, progress)
	}
	r.Taken = append(r.Taken, c.passed...)
	return nil
}

// onPair takes two VFs, runs the cells between them and puts them back.
func (r *VerifyReport) onPair(ctx context.Context, p pair, cells []cell, force bool, progress Progress) error {
	s, err := site.Enter(ctx, force, p.from, p.to)
	if err != nil {
		for _, c := range cells {
			r.judge(impossible(c, p.from.String(), p.to.String(), err), c.require, progress)
		}
		return nil
	}
	r.Taken = append(r.Taken, fmt.Sprintf("%s and %s: %s", s.Places[0], s.Places[1], p.why))
	unreachable := reach(ctx, progress, p.from.String(), p.to.String(), connect(s.Places[0], s.Places[1]))
	for _, c := range cells {
		if ctx.Err() != nil {
			break
		}
		if unreachable != nil {
			q := proof.Proof{Kind: c.kind, Cell: c.fields(p.from.String(), p.to.String())}
			q.Fail(unreachable)
			r.judge(q, c.require, progress)
			continue
		}
		progress.Start(name(c.kind, c.fields(p.from.String(), p.to.String())))
		r.judge(c.run(ctx, s.Places[0], s.Places[1], progress.Rate), c.require, progress)
	}
	return leave(ctx, s)
}

// reach waits until there is a way.
func reach(ctx context.Context, progress Progress, from, to string, connect func(context.Context) error) error {
	progress.Start(fmt.Sprintf("the way from %s to %s", from, to))
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
	return s.Leave(back)
}

func impossible(c cell, from, to string, err error) proof.Proof {
	p := proof.Proof{Kind: c.kind, Cell: c.fields(from, to)}
	p.Impossible("%v", err)
	return p
}

// judge holds a proof against what is required of it.
func (r *VerifyReport) judge(p proof.Proof, require proof.Verdict, progress Progress) {
	j := Judged{Proof: p, Require: require}
	j.OK = require == "" && p.Verdict != proof.Failed || require == p.Verdict
	r.OK = r.OK && j.OK
	r.Proofs = append(r.Proofs, j)
	progress.End(j)
}

// Name is the proof's kind and cell on one line.
func (j Judged) Name() string { return name(j.Kind, j.Cell) }

func name(kind string, cell []proof.Field) string {
	parts := []string{kind}
	for _, f := range cell {
		if f.Value != "" {
			parts = append(parts, f.Value)
		}
	}
	return strings.Join(parts, " ")
}

// kernel is the running kernel's release, "" if uname(2) failed.
func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
