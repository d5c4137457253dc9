// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nicwright/nicwright/provision/lease"
)

// storm is callers that lease and release at the same time, some of them killed.
type storm struct {
	t    *testing.T
	took time.Duration // by one call, before the others began

	mu    sync.Mutex
	rand  *rand.Rand
	held  map[string]string // VF -> caller
	macs  map[string]string
	kills int
	gave  int
}

// killAfter is when a call is killed, if it is.
func (s *storm) killAfter(callers int) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rand.IntN(3) > 0 {
		return 0, false
	}
	// Anywhere between its beginning and the end of all that are before it.
	return time.Duration(s.rand.Int64N(int64(s.took) * int64(callers))), true
}

// call runs nicwright, killed perhaps; ok tells that it came to its end.
func (s *storm) call(callers int, args ...string) (stdout, stderr string, code int, ok bool) {
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	if after, killed := s.killAfter(callers); killed {
		timer := time.AfterFunc(after, cancel)
		defer timer.Stop()
	}
	cmd := exec.CommandContext(ctx, "nicwright", append(args, "--wait", "1h")...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if ctx.Err() != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.kills++
		return "", "", 0, false
	}
	if err != nil && cmd.ProcessState == nil {
		s.t.Errorf("nicwright %v: %v", args, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode(), true
}

// caller leases and releases once, whatever is killed of it.
func (s *storm) caller(name string, callers int) {
	var a lease.Answer
	for {
		stdout, stderr, code, ok := s.call(callers, "vf", "lease", "--network", "tenants", "--vm", name, "--json")
		switch {
		case !ok, code == exitError && strings.Contains(stderr, "no free VF"):
			continue
		case code != exitDone:
			s.t.Errorf("%s: %s", name, stderr)
			return
		}
		if err := json.Unmarshal([]byte(stdout), &a); err != nil {
			s.t.Errorf("%s: %v: %s", name, err, stdout)
			return
		}
		break
	}
	s.mu.Lock()
	if other := s.held[a.Address]; other != "" {
		s.t.Errorf("%s was given to %s and %s", a.Address, other, name)
	}
	if other := s.macs[a.MAC]; other != "" {
		s.t.Errorf("the address %s was given to %s and %s", a.MAC, other, name)
	}
	s.held[a.Address], s.macs[a.MAC] = name, name
	s.gave++
	s.mu.Unlock()
	for first := true; ; first = false {
		if first { // from here on another may have it
			s.mu.Lock()
			delete(s.held, a.Address)
			delete(s.macs, a.MAC)
			s.mu.Unlock()
		}
		if _, stderr, code, ok := s.call(callers, "vf", "release", name); ok {
			if code != exitDone {
				s.t.Errorf("%s: %s", name, stderr)
			}
			return
		}
	}
}

// Fifty callers at once, a third of whose calls are killed at some instant: no VF is given out twice,
// and none is lost.
func TestVFLeaseStorm(t *testing.T) {
	needLab(t)
	const callers = 50
	profile := filepath.Join("testdata", "leases-storm.yaml")
	expect(t, exitDone, "apply", "-p", profile)
	begun := time.Now()
	leased(t, "--network", "tenants", "--vm", "first")
	seed := uint64(begun.UnixNano())
	t.Logf("the seed is %d", seed)
	s := &storm{t: t, took: time.Since(begun), rand: rand.New(rand.NewPCG(seed, 1)), held: map[string]string{}, macs: map[string]string{}}
	expect(t, exitDone, "vf", "release", "first")
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() { s.caller("vm"+itoa(n), callers/5) })
	}
	all.Wait()
	t.Logf("%d leases, %d calls killed", s.gave, s.kills)
	if s.gave != callers || s.kills == 0 {
		t.Errorf("%d leases of %d, %d kills", s.gave, callers, s.kills)
	}
	// The next call finishes or undoes what the last kill left; then nothing is left of any.
	expect(t, exitDone, "vf", "release", "--stale")
	for address, v := range states(t) {
		if v.State != "free" || v.Port != nil {
			t.Errorf("%s is %+v", address, v)
		}
		if ip := vfByIP(t, address); ip.mac() != "00:00:00:00:00:00" || ip.Rate.Max != 0 {
			t.Errorf("ip says %+v", ip)
		}
	}
	if got := strings.Fields(witness(t, "ovs-vsctl", "list-ports", "br-vm")); len(got) != 1 {
		t.Errorf("the bridge has the ports %v", got)
	}
	expect(t, exitDone, "plan", "-p", profile)
	remove(t, profile)
}
