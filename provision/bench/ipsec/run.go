// SPDX-License-Identifier: Apache-2.0

package ipsec

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
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/program"
	"github.com/nicwright/nicwright/internal/site"
	"github.com/nicwright/nicwright/provision/bench/between"
	"github.com/nicwright/nicwright/provision/bench/rounds"
	"github.com/nicwright/nicwright/provision/bench/sample"
	"github.com/nicwright/nicwright/provision/bench/stream"
)

// Input is what is measured, where, and for how long.
type Input struct {
	Server, Client pci.Function // VFs: of who sends, and of who receives
	Axes           Axes
	Variant        string        // of every cell
	Header         sample.Header // what is not filled in here
	Turns          int           // at least; more, until each interval is as wanted
	Controls       int           // turns of the A/A control
	Interval       float64       // half of it as a part of the figure, 0.05 is 5%
	Window         time.Duration // of one measurement, at least
	Limit          time.Duration // of one, for the transfers that it needs; and for its connections to be there
	Time           time.Duration // after which no cell is begun
	Seed           uint64
	Self           []string // comes to End
	Out            io.Writer
	Told           func(sample.Sample) // each sample, when it is there
}

const (
	// warm is how long a cell runs before it is measured.
	warm = 300 * time.Millisecond
	// transfers are measured at least.
	transfers = 20
)

// bench is a Run under way.
type bench struct {
	*between.Pair
	in           Input
	addresses    [2][]netip.Addr // the sender's and the receiver's
	send, accept *program.Worker
	port         uint16
	mtu          int // of both VFs; 0: not known
}

// Run measures, and writes each sample when it has it. An error is that nothing could
// be measured any more, or not put back: samples until then are good. That a cell could
// not be measured is a finding in its sample, and no error. The caller has the lock,
// and has put back what a run before left.
func Run(ctx context.Context, in Input) (err error) {
	cells := in.Axes.Cells()
	for i := range cells {
		cells[i].Variant = in.Variant
	}
	b := &bench{in: in}
	if b.Pair, err = between.Enter(ctx, in.Server, in.Client); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Leave(ctx)) }()
	addresses, err := b.More(slices.Max(in.Axes.SAs))
	if err != nil {
		return err
	}
	b.addresses = [2][]netip.Addr{addresses[0], addresses[1]}
	if err := b.begin(ctx); err != nil {
		return errors.Join(err, b.end())
	}
	defer func() { err = errors.Join(err, b.end()) }()
	write, err := b.Write(in.Out, in.Header, in.Seed, in.Told)
	if err != nil {
		return err
	}
	return rounds.Plan{
		Cells: cells, Control: control(cells), Controls: in.Controls, Turns: in.Turns, Interval: in.Interval, Time: in.Time, Seed: in.Seed, Measure: b.measure, Write: write,
	}.Run(ctx)
}

// begin starts the two ends.
func (b *bench) begin(ctx context.Context) (err error) {
	if b.send, err = program.StartWorker(ctx, program.Spec{NS: b.Server.NS, Group: b.ServerGroup, Args: b.in.Self}); err != nil {
		return err
	}
	if b.accept, err = program.StartWorker(ctx, program.Spec{NS: b.Client.NS, Group: b.ClientGroup, Args: b.in.Self}); err != nil {
		return err
	}
	d, err := program.Asked[done](b.accept, job{Listen: true})
	b.port = d.Port
	if err == nil && d.Error != "" {
		err = errors.New(d.Error)
	}
	return err
}

func (b *bench) end() error {
	var errs []error
	for _, w := range []*program.Worker{b.send, b.accept} {
		if w != nil {
			errs = append(errs, w.Stop())
		}
	}
	return errors.Join(errs...)
}

func answer(w *program.Worker) (d done, err error) {
	err = w.Answer(&d)
	return d, err
}

// counters are those of both places.
func (b *bench) counters() (map[string]int64, error) { return b.Counters(crypto.IPsecCounters) }

