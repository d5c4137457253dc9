// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Of twenty applies at once one changes the host, and the others wait for it and find nothing to do; those that do not
// want to wait say who holds the lock.
func TestTwentyAppliesAtOnce(t *testing.T) {
	needLab(t)
	profile := filepath.Join("testdata", "small.yaml")
	atOnce := func(wait string) []result {
		results := make([]result, 20)
		var all sync.WaitGroup
		for i := range results {
			all.Go(func() { results[i] = command(t, "nicwright", "apply", "--wait", wait, "-p", profile) })
		}
		all.Wait()
		return results
	}
	did, held := 0, 0
	for _, r := range atOnce("0s") {
		switch {
		case r.code == exitDone && !strings.Contains(r.stdout, "nothing to do"):
			did++
		case r.code == exitError && strings.Contains(r.stderr, "another nicwright is changing this host"):
			if held++; strings.Contains(r.stderr, `"nicwright apply --wait 0s`) && strings.Contains(r.stderr, "pid ") {
				continue
			}
			t.Logf("the holder had not said who it is: %s", r.stderr)
		case r.code == exitDone: // it came when the first had ended
		default:
			t.Errorf("it exited %d: %s%s", r.code, r.stdout, r.stderr)
		}
	}
	if did != 1 || held == 0 {
		t.Errorf("without waiting, %d changed the host and %d were refused, want 1 and some", did, held)
	}
	remove(t, profile)

	did = 0
	for _, r := range atOnce("20m") {
		switch {
		case r.code != exitDone:
			t.Errorf("it exited %d: %s%s", r.code, r.stdout, r.stderr)
		case !strings.Contains(r.stdout, "nothing to do"):
			did++
		}
	}
	if did != 1 {
		t.Errorf("%d of twenty that wait changed the host, want 1", did)
	}
	assertHost(t, 2, func(int) string { return "100" })
	remove(t, profile)
}
