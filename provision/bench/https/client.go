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
