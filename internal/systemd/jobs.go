// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// ErrNotBooted is what errors.Is finds where systemd is not process 1, as in a chroot in
// which an image is made (sd_booted(3)).
var ErrNotBooted = errors.New("systemd does not run here")

// Booted says whether systemd is process 1 below a root directory. errors.Is(err, ErrNotBooted).
func Booted(root string) error {
	if info, err := os.Lstat(filepath.Join("/", root, "run/systemd/system")); err != nil || !info.IsDir() {
		return ErrNotBooted
	}
	return nil
}

// Start starts a unit, or waits for it where that is under way, and returns when it is
// up. Its error says as what the job ended.
func Start(ctx context.Context, unit string) error {
	return job(ctx, "starting "+unit, func(c *dbus.Conn, result chan<- string) error {
		_, err := c.StartUnitContext(ctx, unit, "replace", result)
		return err
	})
}

// Apart starts a command in a transient service, which lives on when this process and the
// one that called it end, at low priority, and goes away when the command has ended.
func Apart(ctx context.Context, unit, description string, command []string) error {
	return job(ctx, "starting "+unit, func(c *dbus.Conn, result chan<- string) error {
		_, err := c.StartTransientUnitContext(ctx, unit, "fail", apart(description, command), result)
		return err
	})
}

// apart are the unit's properties (org.freedesktop.systemd1(5)).
func apart(description string, command []string) []dbus.Property {
	return []dbus.Property{
		dbus.PropDescription(description),
		dbus.PropExecStart(command, false),
		dbus.PropType("exec"),
		{Name: "Nice", Value: godbus.MakeVariant(int32(10))},
		{Name: "CollectMode", Value: godbus.MakeVariant("inactive-or-failed")},
	}
}

// Reboot has the host shut down in order and boot anew, as `systemctl reboot` does.
func Reboot(ctx context.Context) error {
	c, err := Connect(ctx)
	if err != nil {
		return fmt.Errorf("rebooting: %w", err)
	}
	defer c.Close()
	if _, err := c.StartUnitContext(ctx, "reboot.target", "replace-irreversibly", nil); err != nil {
		return fmt.Errorf("rebooting: %w", err)
	}
	return nil
}

func job(ctx context.Context, what string, begin func(*dbus.Conn, chan<- string) error) error {
	c, err := Connect(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer c.Close()
	result := make(chan string, 1)
	if err := begin(c, result); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	case r := <-result:
		if r != "done" {
			return fmt.Errorf("%s: its job ended as %q", what, r)
		}
	}
	return nil
}
