// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/prometheus/procfs"
)

// Process is one of this boot: a PID is given again, with another start.
type Process struct {
	PID int `json:"pid"`
	// Start is when it began, in clock ticks since the boot (proc_pid_stat(5), field 22).
	Start uint64 `json:"start"`
}

// ProcessOf is a process that runs. errors.Is(err, fs.ErrNotExist) where none does.
func ProcessOf(pid int) (*Process, error) {
	p, err := procfs.NewProc(pid)
	var s procfs.ProcStat
	if err == nil {
		s, err = p.Stat()
	}
	if errors.Is(err, syscall.ESRCH) { // it ended between the two
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("looking for process %d: %w", pid, err)
	}
	if s.State == "Z" || s.State == "X" {
		return nil, fmt.Errorf("process %d has ended: %w", pid, fs.ErrNotExist)
	}
	return &Process{PID: pid, Start: s.Starttime}, nil
}

// Stale tells a lease whose process has ended; boot is that of the running kernel. A
// process that cannot be looked at is taken to run.
func (l *Lease) Stale(boot string) bool {
	if l.Process == nil || l.State != Leased {
		return false
	}
	if l.Boot != boot {
		return true
	}
	now, err := ProcessOf(l.Process.PID)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	return now.Start != l.Process.Start
}
