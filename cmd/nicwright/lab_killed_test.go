// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nicwright/nicwright/internal/step"
)

// Every run is killed as it tells of its first step, or (by strace's injection) ever later among its writes to the kernel
// and to its state; the next goes on.
func TestKilledApplyGoesOn(t *testing.T) {
	needLab(t)
	t.Run("after each step", func(t *testing.T) { testKilledApply(t, 6, killedAtItsReport) })
	// Writes are counted for each thread, so this way passes over short phases.
	t.Run("at any write", func(t *testing.T) { testKilledApply(t, 3, killedAtAWrite) })
}

// killedAtItsReport kills an apply when it has told of a step, and gives false if it ended before.
func killedAtItsReport(t *testing.T, profile string, _ int) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "nicwright", "apply", "-p", profile)
	report, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	_, _ = bufio.NewReader(report).ReadString('\n')
	_ = cmd.Process.Kill()
	return cmd.Wait() != nil
}

func killedAtAWrite(t *testing.T, profile string, kills int) bool {
	t.Helper()
	const writes = "sendto,sendmsg,pwrite64,renameat,fsync"
	// Only the calls that are traced stop the process.
	cmd := exec.CommandContext(t.Context(), "strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace="+writes,
		"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", writes, 1+kills), "nicwright", "apply", "-p", profile)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	err := cmd.Run()
	if errs.Len() > 0 {
		t.Fatalf("run %d was not killed: %v, %s", kills, err, &errs)
	}
	return err != nil
}

func testKilledApply(t *testing.T, phases int, killed func(t *testing.T, profile string, kills int) bool) {
	profile := filepath.Join("testdata", "small.yaml")
	left := stepsLeft(t, profile)
	all, killedIn, kills := len(left), map[step.Phase]bool{}, 0
	for ; len(left) > 0; kills++ {
		if kills > 2*all {
			t.Fatalf("%d killed applies have not ended the work of %d steps", kills, all)
		}
		was := killed(t, profile, kills)
		if left = stepsLeft(t, profile); was && len(left) > 0 {
			killedIn[left[0].Phase] = true
		}
	}
	t.Logf("%d applies were killed for a plan of %d steps", kills, all)
	if len(killedIn) < phases {
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
