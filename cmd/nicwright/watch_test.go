// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"strings"
	"testing"
)

func TestWatchRefuses(t *testing.T) {
	for line, says := range map[string]string{
		"--listen 0.0.0.0:9797":             "no loopback address",
		"--listen 192.0.2.1:9797":           "no loopback address",
		"--listen localhost":                "want ADDRESS:PORT",
		"--listen=":                         "want ADDRESS:PORT",
		"--textfile /tmp/nicwright.txt":     "end with .prom",
		"--every 1s":                        "30s at least",
		"--every -1h":                       "30s at least",
		"--yes-disrupt":                     "go with --repair",
		"--repair --yes-cut-me-off":         "goes with --yes-disrupt",
		"surplus":                           "unknown command",
		"--listen 127.0.0.1:0 --every 1m x": "unknown command",
	} {
		_, err := ran(t, append([]string{"watch", "--timeout", "1ms"}, strings.Fields(line)...)...)
		var status exitStatus
		if !errors.As(err, &status) || status.code != exitUsage || !strings.Contains(err.Error(), says) {
			t.Errorf("watch %s: %v, want exit status %d and %q", line, err, exitUsage, says)
		}
	}
}
