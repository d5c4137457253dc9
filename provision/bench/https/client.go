// SPDX-License-Identifier: Apache-2.0

package https

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/nicwright/nicwright/internal/program"
	"github.com/nicwright/nicwright/internal/site"
	"github.com/nicwright/nicwright/provision/bench/load"
	"github.com/nicwright/nicwright/provision/bench/rounds"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// client makes the load of a cell: a process of this host, or a peer on the wire.
type client interface {
	load(ctx context.Context, c load.Config) (done, error)
	Stop() error
}

// near is a process of its own: in the namespace of its VF, and in a cgroup, so that what it
// costs is told from what the server costs.
type near struct {
	*program.Worker
	server, client string // the cpu.stat of the two
}

func (n near) load(ctx context.Context, c load.Config) (done, error) {
	d, err := program.Asked[done](n.Worker, job{c, n.server, n.client})
	if err != nil {
		return d, errors.Join(context.Cause(ctx), err)
	}
	return d, nil
}

// Peer is a host on the wire that makes the load (`nicwright peer --load`).
type Peer struct {
	At netip.AddrPort // where it listens
	As netip.Prefix   // the address of the server's VF for the while
}

// far is one, asked by way of the server's VF. What is used is read here, and of the client
// what the peer says.
type far struct {
	place  *site.Place
	at     netip.AddrPort
	server string // the cpu.stat
}

func (f far) load(ctx context.Context, c load.Config) (d done, err error) {
	conn, err := site.Dial(ctx, f.place, f.at)
	if err != nil {
		return d, fmt.Errorf("connecting from %s to the peer %s: %w; is `nicwright peer --load` still running there?", f.place, f.at, err)
	}
	defer conn.Close()
	used := rounds.NewMeter(f.server, "").Window()
	r, err := load.RunRemote(ctx, conn, c, used.At)
	if errors.Is(err, load.ErrPeer) {
		d.Error = err.Error() // of this cell
		return d, nil
	}
	if err != nil {
		return d, err
	}
	if d.Used, err = used.Used(); err != nil {
		return d, err
	}
	d.Result, d.Far = r.Result, r
	return d, nil
}

// Stop has nothing to end: each run has ended with its connection.
func (far) Stop() error { return nil }

// job is what the client is asked for, a line of JSON.
type job struct {
	Load load.Config `json:"load"`
	// Server and Client are the cpu.stat of the two.
	Server string `json:"server"`
	Client string `json:"client"`
}

// done is its answer, another.
type done struct {
	Result load.Result `json:"result"`
	Used   rounds.Used `json:"used"`
	Error  string      `json:"error,omitempty"`
	// Far is what else a peer says; nil: the client was near.
	Far *load.Remote `json:"-"`
}

// cpu is what goes into a sample.
func (d *done) cpu() sample.CPU {
	c := d.Used.CPU(d.Result.Seconds)
	if d.Far != nil {
		c.Client = d.Far.CPU
	}
	return c
}

// flags are reasons to trust it less.
func (d *done) flags(cold bool) []sample.Flag {
	all := d.Used.Flags(d.Result.Seconds, cold, d.Result.Short)
	if d.Far != nil && d.Far.Bound() && !slices.Contains(all, sample.ClientBound) {
		all = append(all, sample.ClientBound)
	}
	return all
}

// End does jobs until there are no more; a job's error is its answer.
func End(ctx context.Context, in io.Reader, out io.Writer) error {
	return program.Work(in, out, func(j job) done { return j.do(ctx) })
}

func (j job) do(ctx context.Context) (d done) {
	used := rounds.NewMeter(j.Server, j.Client).Window()
	var err, usedErr error
	d.Result, err = load.Run(ctx, j.Load, used.At)
	d.Used, usedErr = used.Used()
	if err = errors.Join(err, usedErr); err != nil {
		d.Error = err.Error()
	}
	return d
}
