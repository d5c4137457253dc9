// SPDX-License-Identifier: Apache-2.0

// Package cpu tells how long the machine's processors have been busy, by what
// the kernel accounts exactly, or that this kernel does not.
//
// What /proc/stat counts as user, system and softirq time is, on most kernels,
// what a clock tick happened to meet, 100 or 250 times a second: work that comes in
// bursts, as a network's does, is missed or counted double. Idle time is not: a
// kernel that stops its ticks while idle (NO_HZ) takes it from the clock at each
// entry into and exit from idleness, interrupts and softirqs excluded
// (kernel/time/tick-sched.c, get_cpu_idle_time_us; fs/proc/stat.c). So busy is what
// is neither idle, nor waiting for a disk, nor stolen by a hypervisor.
package cpu

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// userHZ is the unit of /proc/stat: USER_HZ is 100 on every architecture that
// nicwright is built for (include/asm-generic/param.h).
const userHZ = 100

// Resolution is the most by which a difference of two readings can be wrong, in
// seconds: each of its three columns is cut to 1/100 s.
const Resolution = 3.0 / userHZ

// ErrInexact is that the kernel samples idle time with its clock ticks.
var ErrInexact = errors.New("the kernel does not account idle time exactly: it runs its clock tick on idle processors as well (nohz=off, or without CONFIG_NO_HZ_COMMON)")

// Reading is a look at all processors together.
type Reading struct {
	clock time.Duration // CLOCK_MONOTONIC
	cpus  int           // online
	idle  uint64        // idle, waiting for disks and stolen, in 1/userHZ s
}

// Meter reads what the processors do.
type Meter struct {
	root string // "" is /
}

// New is the meter of this machine; errors.Is(err, [ErrInexact]) where it cannot
// be exact. It needs root: what tells is /proc/timer_list.
func New() (*Meter, error) { return at("") }

func at(root string) (*Meter, error) {
	m := &Meter{root}
	exact, err := m.exact()
	if err != nil {
		return nil, fmt.Errorf("looking how the kernel accounts idle time: %w", err)
	}
	if !exact {
		return nil, ErrInexact
	}
	return m, nil
}

func (m *Meter) read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join("/", m.root, name))
}

// exact tells whether every processor has left the mode in which its tick always
// runs (nohz_mode 0, NOHZ_MODE_INACTIVE).
func (m *Meter) exact() (bool, error) {
	b, err := m.read("proc/timer_list")
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // without CONFIG_PROC_FS's timer list nothing tells
	}
	if err != nil {
		return false, err
	}
	modes := 0
	for line := range bytes.Lines(b) {
		// "  .nohz_mode      : 2"; since Linux 6.9 "  .nohz           : 1" (kernel/time/timer_list.c).
		name, value, ok := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		switch string(bytes.TrimSpace(name)) {
		case ".nohz_mode", ".nohz":
		default:
			continue
		}
		if !ok || string(bytes.TrimSpace(value)) == "0" {
			return false, nil
		}
		modes++
	}
	return modes > 0, nil
}

// Read looks.
func (m *Meter) Read() (Reading, error) {
	b, err := m.read("proc/stat")
	if err != nil {
		return Reading{}, fmt.Errorf("reading how long the processors were idle: %w", err)
	}
	r, err := parse(b)
	if err != nil {
		return r, err
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return r, fmt.Errorf("reading the clock: %w", err)
	}
	r.clock = time.Duration(now.Nano())
	return r, nil
}

// Busy is the seconds that all processors together were busy since an earlier
// reading, right to [Resolution]; false where a processor came or went meanwhile.
func (r Reading) Busy(since Reading) (float64, bool) {
	if r.cpus != since.cpus || r.idle < since.idle {
		return 0, false
	}
	busy := float64(r.cpus)*(r.clock-since.clock).Seconds() - float64(r.idle-since.idle)/userHZ
	return max(busy, 0), true
}

func parse(stat []byte) (r Reading, err error) {
	for line := range bytes.Lines(stat) {
		f := bytes.Fields(line)
		if len(f) == 0 || !bytes.HasPrefix(f[0], []byte("cpu")) {
			continue
		}
		if string(f[0]) != "cpu" {
			r.cpus++
			continue
		}
		// user, nice, system, idle, iowait, irq, softirq, steal, ...
		for _, i := range []int{4, 5, 8} {
			if i >= len(f) {
				return r, fmt.Errorf("reading how long the processors were idle: /proc/stat has %q", line)
			}
			n, err := strconv.ParseUint(string(f[i]), 10, 64)
			if err != nil {
				return r, fmt.Errorf("reading how long the processors were idle, /proc/stat: %w", err)
			}
			r.idle += n
		}
	}
	if r.cpus == 0 {
		return r, errors.New("reading how long the processors were idle: /proc/stat names no processor")
	}
	return r, nil
}
