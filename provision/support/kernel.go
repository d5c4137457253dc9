// SPDX-License-Identifier: Apache-2.0

package support

import (
	"bytes"
	"context"
	"errors"

	"github.com/nicwright/nicwright/internal/kernellog"
)

// KernelLog gives the messages of the drivers that are in the kernel's ring now, oldest
// first, as dmesg(1) prints them. Needs CAP_SYSLOG where kernel.dmesg_restrict is set.
func KernelLog(ctx context.Context) (_ []byte, err error) {
	log, err := kernellog.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	var out bytes.Buffer
	lost, err := log.Read(ctx, func(r kernellog.Record) {
		if r.OfDrivers() {
			out.WriteString(r.String() + "\n")
		}
	})
	if lost {
		out.WriteString("... messages were overwritten while this was read\n")
	}
	return out.Bytes(), err
}
