// SPDX-License-Identifier: Apache-2.0

package nfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nicwright/nicwright/internal/program"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// fio has fio do the work, in the namespaces of this process.
func fio(ctx context.Context, w work) (result, error) {
	out, err := program.Output(ctx, program.Spec{Args: w.fioArgs()})
	if err != nil {
		return result{}, fmt.Errorf("running fio: %w: %.300q", err, out)
	}
	r, err := parseFio([]byte(out), w.Write)
	if err != nil {
		return r, fmt.Errorf("reading what fio measured: %w", err)
	}
	return r, nil
}

// fioArgs are fio's words for the work.
func (w work) fioArgs() []string {
	verb := "read"
	if w.Write {
		verb = "write"
	}
	if w.Random {
		verb = "rand" + verb
	}
	return []string{
		w.Program, "--name=nicwright", "--filename=" + w.File, "--rw=" + verb, fmt.Sprintf("--bs=%d", w.Block), "--direct=1", "--ioengine=libaio",
		fmt.Sprintf("--iodepth=%d", w.Depth), fmt.Sprintf("--numjobs=%d", w.Jobs), fmt.Sprintf("--size=%d", w.part()), fmt.Sprintf("--offset_increment=%d", w.part()),
		"--norandommap", "--fallocate=none", "--group_reporting", "--thread", "--time_based", fmt.Sprintf("--runtime=%dms", w.Window.Milliseconds()), "--output-format=json",
	}
}

// parseFio reads fio's JSON: one group, of reads or writes. Lines of fio's warnings may
// stand before it.
func parseFio(text []byte, write bool) (r result, err error) {
	type side struct {
		Bytes   uint64  `json:"io_bytes"`
		Runtime float64 `json:"runtime"` // ms
		Ops     uint64  `json:"total_ios"`
		Latency struct {
			Mean       float64            `json:"mean"` // ns
			Max        float64            `json:"max"`
			N          uint64             `json:"N"`
			Percentile map[string]float64 `json:"percentile"`
		} `json:"clat_ns"`
	}
	var doc struct {
		Jobs []struct {
			Error int  `json:"error"`
			Read  side `json:"read"`
			Write side `json:"write"`
		} `json:"jobs"`
	}
	for len(text) > 0 && text[0] != '{' {
		text = text[1:]
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return r, err
	}
	if len(doc.Jobs) != 1 {
		return r, fmt.Errorf("it has %d groups of jobs, and not one", len(doc.Jobs))
	}
	j := doc.Jobs[0]
	if j.Error != 0 {
		return r, fmt.Errorf("a job ended with the error %d", j.Error)
	}
	s := j.Read
	if write {
		s = j.Write
	}
	if s.Bytes == 0 || !(s.Runtime > 0) {
		return r, errors.New("nothing was read or written")
	}
	r.Bytes, r.Operations, r.Seconds = s.Bytes, s.Ops, s.Runtime/1e3
	at := func(p string) float64 { return s.Latency.Percentile[p] / 1e9 }
	r.Latency = sample.Percentiles{Count: s.Latency.N, Mean: s.Latency.Mean / 1e9, P50: at("50.000000"), P90: at("90.000000"), P99: at("99.000000"), P999: at("99.900000")}
	// fio's percentiles are those of buckets, and may lie above its greatest.
	r.Latency.Max = max(s.Latency.Max/1e9, r.Latency.P999)
	return r, nil
}
