// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"maps"
	"math"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/step"
)

// Every run is killed as it tells of its first step, or at some instant, a little later each time; the next goes on.
func TestKilledApplyGoesOn(t *testing.T) {
	needLab(t)
	t.Run("after each step", func(t *testing.T) {
		testKilledApply(t, 4, func(t *testing.T, profile string, _ int) bool { return killedAtItsReport(t, "apply", "-p", profile) })
	})
	// These hit the phases that take long, which on a slow machine may be all in one.
	t.Run("at any instant", func(t *testing.T) { testKilledApply(t, 1, killedAtAnInstant) })
}

// killedAtItsReport kills a run when it has told of a step, and gives false if it ended before.
func killedAtItsReport(t *testing.T, args ...string) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "nicwright", args...)
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

// killedAtAnInstant kills an apply after a time that grows from run to run, so that also a slow machine gets on.
func killedAtAnInstant(t *testing.T, profile string, kills int) bool {
	t.Helper()
	after := time.Duration(float64(time.Second) * math.Pow(1.3, float64(kills)))
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	return exec.CommandContext(ctx, "nicwright", "apply", "-p", profile).Run() != nil
}

func testKilledApply(t *testing.T, phases int, killed func(t *testing.T, profile string, kills int) bool) {
	profile := filepath.Join("testdata", "small.yaml")
	left := stepsLeft(t, profile)
	all, killedIn, kills := len(left), map[step.Phase]bool{}, 0
	for ; len(left) > 0; kills++ {
		if kills > 2*all {
			t.Fatalf("%d killed applies have not ended the work of %d steps; left: %+v", kills, all, left)
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
