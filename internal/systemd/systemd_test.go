// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Where there is no systemd the error has the answers of both ways.
func TestConnectWhereThereIsNone(t *testing.T) {
	for _, socket := range []string{"/run/systemd/private", "/run/dbus/system_bus_socket", "/var/run/dbus/system_bus_socket"} {
		if _, err := os.Stat(socket); err == nil {
			t.Skip("there is one here: " + socket)
		}
	}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
	c, err := Connect(t.Context())
	if err == nil {
		c.Close()
		t.Fatal("it was reached")
	}
	for _, w := range []string{"reaching systemd", "/run/systemd/private", "/nonexistent/bus"} {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q lacks %q", err, w)
		}
	}
}

func TestWhereSystemdDoesNotRun(t *testing.T) {
	root := t.TempDir()
	if err := Booted(root); !errors.Is(err, ErrNotBooted) {
		t.Errorf("an empty root: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(root, "run/systemd/system"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Booted(root); err != nil {
		t.Error(err)
	}
	if Booted("") == nil {
		t.Skip("it runs here")
	}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
	for what, err := range map[string]error{
		"starting x.service": Start(t.Context(), "x.service"),
		"starting y.service": Apart(t.Context(), "y.service", "", []string{"/bin/true"}),
		"rebooting":          Reboot(t.Context()),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), what+": ") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestTheUnitApartHasACommand(t *testing.T) {
	has := map[string]string{}
	for _, p := range apart("why", []string{"/usr/bin/nicwright", "x"}) {
		has[p.Name] = p.Value.String()
	}
	for name, want := range map[string]string{"Description": "why", "ExecStart": "/usr/bin/nicwright", "Type": "exec", "Nice": "10", "CollectMode": "inactive-or-failed"} {
		if !strings.Contains(has[name], want) {
			t.Errorf("%s is %s, and not %s", name, has[name], want)
		}
	}
}
