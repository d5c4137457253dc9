// SPDX-License-Identifier: Apache-2.0

package kernellog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Record is one message of the kernel's log.
type Record struct {
	Level   int           // 0 (emergency) to 7 (debug), as in include/linux/kern_levels.h
	User    bool          // a process wrote it, and not the kernel
	At      time.Duration // since the machine's start
	Message string
}

// Warning is the level of what is a warning; what is worse has a smaller one.
const Warning = 4

// maxRecord is more than the longest record of /dev/kmsg in bytes (PRINTK_MESSAGE_MAX,
// kernel/printk/internal.h): a buffer that is too small is EINVAL.
const maxRecord = 8192

// Log is the kernel's log, open at a place in it.
type Log struct{ fd int }

// Open opens /dev/kmsg at its oldest message. Needs CAP_SYSLOG where
// kernel.dmesg_restrict is set.
func Open() (*Log, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the kernel's log /dev/kmsg: %w; it takes root, and CAP_SYSLOG where kernel.dmesg_restrict is set", err)
	}
	return &Log{fd}, nil
}

// Skip goes behind the last message: what is read next is what comes from now on.
func (l *Log) Skip() error {
	if _, err := unix.Seek(l.fd, 0, unix.SEEK_END); err != nil {
		return fmt.Errorf("going to the end of the kernel's log: %w", err)
	}
	return nil
}

// Close closes it.
func (l *Log) Close() error {
	if err := unix.Close(l.fd); err != nil {
		return fmt.Errorf("closing the kernel's log: %w", err)
	}
	return nil
}

// Read gives each message that is there, oldest first, and waits for none. lost: some
// were overwritten before they were read.
func (l *Log) Read(ctx context.Context, each func(Record)) (lost bool, err error) {
	return read(ctx, func(b []byte) (int, error) { return unix.Read(l.fd, b) }, each)
}

// read reads until there is no more. One read gives one record
// (Documentation/ABI/testing/dev-kmsg).
func read(ctx context.Context, next func([]byte) (int, error), each func(Record)) (lost bool, err error) {
	buf := make([]byte, maxRecord)
	for {
		if ctx.Err() != nil {
			return lost, fmt.Errorf("reading the kernel's log: %w", context.Cause(ctx))
		}
		n, err := next(buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN), err == nil && n == 0:
			return lost, nil
		case errors.Is(err, unix.EPIPE):
			lost = true
		case err != nil:
			return lost, fmt.Errorf("reading the kernel's log: %w", err)
		default:
			if r, ok := parse(string(buf[:n])); ok {
				each(r)
			}
		}
	}
}

// parse reads "PRIORITY,SEQUENCE,MICROSECONDS,FLAGS[,...];MESSAGE", and leaves the lines
// behind it, which say the device once more. PRIORITY is the syslog facility, times
// eight, and the level; only the kernel writes with facility 0.
func parse(text string) (Record, bool) {
	head, rest, ok := strings.Cut(text, ";")
	fields := strings.Split(head, ",")
	if !ok || len(fields) < 3 {
		return Record{}, false
	}
	priority, errPriority := strconv.ParseUint(fields[0], 10, 31)
	us, errTime := strconv.ParseUint(fields[2], 10, 63)
	if errPriority != nil || errTime != nil {
		return Record{}, false
	}
	message, _, _ := strings.Cut(rest, "\n")
	return Record{Level: int(priority & 7), User: priority>>3 != 0, At: time.Duration(us%1e15) * time.Microsecond, Message: message}, true
}

// of are what the messages about a SmartNIC have in them: mlx5's and openvswitch's name
// their module or device, bonding's the bond and "(slave NAME)", and nicwright its own.
var of = []string{"mlx5", "openvswitch", "bonding", "(slave ", "nicwright:", "devlink"}

// OfDrivers tells a message of the drivers that nicwright drives.
func (r Record) OfDrivers() bool {
	for _, word := range of {
		if strings.Contains(r.Message, word) {
			return true
		}
	}
	return false
}

// String is the message as dmesg(1) prints it.
func (r Record) String() string { return fmt.Sprintf("[%12.6f] %s", r.At.Seconds(), r.Message) }
