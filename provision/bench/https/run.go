// SPDX-License-Identifier: Apache-2.0

package https

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/internal/cgroup"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/program"
	"github.com/nicwright/nicwright/provision/bench/between"
	"github.com/nicwright/nicwright/provision/bench/load"
	"github.com/nicwright/nicwright/provision/bench/rounds"
	"github.com/nicwright/nicwright/provision/bench/sample"
	"github.com/nicwright/nicwright/provision/bench/web"
)

// Input is what is measured, where, and for how long.
type Input struct {
	Server, Client pci.Function // VFs: of nginx, and of the load
	Peer           *Peer        // makes the load in Client's place; nil: Client does
	Axes           Axes
	Variant        string        // of every cell
	Header         sample.Header // what is not filled in here
	Turns          int           // at least; more, until each interval is as wanted
	Control        int           // turns of the A/A control
	Interval       float64       // half of it as a part of the figure, 0.05 is 5%
	Window         time.Duration // of one measurement, at least
	Limit          time.Duration // of one, for the requests that it needs; and of its warm-up
	Time           time.Duration // after which no cell is begun
	Seed           uint64
	// ServerCPU and ClientCPU bound the two, in processors; 0: not.
	ServerCPU, ClientCPU float64
	Workers              int       // of nginx, 0: one for each processor
	KernelClient         bool      // the kernel opens the records in the client, as its card if that is on
	Log                  io.Writer // nginx's access log, when it has ended; nil: none
	Self                 []string  // comes to End
	Out                  io.Writer
	Told                 func(sample.Sample) // each sample, when it is there
}

// bench is a Run under way.
type bench struct {
	*between.Pair
	in     Input
	random *rand.Rand
	web    *web.Server
	client client
	out    func(sample.Sample) error
	order  int
	start  time.Time
}

// Run measures, and writes each sample when it has it. An error is that nothing could
// be measured any more, or not put back: samples until then are good. That a cell
// could not be measured is a finding in its sample, and no error. The caller has the
// lock, and has put back what a run before left.
func Run(ctx context.Context, in Input) (err error) {
	cells := in.Axes.Cells()
	for i := range cells {
		cells[i].Variant = in.Variant
	}
	b := &bench{
		in: in, random: rand.New(rand.NewPCG(in.Seed, 0)), start: time.Now(), //nolint:gosec // an order, no secret
	}
	if in.Peer != nil {
		b.Pair, err = between.EnterWire(ctx, in.Server, in.Peer.As, in.Peer.At)
	} else {
		b.Pair, err = between.Enter(ctx, in.Server, in.Client)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Leave(ctx)) }()
	if err := b.begin(ctx, cells); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.end()) }()
	if err := b.control(ctx, cells); err != nil {
		return err
	}
	// Over the wire the set-up is in the handshake alone.
	if in.Peer == nil && slices.ContainsFunc(cells, func(c sample.Cell) bool { tx, _ := switches(c.Mode); return tx }) {
		for _, cipher := range in.Axes.Ciphers {
			if err := b.setUps(ctx, cipher, cells[0].Size); err != nil {
				return err
			}
		}
	}
	return b.plan(cells, 0).Run(ctx)
}

// begin starts the two programs, and writes the header.
func (b *bench) begin(ctx context.Context, cells []sample.Cell) (err error) {
	b.web, err = web.Start(ctx, web.Input{
		Place: b.Server, Group: b.ServerGroup, Listeners: listeners(cells), Sizes: b.in.Axes.Sizes, Workers: b.in.Workers,
		Clients: slices.Max(b.in.Axes.Clients), Log: b.in.Log != nil,
	})
	if err != nil {
		return err
	}
	if b.client, err = b.begins(ctx); err != nil {
		b.web.Stop()
		return err
	}
	b.loadTLS(ctx)
	if err := b.bound(); err != nil {
		return errors.Join(err, b.end())
	}
	h := b.in.Header
	if h.Conditions == nil {
		h.Conditions = map[string]string{}
	}
	for name, value := range map[string]string{
		"nginx": b.web.Version.Nginx, "openssl": b.web.Version.OpenSSL, "client": "crypto/tls", "workers": fmt.Sprint(b.in.Workers),
		"server-cpu": fmt.Sprint(b.in.ServerCPU), "client-cpu": fmt.Sprint(b.in.ClientCPU),
	} {
		if value != "" && value != "0" {
			h.Conditions[name] = value
		}
	}
	if b.in.KernelClient {
		h.Conditions["client"] = "kernel TLS (crypto/ktls)"
	}
	if b.out, err = b.Write(b.in.Out, h, b.in.Seed, b.in.Told); err != nil {
		return errors.Join(err, b.end())
	}
	return nil
}

// begins begins the client.
func (b *bench) begins(ctx context.Context) (client, error) {
	if b.in.Peer != nil {
		return far{b.Server, b.in.Peer.At, b.ServerGroup.StatFile()}, nil
	}
	w, err := program.StartWorker(ctx, program.Spec{NS: b.Client.NS, Group: b.ClientGroup, Args: b.in.Self})
	return near{w, b.ServerGroup.StatFile(), b.ClientGroup.StatFile()}, err
}

