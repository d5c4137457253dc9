// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// ran is what a command line gave, in this process.
func ran(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root := newRoot()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append(args, "--state-dir", t.TempDir(), "--run-dir", t.TempDir(), "--config-dir", t.TempDir()))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestWrongUsageHasItsOwnStatus(t *testing.T) {
	for _, args := range [][]string{{"plan", "--nonsense"}, {"plan", "surplus"}, {"plan"}, {"apply", "--plan", "x", "-p", "vm-host"}, {"profile", "show"}, {"apply", "--plan", "x", "--take", "all"}, {"apply", "--plan", "x", "--replace", "y"}, {"rollback", "a", "b"}, {"remove", "surplus"}, {"history", "surplus"}} {
		_, err := ran(t, args...)
		var status exitStatus
		if !errors.As(err, &status) || status.code != exitUsage {
			t.Errorf("%v gave %v, want exit status %d", args, err, exitUsage)
		}
	}
}

func TestHelpOfEveryVerbHasAnExample(t *testing.T) {
	for _, c := range newRoot().Commands() {
		if c.Name() != "help" && c.Name() != "completion" && c.Example == "" {
			t.Errorf("%s has no example", c.Name())
		}
	}
}

func TestProfileShowPrintsABuiltInProfile(t *testing.T) {
	out, err := ran(t, "profile", "show", "vm-host")
	if err != nil || !strings.Contains(out, "eswitch-mode: switchdev") {
		t.Errorf("%v\n%s", err, out)
	}
}
