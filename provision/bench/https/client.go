// SPDX-License-Identifier: Apache-2.0

package https

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/cgroup"
	"github.com/nicwright/nicwright/internal/cpu"
	"github.com/nicwright/nicwright/internal/program"
	"github.com/nicwright/nicwright/provision/bench/load"
)

// The client is a process of its own: in the namespace of its VF, and in a cgroup, so
// that what it costs is told from what the server costs.

// job is what the client is asked for, a line of JSON.
type job struct {
	Load load.Config `json:"load"`
	// Server and Client are the cpu.stat of the two.
	Server string `json:"server"`
	Client string `json:"client"`
}

// done is its answer, another.
type done struct {
	Result  load.Result `json:"result"`
	Server  cgroup.Stat `json:"server"`
	Client  cgroup.Stat `json:"client"`
	Machine machine     `json:"machine"`
	Error   string      `json:"error,omitempty"`
}

// machine is what all processors did, in seconds.
type machine struct {
	Processors int     `json:"processors"`
	User       float64 `json:"user"`
	Steal      float64 `json:"steal"`
	Busy       float64 `json:"busy"`
	// Known: busy could be measured.
	Known bool `json:"known"`
}

// Client does jobs until there are no more; a job's error is its answer.
func Client(ctx context.Context, in io.Reader, out io.Writer) error {
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	meter, err := cpu.New()
	if err != nil {
		meter = nil // where idle time is not exact, busy time is not told
	}
	for {
		var j job
		if err := dec.Decode(&j); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("reading what to measure: %w", err)
		}
		if err := enc.Encode(j.do(ctx, meter)); err != nil {
			return fmt.Errorf("answering: %w", err)
		}
	}
}

func (j job) do(ctx context.Context, meter *cpu.Meter) (d done) {
	var errs []error
	var from look
	var err error
	d.Result, err = load.Run(ctx, j.Load, func(open bool) {
		at := j.look(meter)
		errs = append(errs, at.err)
		if open {
			from = at
			return
		}
		d.Server, d.Client, d.Machine = at.server.Since(from.server), at.client.Since(from.client), at.machine.since(from.machine)
	})
	if err = errors.Join(append(errs, err)...); err != nil {
		d.Error = err.Error()
	}
	return d
}

// look is all meters at one time.
type look struct {
	server, client cgroup.Stat
	machine        meters
	err            error
}

func (j job) look(meter *cpu.Meter) (l look) {
	var errs [3]error
	l.server, errs[0] = cgroup.ReadStat(j.Server)
	l.client, errs[1] = cgroup.ReadStat(j.Client)
	l.machine, errs[2] = readMachine(meter)
	l.err = errors.Join(errs[:]...)
	return l
}

// meters are the machine's.
type meters struct {
	ticks [8]uint64 // of /proc/stat, of all processors
	cpus  int
	exact cpu.Reading
	known bool
}

// userHZ is the unit of /proc/stat, in 1/s.
const userHZ = 100

func readMachine(meter *cpu.Meter) (m meters, err error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return m, fmt.Errorf("reading what the processors do: %w", err)
	}
	if m.ticks, m.cpus, err = parseStat(string(b)); err != nil {
		return m, err
	}
	if meter != nil {
		m.exact, err = meter.Read()
		m.known = err == nil
	}
	return m, nil
}

// parseStat reads user, nice, system, idle, iowait, irq, softirq, steal.
func parseStat(text string) (ticks [8]uint64, cpus int, err error) {
	found := false
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 9 || !strings.HasPrefix(f[0], "cpu") {
			continue
		}
		if f[0] != "cpu" {
			cpus++
			continue
		}
		found = true
		for i := range ticks {
			if ticks[i], err = strconv.ParseUint(f[i+1], 10, 64); err != nil {
				return ticks, 0, fmt.Errorf("reading what the processors do (/proc/stat): %w", err)
			}
		}
	}
	if !found || cpus == 0 {
		return ticks, 0, errors.New("reading what the processors do: /proc/stat has no line of theirs")
	}
	return ticks, cpus, nil
}

func (m meters) since(from meters) machine {
	moved := func(columns ...int) (s float64) {
		for _, i := range columns {
			s += float64(m.ticks[i]-from.ticks[i]) / userHZ
		}
		return s
	}
	d := machine{Processors: m.cpus, User: moved(0, 1), Steal: moved(7)}
	if m.known && from.known {
		d.Busy, d.Known = m.exact.Busy(from.exact)
	}
	return d
}

// client is the process, from the side that asks.
type client struct {
	running *program.Running
	enc     *json.Encoder
	dec     *json.Decoder
	end     []io.Closer
}

// startClient starts args, which have to come to Client.
func startClient(ctx context.Context, s program.Spec) (*client, error) {
	in, ask, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting the client: %w", err)
	}
	answer, out, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the client: %w", err), in.Close(), ask.Close())
	}
	s.Stdin, s.Stdout = in, out
	c := &client{enc: json.NewEncoder(ask), dec: json.NewDecoder(answer), end: []io.Closer{ask, answer}}
	c.running, err = program.Start(ctx, s)
	in.Close()
	out.Close() // the other process has them: when it ends, reading does
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

// do has a job done. Its error is that there is no client any more.
func (c *client) do(j job) (d done, err error) {
	err = c.enc.Encode(j)
	if err == nil {
		err = c.dec.Decode(&d)
	}
	if err != nil {
		return d, fmt.Errorf("asking the client: %w", errors.Join(err, c.running.Wait()))
	}
	return d, nil
}

// stop ends it: it has no more to read then.
func (c *client) stop() error {
	var errs []error
	for _, e := range c.end {
		errs = append(errs, e.Close())
	}
	if c.running != nil {
		<-c.running.Done()
	}
	return errors.Join(errs...)
}
