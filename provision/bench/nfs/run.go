// SPDX-License-Identifier: Apache-2.0

package nfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/internal/knfsd"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/program"
	"github.com/nicwright/nicwright/provision/bench/between"
	"github.com/nicwright/nicwright/provision/bench/rounds"
	"github.com/nicwright/nicwright/provision/bench/sample"
	"github.com/nicwright/nicwright/provision/bench/web"
)

// Readers of a file.
const (
	Auto = "auto" // fio where it is installed, else our own
	Fio  = "fio"
	Own  = "own"
)

// Input is what is measured, where, and for how long.
type Input struct {
	Server, Client pci.Function // VFs
	Axes           Axes
	Variant        string        // of every cell
	Header         sample.Header // what is not filled in here
	Reader         string        // Auto, Fio or Own
	Threads        int           // of the server
	Turns          int           // at least; more, until each interval is as wanted
	Controls       int           // turns of the A/A control
	Interval       float64       // half of it as a part of the figure, 0.05 is 5%; 0: no more than Turns
	Window         time.Duration // of one measurement
	Time           time.Duration // after which no cell is begun
	Seed           uint64
	Self           []string // comes to End
	Out            io.Writer
	Told           func(sample.Sample) // each sample, when it is there
}

const (
	// warm is how long a cell runs before it is measured.
	warm = 300 * time.Millisecond
	// few are too few requests for an interval.
	few = 20
)

// bench is a Run under way.
type bench struct {
	*between.Pair
	in         Input
	ends       [2]*program.Worker // server, client
	threads    []int
	fio, tlshd string
	noTLS      error // why TLS cannot be measured
}

// Run measures, and writes each sample when it has it. An error is that nothing could
// be measured any more, or not put back: samples until then are good. That a cell could
// not be measured is a finding in its sample, and no error. The caller has the lock,
// and has put back what a run before left. errors.Is(err, [knfsd.ErrNone]).
func Run(ctx context.Context, in Input) (err error) {
	cells := in.Axes.Cells()
	for i := range cells {
		cells[i].Variant = in.Variant
	}
	b := &bench{in: in}
	if err := b.programs(cells); err != nil {
		return err
	}
	if b.Pair, err = between.Enter(ctx, in.Server, in.Client); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Leave(ctx)) }()
	if err := b.ServesNFS(b.Server); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.end()) }()
	if err := b.begin(ctx); err != nil {
		return err
	}
	write, err := b.Write(in.Out, b.header(), in.Seed, in.Told)
	if err != nil {
		return err
	}
	return rounds.Plan{
		Cells: cells, Control: control(cells), Controls: in.Controls, Turns: in.Turns, Interval: in.Interval, Time: in.Time, Seed: in.Seed, Measure: b.measure, Write: write,
	}.Run(ctx)
}

// programs finds what is run.
func (b *bench) programs(cells []sample.Cell) (err error) {
	if b.in.Reader != Own {
		if b.fio, err = program.Find("fio"); err != nil && b.in.Reader == Fio {
			return fmt.Errorf("%w; install it, or say --reader own", err)
		}
	}
	if slices.ContainsFunc(cells, func(c sample.Cell) bool { return overTLS(c.Mode) }) {
		if b.tlshd, b.noTLS = program.Find("tlshd"); b.noTLS != nil {
			b.noTLS = fmt.Errorf("%w; RPC-with-TLS needs it: install ktls-utils", b.noTLS)
		}
	}
	return nil
}

func (b *bench) header() sample.Header {
	h := b.in.Header
	conditions := map[string]string{"reader": Own, "nfsd": fmt.Sprintf("%d threads, a file system in memory", len(b.threads))}
	if b.fio != "" {
		conditions["reader"] = b.fio
	}
	for name, v := range h.Conditions {
		conditions[name] = v
	}
	h.Conditions = conditions
	return h
}

// begin starts the two ends.
func (b *bench) begin(ctx context.Context) (err error) {
	for i, s := range []program.Spec{{NS: b.Server.NS, Group: b.ServerGroup}, {NS: b.Client.NS, Group: b.ClientGroup}} {
		s.Private, s.Args = true, b.in.Self
		if b.ends[i], err = program.StartWorker(ctx, s); err != nil {
			return err
		}
	}
	cert, key, err := web.Certificate()
	if err != nil {
		return err
	}
	d, err := program.Asked[done](b.ends[0], job{Serve: &serve{
		join: join{TLSHD: b.tlshd, Credentials: credentials{CA: cert, Key: key}}, Size: b.in.Axes.Size,
		Config: knfsd.Config{Address: b.Server.V4.Addr(), Client: b.Client.V4.Addr(), Path: export, Threads: b.in.Threads, TLS: b.tlshd != ""},
	}})
	if err == nil && d.Error != "" {
		err = errors.New(d.Error)
	}
	if err != nil {
		return err
	}
	b.threads = d.Threads
	d, err = program.Asked[done](b.ends[1], job{Join: &join{TLSHD: b.tlshd, Credentials: credentials{CA: cert}}})
	if err == nil && d.Error != "" {
		err = errors.New(d.Error)
	}
	return err
}

