// SPDX-License-Identifier: Apache-2.0

package rounds

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/cgroup"
	"github.com/nicwright/nicwright/internal/cpu"
)

// Used is what was used between two looks, in seconds.
type Used struct {
	Server     cgroup.Stat `json:"server"`
	Client     cgroup.Stat `json:"client"`
	Processors int         `json:"processors"`
	User       float64     `json:"user"`  // of the whole machine, outside of the kernel
	Steal      float64     `json:"steal"` // by a hypervisor
	Busy       float64     `json:"busy"`  // of the whole machine, softirq and all
	Known      bool        `json:"known"` // Busy could be measured
}

// Meter looks at the two cgroups of a run and at the machine. Server and Client are
// files (cgroup.Group.StatFile), Client "" where that is on another host.
type Meter struct {
	Server, Client string
	exact          *cpu.Meter
}

// NewMeter makes one. Where the kernel does not account idle time exactly, busy time
// is not told.
func NewMeter(server, client string) *Meter {
	m := &Meter{Server: server, Client: client}
	if exact, err := cpu.New(); err == nil {
		m.exact = exact
	}
	return m
}

// Look is all of it at one time.
type Look struct {
	server, client cgroup.Stat
	ticks          [8]uint64 // of /proc/stat, of all processors
	cpus           int
	exact          cpu.Reading
	known          bool
}

// Look looks.
func (m *Meter) Look() (l Look, err error) {
	var errs [3]error
	l.server, errs[0] = cgroup.ReadStat(m.Server)
	if m.Client != "" {
		l.client, errs[1] = cgroup.ReadStat(m.Client)
	}
	b, err := os.ReadFile("/proc/stat")
	if err == nil {
		l.ticks, l.cpus, err = parseStat(string(b))
	}
	errs[2] = err
	if m.exact != nil {
		l.exact, err = m.exact.Read()
		l.known = err == nil
	}
	return l, errors.Join(errs[:]...)
}

// Window is what was used from At(true) to At(false).
type Window struct {
	meter *Meter
	first Look
	used  Used
	errs  []error
}

// Window begins one.
func (m *Meter) Window() *Window { return &Window{meter: m} }

// At looks, as the window opens and as it closes.
func (w *Window) At(open bool) {
	now, err := w.meter.Look()
	w.errs = append(w.errs, err)
	if open {
		w.first = now
	} else {
		w.used = now.Since(w.first)
	}
}

// Used is what was used, or why it is not known.
func (w *Window) Used() (Used, error) { return w.used, errors.Join(w.errs...) }

// userHZ is the unit of /proc/stat, in 1/s.
const userHZ = 100

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

// Since is what was used after an earlier look.
func (l Look) Since(from Look) Used {
	moved := func(columns ...int) (s float64) {
		for _, i := range columns {
			s += float64(l.ticks[i]-from.ticks[i]) / userHZ
		}
		return s
	}
	d := Used{Server: l.server.Since(from.server), Client: l.client.Since(from.client), Processors: l.cpus, User: moved(0, 1), Steal: moved(7)}
	if l.known && from.known {
		d.Busy, d.Known = l.exact.Busy(from.exact)
	}
	return d
}
