// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nicwright/nicwright/internal/step"
)

// Every run is killed (by strace's injection) as it begins to tell of its first step, or ever later among its writes to
// the kernel and to its state; the next goes on.
func TestKilledApplyGoesOn(t *testing.T) {
	needLab(t)
	for name, injection := range map[string]func(kills int) []string{
		"after each step": func(int) []string {
			return []string{"-e", "trace=write", "-e", "inject=write:signal=KILL:when=1"}
		},
		"at any write": func(kills int) []string {
			const writes = "sendto,sendmsg,pwrite64,renameat,fsync"
			return []string{"-e", "trace=" + writes, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", writes, 1+kills)}
		},
	} {
		t.Run(name, func(t *testing.T) { testKilledApply(t, name == "after each step", injection) })
	}
}

func testKilledApply(t *testing.T, onReport bool, injection func(kills int) []string) {
	profile := filepath.Join("testdata", "small.yaml")
	left := stepsLeft(t, profile)
	all, killedIn, kills := len(left), map[step.Phase]bool{}, 0
	for ; len(left) > 0; kills++ {
		if kills > 2*all {
			t.Fatalf("%d killed applies have not ended the work of %d steps", kills, all)
		}
		report, err := os.Create(filepath.Join(t.TempDir(), "report"))
		if err != nil {
			t.Fatal(err)
		}
		args := append([]string{"-f", "--seccomp-bpf", "-o", "/dev/null"}, injection(kills)...)
		if onReport {
			args = append(args, "-P", report.Name())
		}
		cmd := exec.CommandContext(t.Context(), "strace", append(args, "nicwright", "apply", "-p", profile)...)
		var errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = report, &errs
		err = cmd.Run()
		report.Close()
		if errs.Len() > 0 || err == nil && onReport {
			t.Fatalf("run %d was not killed: %v, %s", kills, err, &errs)
		}
		left = stepsLeft(t, profile)
		if err != nil && len(left) > 0 {
			killedIn[left[0].Phase] = true
		}
	}
	t.Logf("%d applies were killed for a plan of %d steps", kills, all)
	// Writes are counted for each thread, so the second way passes over short phases.
	if least := map[bool]int{true: 6, false: 3}[onReport]; len(killedIn) < least {
		t.Errorf("applies were killed in the phases %v only: the test proves little", slices.Collect(maps.Keys(killedIn)))
	}
	expect(t, exitDone, "apply", "-p", profile)
	assertHost(t, 2, func(int) string { return "100" })
	rollback(t)
}

// stepsLeft asks for the plan; assertHost asks others whether it told the truth.
func stepsLeft(t *testing.T, profile string) []step.Step {
	t.Helper()
	r := command(t, "nicwright", "plan", "--json", "-p", profile)
	var plan struct{ Steps []step.Step }
	if err := json.Unmarshal([]byte(r.stdout), &plan); err != nil || r.code != exitSteps && r.code != exitDone {
		t.Fatalf("plan exited %d: %s%s %v", r.code, r.stdout, r.stderr, err)
	}
	return plan.Steps
}