// end ends the client before its server, or it would wait for it.
func (b *bench) end() error {
	var errs []error
	for _, w := range []*program.Worker{b.ends[1], b.ends[0]} {
		if w != nil {
			errs = append(errs, w.Stop())
		}
	}
	return errors.Join(append(errs, knfsd.Stop(b.Server.NS))...)
}

// counters are those of both places: of TLS and of IPsec.
func (b *bench) counters() (map[string]int64, error) {
	return b.Counters(crypto.IPsecCounters, crypto.TLSCounters)
}

// measure measures a cell once. What keeps it from being measured is a finding, but for
// the end of ctx or of one of the ends.
func (b *bench) measure(ctx context.Context, c sample.Cell) (s sample.Sample, err error) {
	s = sample.Sample{Bench: sample.NFS, Cell: c}
	if overTLS(c.Mode) && b.noTLS != nil {
		return rounds.Finding(s, 0, b.noTLS)
	}
	if err := b.switchTo(ctx, c.Mode); err != nil {
		return rounds.Finding(s, 0, err)
	}
	var e evidence
	var p *crypto.Protection
	if overIPsec(c.Mode) {
		offload := map[sample.Mode]string{sample.IPsecCard: "crypto", sample.IPsecFull: "packet"}
		p, err = crypto.IPsecCell{Offload: offload[c.Mode], Mode: c.Encapsulation, Cipher: c.Cipher}.
			Protect(ctx, b.Server, b.Client, []netip.Addr{b.Server.V4.Addr()}, []netip.Addr{b.Client.V4.Addr()})
		switch {
		case ctx.Err() != nil:
			return s, context.Cause(ctx)
		case errors.Is(err, ipsec.ErrSoftware):
			return rounds.Finding(s, 1, err)
		case err != nil:
			return rounds.Finding(s, 0, err)
		}
		defer func() { err = errors.Join(err, p.Close()) }()
	}
	before, err := b.counters()
	if err != nil {
		return s, err
	}
	d, err := program.Asked[done](b.ends[1], job{Task: b.task(c)})
	if err != nil {
		return s, errors.Join(context.Cause(ctx), err)
	}
	if e.counted, err = b.counters(); err != nil {
		return s, err
	}
	e.moved = rounds.Moved(before, e.counted)
	s.Counters = e.moved
	if d.Error != "" {
		return rounds.Finding(s, 0, errors.New(d.Error))
	}
	if p != nil {
		if e.states, err = p.Sent(); err != nil {
			return s, err
		}
	}
	r := d.Result
	e.sessions, e.bytes = d.Sessions, int64(r.Bytes+d.Warmed)
	s.Seconds, s.Bytes, s.Operations, s.Connections = r.Seconds, r.Bytes, r.Operations, uint64(c.NConnect)
	s.Latency = map[sample.Phase]sample.Percentiles{sample.Whole: r.Latency}
	s.CPU = d.Used.CPU(d.Wall)
	s.Flags = d.Used.Flags(d.Wall, false, r.Operations < few)
	s.Gate = e.gate(c)
	return s, nil
}

func (b *bench) task(c sample.Cell) *task {
	w := work{
		File: mounted + "/" + content, Size: c.Size, Write: c.Op == "write", Random: c.Pattern == "random", Block: c.Block, Depth: c.Depth, Jobs: c.Clients,
		Window: b.in.Window, Program: b.fio,
	}
	t := &task{
		Source: web.Name + ":/", Options: options(b.Server.V4.Addr(), b.Client.V4.Addr(), c.NConnect, overTLS(c.Mode)), Warm: w, Work: w,
		Server: b.ServerGroup.StatFile(), Client: b.ClientGroup.StatFile(), Threads: b.threads,
	}
	t.Warm.Window = min(warm, b.in.Window)
	return t
}

// switchTo sets TLS in the card of the server's VF for a mode.
func (b *bench) switchTo(ctx context.Context, m sample.Mode) error {
	tx, rx := card(m)
	return b.SwitchTLS(ctx, tx, rx)
}
