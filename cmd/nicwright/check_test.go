// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/profiles"
)

func status(err error) int {
	var s exitStatus
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &s):
		return s.code
	}
	return exitError
}

// Without a card: errors are in the status, warnings are not, and both have their place.
func TestCheckWithoutACard(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("version: 1\nname: x\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const card = "cards:\n  - name: nic0\n    select: {serial: A}\n    ports:\n      - {name: p0, port: 0, eswitch-mode: switchdev"
	wrong := file("wrong.yaml", card+", offload: {tls-hw-tx-offload: true}}\n")
	doubtful := file("doubtful.yaml", card+", inline-mode: link}\n")
	for _, tt := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"check", "vm-host", "--no-host"}, exitDone, []string{"vm-host: 0 errors, 0 warnings; this host was not looked at: --no-host"}},
		{[]string{"check", wrong, "--no-host"}, exitError, []string{wrong + ":7:83: NW101: tls-hw-tx-offload on nic0/p0", "        source: drivers/net/", "x: 1 errors, 0 warnings"}},
		{[]string{"check", doubtful, "--no-host"}, exitDone, []string{doubtful + ":7:67: NW118: warning: inline-mode of nic0/p0 is to be link", "x: 0 errors, 1 warnings"}},
		{[]string{"check", file("unreadable.yaml", "nonsense: 1\n"), "--no-host"}, exitError, []string{"unreadable.yaml:3:1: ", "the profile: 1 errors, 0 warnings; this host was not looked at: the profile cannot be read"}},
		{[]string{"check"}, exitUsage, nil},
		{[]string{"check", "--rules"}, exitDone, []string{"NW101 (error): TLS on an uplink", "NW170 (warning, looks at the host): ", "        source: "}},
	} {
		out, err := ran(t, tt.args...)
		if got := status(err); got != tt.code {
			t.Errorf("%v exited %d, want %d: %v\n%s", tt.args, got, tt.code, err, out)
		}
		for _, w := range tt.want {
			if !strings.Contains(out, w) {
				t.Errorf("%v does not say %q:\n%s", tt.args, w, out)
			}
		}
	}

	out, err := ran(t, "check", wrong, "--no-host", "--json")
	var found checked
	if status(err) != exitError || json.Unmarshal([]byte(out), &found) != nil || found.OK || found.Host || len(found.Findings) != 1 || found.Findings[0].Line != 7 {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = ran(t, "check", "--rules", "--json")
	var rules []profiles.Rule
	if err != nil || json.Unmarshal([]byte(out), &rules) != nil || len(rules) != len(profiles.Rules()) {
		t.Errorf("%v\n%s", err, out)
	}
}
