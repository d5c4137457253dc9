// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"slices"

	"golang.org/x/perf/benchmath"

	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/provision/baseline"
)

// LeastRuns is how many runs speed is judged from, on each side: with fewer, not even
// runs that do not overlap would tell less than one chance in a hundred.
const LeastRuns = 5

// alpha is how likely chance alone may make as much of a difference, looked at from one side.
const alpha = 0.01

// DefaultFloor is the least loss that counts, as a part.
const DefaultFloor = 0.1

// figure is something that is measured of a proof.
type figure struct {
	name string
	unit string
	of   func(baseline.Result) float64 // 0: not measured
	more bool                          // more is better
}

var figures = []figure{
	{"throughput", "Mbit/s", func(r baseline.Result) float64 { return float64(r.Bytes) * 8 / 1e6 / max(r.Seconds, 1e-9) }, true},
	{"processor time", "CPU s/GB", func(r baseline.Result) float64 { return r.CPU / max(float64(r.Bytes), 1) * 1e9 }, false},
}

// speed judges what became slower or dearer. What became faster is noise.
func (c *comparison) speed() {
	keys, before := cells(c.a)
	_, after := cells(c.b)
	few := false
	for _, key := range keys {
		was, is := before[key], after[key]
		if is == nil || !slices.Equal(was.verdicts(), is.verdicts()) || len(was.verdicts()) > 1 || was.results[0].Bytes == 0 {
			continue
		}
		if v := was.verdicts()[0]; v != proof.Offloaded && v != proof.Software {
			continue
		}
		if len(was.results) < LeastRuns || len(is.results) < LeastRuns {
			few = true
			continue
		}
		for _, f := range figures {
			c.judge(f, was, is)
		}
	}
	if few {
		c.add(Finding{Class: Noise, Area: Speed, What: "all of it", Words: fmt.Sprintf("not judged: that takes %d runs on each side (--runs)", LeastRuns)})
	}
}

func (c *comparison) judge(f figure, was, is *cell) {
	values := func(of *cell) *benchmath.Sample {
		var all []float64
		for _, r := range of.results {
			if v := f.of(r); r.Bytes > 0 && v > 0 {
				all = append(all, v)
			}
		}
		return benchmath.NewSample(all, &benchmath.DefaultThresholds)
	}
	a, b := values(was), values(is)
	if len(a.Values) < LeastRuns || len(b.Values) < LeastRuns {
		return
	}
	before, after := median(a.Values), median(b.Values)
	worse := after/before - 1
	if f.more {
		worse = before/after - 1
	}
	// Of the two sides of the test, the one on which it became worse.
	p := benchmath.AssumeNothing.Compare(a, b).P / 2
	if floor := max(c.o.Floor, spread(a.Values)); worse < floor || p > alpha {
		return
	}
	found := Finding{
		Class: Broken, Area: Speed, What: f.name + " of " + is.name, Before: fmt.Sprintf("%.4g %s", before, f.unit), After: fmt.Sprintf("%.4g %s", after, f.unit),
		Words: fmt.Sprintf("%.0f%% worse by the median of %d runs and %d, p = %.2g; this host's own spread was %.0f%%", worse*100, len(a.Values), len(b.Values), p, spread(a.Values)*100),
	}
	if was.busy || is.busy {
		found.Class, found.Words = Inconclusive, found.Words+"; others' traffic went over the uplinks meanwhile"
	}
	c.add(found)
}

// median of values in ascending order.
func median(v []float64) float64 {
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// spread is how far the inner half of values in ascending order lies apart, as a part of
// their median.
func spread(v []float64) float64 {
	n := len(v)
	return (v[n-1-n/4] - v[n/4]) / median(v)
}
