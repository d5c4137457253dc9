// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/kernellog"
	"github.com/nicwright/nicwright/lab/internal/wire"
)

// kernelFollower reads the kernel's log from the machine's start on and sends
// what is an error of the kernel.
type kernelFollower struct {
	f    *os.File
	done chan struct{}
}

func followKernel(conn *wire.Conn) (*kernelFollower, error) {
	f, err := os.OpenFile("/dev/kmsg", os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("open the kernel's log: %w", err)
	}
	k := &kernelFollower{f: f, done: make(chan struct{})}
	go func() {
		defer close(k.done)
		var scan kernellog.Scanner
		planted := false
		record := make([]byte, 8192)
		for {
			n, err := f.Read(record)
			if errors.Is(err, unix.EPIPE) {
				continue // records were overwritten before we read them
			}
			if err != nil {
				return
			}
			// "level,sequence,time,flags;text", then lines of key=value.
			_, text, ok := strings.Cut(string(record[:n]), ";")
			if !ok {
				continue
			}
			text, _, _ = strings.Cut(text, "\n")
			if kernellog.Begins(text) {
				planted = strings.Contains(text, "cx_fault_warn") // lab/connectx/fault.c: a test asked for it
			}
			if scan.Line(text) && !planted {
				_ = conn.Send(wire.Kernel, []byte(text+"\n"))
			}
		}
	}()
	return k, nil
}

// drain sends what the kernel has said until now.
func (k *kernelFollower) drain() {
	_ = k.f.SetReadDeadline(time.Now().Add(150 * time.Millisecond))
	<-k.done
}
