// SPDX-License-Identifier: Apache-2.0

package confirm

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"

	"github.com/nicwright/nicwright/internal/systemd"
)

// startUnit starts the watchdog as a transient service of systemd, which starts it
// again when it is killed, and returns when it has said that it is armed.
func startUnit(ctx context.Context, s Spec) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("starting a watchdog by systemd: %w", err)
	}
	conn, err := systemd.Connect(ctx)
	if err != nil {
		return fmt.Errorf("starting a watchdog by systemd: %w", err)
	}
	defer conn.Close()
	// A name that no earlier one has: that may be waiting to be started again.
	name := "nicwright-confirm-" + strconv.FormatInt(time.Now().UnixNano(), 36) + ".service"
	result := make(chan string, 1)
	if _, err := conn.StartTransientUnitContext(ctx, name, "fail", properties(exe, s), result); err != nil {
		return fmt.Errorf("starting the watchdog %s by systemd: %w", name, err)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("starting the watchdog %s by systemd: it did not say within %v that it is armed", name, s.Limit)
	case r := <-result:
		if r != "done" {
			return fmt.Errorf("starting the watchdog %s by systemd: its job ended as %q: see `journalctl -u %s`", name, r, name)
		}
	}
	return nil
}

// properties are those of the unit (systemd.service(5), in the D-Bus notation of
// org.freedesktop.systemd1(5)).
func properties(exe string, s Spec) []dbus.Property {
	set := func(name string, value any) dbus.Property {
		return dbus.Property{Name: name, Value: godbus.MakeVariant(value)}
	}
	shutdown := []string{"shutdown.target"}
	return []dbus.Property{
		dbus.PropDescription("nicwright: go back unless the operation is confirmed"),
		dbus.PropExecStart(append([]string{exe}, s.Args...), false),
		dbus.PropType("notify"),
		set("Restart", "on-failure"),
		set("RestartUSec", uint64(time.Second/time.Microsecond)),
		set("StartLimitIntervalUSec", uint64(0)), // however often it is killed
		set("TimeoutStartUSec", uint64(s.Limit/time.Microsecond)),
		set("CollectMode", "inactive-or-failed"),
		set("OOMScoreAdjust", int32(-900)),
		// Of a watchdog that is killed, an act that it began apart goes on.
		set("KillMode", "process"),
		// The default dependencies have it wait for sysinit.target, and that may wait for the unit of a boot.
		set("DefaultDependencies", false),
		set("Conflicts", shutdown),
		set("Before", shutdown),
	}
}

// SayReady tells systemd, where that started this process, that it is armed.
func SayReady() error {
	if _, err := daemon.SdNotify(true, daemon.SdNotifyReady); err != nil {
		return fmt.Errorf("telling systemd that the watchdog is armed: %w", err)
	}
	return nil
}
