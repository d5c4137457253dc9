// SPDX-License-Identifier: Apache-2.0

package nfs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/provision/bench/load"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// work is what is read or written, by fio or by the reader of our own.
type work struct {
	File    string        `json:"file"`
	Size    uint64        `json:"size"` // of the file; each job has a part of it
	Write   bool          `json:"write,omitempty"`
	Random  bool          `json:"random,omitempty"`
	Block   uint64        `json:"block"`
	Depth   int           `json:"depth"`
	Jobs    int           `json:"jobs"`
	Window  time.Duration `json:"window"`
	Program string        `json:"program,omitempty"` // fio's path; "": our own
}

// result is what was done.
type result struct {
	Seconds    float64            `json:"seconds"`
	Bytes      uint64             `json:"bytes"`
	Operations uint64             `json:"operations"`
	Latency    sample.Percentiles `json:"latency"`
}

// part is the share of each job: whole blocks.
func (w work) part() uint64 { return w.Size / uint64(w.Jobs) / w.Block * w.Block }

// read reads or writes without the page cache (O_DIRECT), with as many requests on
// their way as the depth says, for the window; the last of them end after it.
func read(ctx context.Context, w work) (r result, err error) {
	how := os.O_RDONLY
	if w.Write {
		how = os.O_WRONLY
	}
	f, err := os.OpenFile(w.File, how|unix.O_DIRECT|unix.O_NOFOLLOW, 0)
	if err != nil {
		return r, fmt.Errorf("opening the file that is measured, without the page cache: %w", err)
	}
	defer f.Close()
	hist := hdrhistogram.New(1, int64(time.Hour), 3)
	var mu sync.Mutex
	var errs []error
	var wait sync.WaitGroup
	start := time.Now()
	for job := range w.Jobs {
		var next atomic.Uint64
		for lane := range w.Depth {
			wait.Go(func() {
				took, err := w.lane(ctx, f, uint64(job)*w.part(), &next, rand.New(rand.NewPCG(uint64(job), uint64(lane))), start.Add(w.Window)) //nolint:gosec // places, no secret
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
				for _, d := range took {
					errs = append(errs, hist.RecordValue(int64(d)))
				}
				r.Operations += uint64(len(took))
			})
		}
	}
	wait.Wait()
	r.Seconds, r.Bytes, r.Latency = time.Since(start).Seconds(), r.Operations*w.Block, load.Percentiles(hist)
	if err := errors.Join(append(errs, context.Cause(ctx))...); err != nil {
		return r, fmt.Errorf("reading or writing the file that is measured: %w", err)
	}
	return r, nil
}

// lane does one request after another until end, from the part of the file that
// begins at base, and gives what each took.
func (w work) lane(ctx context.Context, f *os.File, base uint64, next *atomic.Uint64, random *rand.Rand, end time.Time) (took []time.Duration, err error) {
	// A mapping is aligned as O_DIRECT wants it.
	b, err := unix.Mmap(-1, 0, int(w.Block), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("making room for a block: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Munmap(b)) }()
	blocks := w.part() / w.Block
	for ctx.Err() == nil {
		begin := time.Now()
		if !begin.Before(end) {
			return took, nil
		}
		at := (next.Add(1) - 1) % blocks
		if w.Random {
			at = random.Uint64N(blocks)
		}
		var n int
		if at := int64(base + at*w.Block); w.Write {
			n, err = f.WriteAt(b, at)
		} else {
			n, err = f.ReadAt(b, at)
		}
		if err != nil {
			return took, err
		}
		if uint64(n) != w.Block {
			return took, fmt.Errorf("%d of %d bytes at once", n, w.Block)
		}
		took = append(took, time.Since(begin))
	}
	return took, nil
}
