// SPDX-License-Identifier: Apache-2.0

package support

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// of are what the drivers' messages have in them: mlx5's and openvswitch's name their
// module or device, bonding's the bond and "(slave NAME)", and nicwright its own name.
var of = []string{"mlx5", "openvswitch", "bonding", "(slave ", "nicwright:", "devlink"}

// maxRecord is more than the longest record of /dev/kmsg in bytes (PRINTK_MESSAGE_MAX,
// kernel/printk/internal.h): a buffer that is too small is EINVAL.
const maxRecord = 8192

// KernelLog reads the messages of the drivers that are in the kernel's ring now, oldest
// first, and waits for none. Needs CAP_SYSLOG where kernel.dmesg_restrict is set.
func KernelLog(ctx context.Context) ([]byte, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the kernel's log /dev/kmsg: %w; run it as root", err)
	}
	defer func() { _ = unix.Close(fd) }()
	return records(ctx, func(b []byte) (int, error) { return unix.Read(fd, b) })
}

// records reads until there is no more. One read gives one record
// (Documentation/ABI/testing/dev-kmsg).
func records(ctx context.Context, read func([]byte) (int, error)) ([]byte, error) {
	var out bytes.Buffer
	buf := make([]byte, maxRecord)
	for {
		if ctx.Err() != nil {
			return out.Bytes(), fmt.Errorf("reading the kernel's log: %w", context.Cause(ctx))
		}
		n, err := read(buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN), err == nil && n == 0:
			return out.Bytes(), nil
		case errors.Is(err, unix.EPIPE):
			out.WriteString("... messages were overwritten while this was read\n")
		case err != nil:
			return out.Bytes(), fmt.Errorf("reading the kernel's log: %w", err)
		default:
			if line, ok := record(string(buf[:n])); ok {
				out.WriteString(line)
			}
		}
	}
}

// record is a message of the drivers as dmesg(1) prints it; what is none is not ok.
func record(text string) (string, bool) {
	head, rest, ok := strings.Cut(text, ";")
	message, _, _ := strings.Cut(rest, "\n") // what follows says the device once more
	fields := strings.Split(head, ",")
	if !ok || len(fields) < 3 {
		return "", false
	}
	us, err := strconv.ParseUint(fields[2], 10, 63)
	if err != nil {
		return "", false
	}
	for _, word := range of {
		if strings.Contains(message, word) {
			at := time.Duration(us%1e15) * time.Microsecond
			return fmt.Sprintf("[%12.6f] %s\n", at.Seconds(), message), true
		}
	}
	return "", false
}
