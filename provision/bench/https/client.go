// SPDX-License-Identifier: Apache-2.0

package https

import (
	"context"
	"errors"
	"io"

	"github.com/nicwright/nicwright/internal/program"
	"github.com/nicwright/nicwright/provision/bench/load"
	"github.com/nicwright/nicwright/provision/bench/rounds"
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
	Result load.Result `json:"result"`
	Used   rounds.Used `json:"used"`
	Error  string      `json:"error,omitempty"`
}

// Client does jobs until there are no more; a job's error is its answer.
func Client(ctx context.Context, in io.Reader, out io.Writer) error {
	return program.Work(in, out, func(j job) done { return j.do(ctx) })
}

func (j job) do(ctx context.Context) (d done) {
	m := rounds.NewMeter(j.Server, j.Client)
	var errs []error
	var first rounds.Look
	var err error
	d.Result, err = load.Run(ctx, j.Load, func(open bool) {
		now, err := m.Look()
		errs = append(errs, err)
		if open {
			first = now
		} else {
			d.Used = now.Since(first)
		}
	})
	if err = errors.Join(append(errs, err)...); err != nil {
		d.Error = err.Error()
	}
	return d
}

// ask has the client do a job. Its error is that there is no client any more.
func ask(client *program.Worker, j job) (d done, err error) {
	if err = client.Ask(j); err == nil {
		err = client.Answer(&d)
	}
	return d, err
}
