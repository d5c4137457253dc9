// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"fmt"

	"github.com/coreos/go-systemd/v22/dbus"

	"github.com/nicwright/nicwright/internal/systemd"
)

// ErrNoSystemd is returned where systemd does not run.
var ErrNoSystemd = systemd.ErrNotBooted

// Running is how the unit is, as systemd has it.
type Running struct {
	Load   string `json:"load"`             // loaded, not-found, ...
	Active string `json:"active"`           // active, failed, activating, inactive
	Status int    `json:"status,omitempty"` // exit status of its last attempt
	Result string `json:"result,omitempty"` // success, exit-code, timeout, start-limit-hit, ...
	Says   string `json:"says,omitempty"`   // the last sentence that the tool gave it
}

// Reload has systemd read its units again, as `systemctl daemon-reload` does.
func Reload(ctx context.Context) error {
	return overDBus(ctx, func(c *dbus.Conn) error { return c.ReloadContext(ctx) })
}

// Stop has systemd give up the units and their retries. What was applied stays: they
// take nothing back.
func Stop(ctx context.Context) error {
	return overDBus(ctx, func(c *dbus.Conn) error {
		for _, unit := range []string{WatchUnit, TrialUnit, Unit} {
			if err := stop(ctx, c, unit); err != nil {
				return err
			}
		}
		return nil
	})
}

func stop(ctx context.Context, c *dbus.Conn, unit string) error {
	now, err := c.GetUnitPropertiesContext(ctx, unit)
	if err != nil || runningOf(now, nil).Active == "inactive" {
		return err // one that does not run may not even be loaded, and cannot be stopped
	}
	done := make(chan string, 1)
	if _, err := c.StopUnitContext(ctx, unit, "replace", done); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Ask says how the unit is.
func Ask(ctx context.Context) (Running, error) {
	var r Running
	err := overDBus(ctx, func(c *dbus.Conn) error {
		all, err := c.GetUnitPropertiesContext(ctx, Unit)
		if err != nil {
			return err
		}
		more, err := c.GetUnitTypePropertiesContext(ctx, Unit, "Service")
		if err != nil {
			return err
		}
		r = runningOf(all, more)
		return nil
	})
	return r, err
}

// runningOf reads properties of org.freedesktop.systemd1.Unit and .Service.
func runningOf(unit, service map[string]any) Running {
	text := func(m map[string]any, key string) string {
		s, _ := m[key].(string)
		return s
	}
	status, _ := service["ExecMainStatus"].(int32)
	return Running{Status: int(status), Load: text(unit, "LoadState"), Active: text(unit, "ActiveState"), Result: text(service, "Result"), Says: text(service, "StatusText")}
}

func overDBus(ctx context.Context, do func(*dbus.Conn) error) error {
	if systemd.Booted("") != nil {
		return ErrNoSystemd
	}
	c, err := systemd.Connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := do(c); err != nil {
		return fmt.Errorf("asking systemd over D-Bus: %w", err)
	}
	return nil
}