// measure measures a cell once. What keeps it from being measured is a finding, but for
// the end of ctx or of one of the ends.
func (b *bench) measure(ctx context.Context, c sample.Cell) (s sample.Sample, err error) {
	s = sample.Sample{Bench: sample.IPsec, Cell: c}
	if err := b.setMTU(ctx, c.MTU); err != nil {
		if ctx.Err() != nil {
			return s, context.Cause(ctx)
		}
		return rounds.Finding(s, 0, err)
	}
	var e evidence
	pairs := max(c.SAs, 1)
	from, to := b.addresses[0][:pairs], b.addresses[1][:pairs]
	if c.Mode != sample.Plain {
		p, err := protection(c).Protect(ctx, b.Server, b.Client, from, to)
		switch {
		case ctx.Err() != nil:
			return s, context.Cause(ctx)
		case errors.Is(err, ipsec.ErrSoftware):
			return rounds.Finding(s, 1, err)
		case err != nil:
			return rounds.Finding(s, 0, err)
		}
		defer func() { err = errors.Join(err, p.Close()) }()
		// Once the streams are over, and before the SAs go.
		defer func() {
			if err != nil || s.Gate.Verdict != "" {
				return
			}
			if e.states, err = p.Sent(); err == nil {
				s.Gate = e.gate(c)
			}
		}()
	}
	before, err := b.counters()
	if err != nil {
		return s, err
	}
	sent, got, err := b.run(c, from, to)
	if err != nil {
		return s, errors.Join(context.Cause(ctx), err)
	}
	if e.counted, err = b.counters(); err != nil {
		return s, err
	}
	e.moved = rounds.Moved(before, e.counted)
	s.Counters = e.moved
	if got.Error != "" || sent.Error != "" {
		s.Gate = rounds.Gate(nothing(c, e.moved, got.Error, sent.Error), 0)
		return s, nil
	}
	e.sent, e.received = sent.Sent, got.Received
	s.Seconds, s.Bytes, s.Operations = e.received.Seconds, e.received.Bytes, e.received.Bytes/c.Size
	s.Connections, s.Segments, s.Retransmits = uint64(c.Clients), e.sent.Segments, e.sent.Retransmits
	s.CPU = got.Used.CPU(s.Seconds)
	s.Flags = got.Used.Flags(s.Seconds, false, e.received.Short)
	if c.Mode == sample.Plain {
		s.Gate = e.gate(c)
	}
	return s, nil
}

// nothing says why a cell has no figure: what counters say, what the ends say, and what
// is most likely wrong where frames of a large MTU do not pass.
func nothing(c sample.Cell, moved map[string]int64, ends ...string) []string {
	words := append(badPackets(moved), "nothing was measured")
	if c.MTU > 1500 {
		words = append(words, fmt.Sprintf("do the port, and with a switch in software the representors and the bridge, take an MTU of %d?", c.MTU))
	}
	for _, e := range ends {
		if e != "" {
			words = append(words, e)
		}
	}
	return words
}

// run has the two ends do a cell.
func (b *bench) run(c sample.Cell, from, to []netip.Addr) (sent, got done, err error) {
	j := job{
		Config: stream.Config{
			Streams: c.Clients, Size: c.Size, Warm: warm, Window: b.in.Window, Transfers: transfers, Limit: b.in.Limit, Token: stream.NewToken(),
		},
		Server: b.ServerGroup.StatFile(), Client: b.ClientGroup.StatFile(),
	}
	if err := b.accept.Ask(j); err != nil {
		return sent, got, err
	}
	j.From, j.To, j.Port = from, to, b.port
	if err := b.send.Ask(j); err != nil {
		return sent, got, err
	}
	if got, err = answer(b.accept); err != nil {
		return sent, got, err
	}
	sent, err = answer(b.send)
	return sent, got, err
}

// setMTU sets that of both VFs, while there are no SAs.
func (b *bench) setMTU(ctx context.Context, mtu int) error {
	if b.mtu == mtu {
		return nil
	}
	b.mtu = 0
	for _, p := range []*site.Place{b.Server, b.Client} {
		if err := p.SetMTU(ctx, mtu); err != nil {
			return err
		}
	}
	b.mtu = mtu
	return nil
}