// bound is for what is measured: the programs have started by then.
func (b *bench) bound() error {
	for _, bound := range []struct {
		g cgroup.Group
		n float64
	}{{b.ServerGroup, b.in.ServerCPU}, {b.ClientGroup, b.in.ClientCPU}} {
		if bound.n > 0 {
			if err := bound.g.Bound(bound.n); err != nil {
				return err
			}
		}
	}
	return nil
}

// end ends the programs, and keeps the access log.
func (b *bench) end() error {
	err := b.client.Stop()
	b.web.Stop()
	if b.in.Log != nil {
		log, readErr := b.web.AccessLog()
		_, writeErr := b.in.Log.Write(log)
		err = errors.Join(err, readErr, writeErr)
	}
	return err
}

// plan is what the cells are measured by.
func (b *bench) plan(cells []sample.Cell, controls int) rounds.Plan {
	return rounds.Plan{
		Cells: cells, Controls: controls, Turns: b.in.Turns, Interval: b.in.Interval, Time: b.in.Time - time.Since(b.start), Seed: b.in.Seed, Before: b.order,
		Measure: b.measure, Write: b.write,
	}
}

// control is the A/A control, of a cell in which the least can differ.
func (b *bench) control(ctx context.Context, cells []sample.Cell) error {
	p := b.plan(nil, b.in.Control)
	p.Control = cells[len(cells)/2]
	if i := slices.IndexFunc(cells, func(c sample.Cell) bool { return c.Mode == sample.User || c.Mode == sample.Plain }); i >= 0 {
		p.Control = cells[i]
	}
	return p.Run(ctx)
}

func (b *bench) write(s sample.Sample) error {
	b.order = s.Order
	return b.out(s)
}

// measure measures a cell once. What keeps it from being measured is a finding, but
// for the end of ctx or of one of the programs.
func (b *bench) measure(ctx context.Context, c sample.Cell) (s sample.Sample, err error) {
	s = sample.Sample{Bench: sample.HTTPS, Cell: c}
	if err := ctx.Err(); err != nil {
		return s, context.Cause(ctx)
	}
	if err := b.switchTo(ctx, c.Mode); err != nil {
		return rounds.Finding(s, 0, err)
	}
	cold, err := b.web.Cold(c.Size)
	if err != nil {
		return s, fmt.Errorf("looking whether the file is in memory: %w", err)
	}
	before, err := b.counters()
	if err != nil {
		return s, err
	}
	d, err := b.client.load(ctx, b.load(c))
	if err != nil {
		return s, err
	}
	select {
	case <-b.web.Done():
		return s, errors.New("nginx has ended by itself")
	default:
	}
	after, err := b.counters()
	if err != nil {
		return s, err
	}
	s.Counters = rounds.Moved(before, after)
	if d.Error != "" {
		return rounds.Finding(s, 0, errors.New(d.Error))
	}
	r := d.Result
	// Of all of the run, as the counters: what the gate is held against.
	for name, v := range map[string]uint64{"client.requests": r.All.Requests, "client.sessions": r.All.Sessions, "client.resumed": r.All.Resumed, "client.cut": r.All.Cut} {
		if v > 0 {
			s.Counters[name] = int64(v)
		}
	}
	s.Seconds, s.Bytes, s.Operations, s.Connections, s.Missed, s.Errors = r.Seconds, r.Bytes, r.Requests, r.Connections, r.Missed, r.All.Errors
	s.Latency = r.Latency
	s.CPU = d.cpu()
	s.Segments, s.Retransmits = uint64(max(0, s.Counters["server.OutSegs"])), uint64(max(0, s.Counters["server.RetransSegs"]))
	s.Gate = gate(c, s.Counters, r.All)
	s.Flags = d.flags(cold)
	return s, nil
}

// counters are those of both places: of TLS, and of TCP.
func (b *bench) counters() (map[string]int64, error) {
	return b.Counters(crypto.TLSCounters, tcpCounters)
}

// switchTo sets the offload of the server's VF for a mode.
func (b *bench) switchTo(ctx context.Context, m sample.Mode) error {
	tx, rx := switches(m)
	return b.SwitchTLS(ctx, tx, rx)
}

// load is what the client does for a cell.
func (b *bench) load(c sample.Cell) load.Config {
	l := load.Config{
		Target: netip.AddrPortFrom(b.Server.Address(), b.web.Port(listener(c))), Path: fmt.Sprintf("/%d", c.Size), Size: c.Size,
		Clients: c.Clients, Rate: c.Rate, KeepAlive: c.KeepAlive, Warm: warm, WarmRequests: c.Clients, Window: b.in.Window, Requests: requests, Limit: b.in.Limit,
	}
	if c.TLS != "" {
		l.TLS = &load.TLS{Version: c.TLS, Cipher: c.Cipher, CA: b.web.CA, Name: web.Name, Resume: c.Resumption, Kernel: b.in.KernelClient}
	}
	return l
}
