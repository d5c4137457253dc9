// SPDX-License-Identifier: Apache-2.0

// Package cpu tells how long the machine's processors have been busy.
package cpu

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// userHZ is the unit of /proc/stat: USER_HZ is 100 on every architecture that
// nicwright is built for (include/asm-generic/param.h).
const userHZ = 100

// Busy is the seconds that all processors together have been busy since boot,
// with interrupts, without idling, waiting for disks and what was stolen
// (proc_stat(5)). Its steps are 1/100 s.
func Busy() (float64, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("reading how long the processors were busy: %w", err)
	}
	return parse(b)
}

func parse(stat []byte) (float64, error) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	f := bytes.Fields(line)
	if len(f) < 8 || string(f[0]) != "cpu" {
		return 0, fmt.Errorf("reading how long the processors were busy: /proc/stat starts with %q", line)
	}
	var ticks uint64
	for i, name := range f[1:8] { // user, nice, system, idle, iowait, irq, softirq
		if i == 3 || i == 4 {
			continue
		}
		n, err := strconv.ParseUint(string(name), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading how long the processors were busy, /proc/stat: %w", err)
		}
		ticks += n
	}
	return float64(ticks) / userHZ, nil
}
