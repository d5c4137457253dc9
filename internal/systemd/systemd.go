// SPDX-License-Identifier: Apache-2.0

// Package systemd reaches the manager that runs as process 1.
package systemd

import (
	"context"
	"errors"
	"fmt"

	"github.com/coreos/go-systemd/v22/dbus"
)

// Connect reaches systemd by its own socket, which is there for root also without a
// bus, as early in a boot, or else by the system bus. Its error has both answers.
func Connect(ctx context.Context) (*dbus.Conn, error) {
	c, own := dbus.NewSystemdConnectionContext(ctx)
	if own == nil {
		return c, nil
	}
	c, bus := dbus.NewSystemConnectionContext(ctx)
	if bus != nil {
		return nil, fmt.Errorf("reaching systemd over D-Bus: %w", errors.Join(own, bus))
	}
	return c, nil
}
