// SPDX-License-Identifier: Apache-2.0

// Package metrics gives what a watch knows, and what card and kernel count, to
// Prometheus. Counters are read when they are asked for, and not in between.
package metrics

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/trial"
	"github.com/nicwright/nicwright/provision/watch"
)

// Sample is one value of a family, with the values of its labels in their order.
type Sample struct {
	Family string
	Value  float64
	Labels []string
}

// Collector is a prometheus.Collector of a watch.
type Collector struct {
	Version string
	State   func() watch.State
	Counts  func() map[string]watch.Count
	// Read reads what card and kernel count.
	Read func(context.Context, watch.Sight) []Sample
	// Verified is the last verification that was kept, nil where there was none.
	Verified func() (*journal.Verified, error)
	// Kernels is how the kernels stand, nil where none is on trial.
	Kernels func() (*trial.Status, error)
	// Every is the least time between two reads: who asks more often gets what was read before.
	Every time.Duration

	mu   sync.Mutex
	at   time.Time
	kept []Sample
}

// readLimit is how long a read may take.
const readLimit = 20 * time.Second

// Describe gives all families there are.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range Families() {
		ch <- f.desc()
	}
}

func (f Family) desc() *prometheus.Desc { return prometheus.NewDesc(f.Name, f.Help, f.Labels, nil) }

// Collect gives the samples of now.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	families := map[string]Family{}
	for _, f := range Families() {
		families[f.Name] = f
	}
	state := c.State()
	told := map[string]bool{}
	all := append(ofState(state, c.Counts(), c.Version), ofVerified(c.Verified, state.Profiles)...)
	all = append(all, ofKernels(c.Kernels)...)
	for _, s := range append(all, c.counters(state.Sight)...) {
		f := families[s.Family]
		for i, l := range s.Labels { // names are of others' making
			s.Labels[i] = strings.ToValidUTF8(l, "?")
		}
		// Of two of one name, as netdevs can have for an instant, the first is told.
		id := f.Name + "\x00" + strings.Join(s.Labels, "\x00")
		if told[id] {
			continue
		}
		told[id] = true
		m, err := prometheus.NewConstMetric(f.desc(), f.Kind, s.Value, s.Labels...)
		if err != nil {
			m = prometheus.NewInvalidMetric(f.desc(), err)
		}
		ch <- m
	}
}

func (c *Collector) counters(sight watch.Sight) []Sample {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() || time.Since(c.at) >= c.Every {
		ctx, cancel := context.WithTimeout(context.Background(), readLimit)
		defer cancel()
		c.kept, c.at = c.Read(ctx, sight), time.Now()
	}
	kept := slices.Clone(c.kept)
	for i := range kept {
		kept[i].Labels = slices.Clone(kept[i].Labels)
	}
	return kept
}

// samples collects samples.
type samples []Sample

func (s *samples) add(family string, value float64, labels ...string) {
	*s = append(*s, Sample{family, value, labels})
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// ofState are the samples of what a watch knows.
func ofState(s watch.State, counts map[string]watch.Count, version string) []Sample {
	var out samples
	byProfile := map[string]int{}
	for at, n := range s.DriftsByResource() {
		out.add("nicwright_drift", float64(n), at[0], at[1])
		byProfile[at[0]] += n
	}
	_, blind := s.Unknown[""]
	for _, p := range s.Profiles {
		_, unknown := s.Unknown[p.Name]
		out.add("nicwright_drifts", float64(byProfile[p.Name]), p.Name)
		out.add("nicwright_drift_known", one(!blind && !unknown), p.Name)
		if p.Applied != nil {
			out.add("nicwright_applied_timestamp_seconds", seconds(*p.Applied), p.Name, p.Operation)
		}
		out.add("nicwright_repairs_total", float64(s.Repaired[p.Name]), p.Name, "done")
		out.add("nicwright_repairs_total", float64(s.NotRepaired[p.Name]), p.Name, "not-done")
	}
	for _, at := range s.FightsByResource() {
		out.add("nicwright_fight", 1, at[0], at[1])
	}
	out.add("nicwright_interrupted", one(s.Interrupted))
	for pf, n := range s.Sight.VFs {
		out.add("nicwright_vfs", float64(n), resource.OfFunction(pf).String())
	}
	out.add("nicwright_watch_info", 1, version)
	out.add("nicwright_watch_start_timestamp_seconds", seconds(s.Started))
	out.add("nicwright_watch_looks_total", float64(s.Looks), "done")
	out.add("nicwright_watch_looks_total", float64(s.Failed), "failed")
	if !s.LastLook.IsZero() {
		out.add("nicwright_watch_last_look_timestamp_seconds", seconds(s.LastLook))
		out.add("nicwright_watch_look_seconds", s.Took.Seconds())
	}
	out.add("nicwright_watch_busy", one(s.Busy))
	for source, n := range counts {
		out.add("nicwright_watch_events_total", float64(n.Events), source)
		out.add("nicwright_watch_events_lost_total", float64(n.Lost), source)
	}
	return out
}

// ofVerified are the samples of the last verification, if it was of a profile that is in
// force.
func ofVerified(last func() (*journal.Verified, error), in []watch.Profile) []Sample {
	var out samples
	v, err := last()
	out.add("nicwright_source_up", one(err == nil), "verified")
	if v == nil || !slices.ContainsFunc(in, func(p watch.Profile) bool { return p.Name == v.Profile }) {
		return out
	}
	out.add("nicwright_verified_timestamp_seconds", seconds(v.Ended))
	out.add("nicwright_verified_ok", one(v.OK()), "all")
	for kind, ok := range v.Kinds() {
		out.add("nicwright_verified_ok", one(ok), kind)
	}
	return out
}

// ofKernels are the samples of the kernel that is on trial.
func ofKernels(read func() (*trial.Status, error)) []Sample {
	var out samples
	s, err := read()
	out.add("nicwright_source_up", one(err == nil), "trial")
	if s != nil && s.Trial != nil {
		out.add("nicwright_kernel_trial", 1, s.Trial.Kernel, string(s.How))
	}
	return out
}
