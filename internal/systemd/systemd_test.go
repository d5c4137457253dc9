// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"os"
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
