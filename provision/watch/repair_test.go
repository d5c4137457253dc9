// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/provision"
)

// undoer is somebody who undoes what is repaired, at once.
func undoer(h *host, leaves *[]map[resource.ID]bool) func(string, map[resource.ID]bool) (Repair, error) {
	n := 0
	return func(_ string, leave map[resource.ID]bool) (Repair, error) {
		*leaves = append(*leaves, leave)
		n++
		did := Repair{Operation: fmt.Sprintf("repair-%d", n)}
		for _, s := range h.seen.Profiles[0].Steps {
			if !leave[s.Resource] {
				did.Steps = append(did.Steps, s)
			}
		}
		h.seen.Profiles = []Profile{{Name: "p", Operation: did.Operation, Steps: h.seen.Profiles[0].Steps}}
		return did, nil
	}
}

func TestAFightEndsAfterThreeRepairs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(differ(bond0, "mtu", "1500", "9000"))
		var leaves []map[resource.ID]bool
		h.fixes = undoer(h, &leaves)
		w := h.watch()
		if err := h.run(t, w, func() {
			h.after(time.Hour)
			if len(leaves) != 3 {
				t.Errorf("%d repairs", len(leaves))
			}
			// What else drifts is repaired, and what is fought for is left.
			h.set(differ(bond0, "mtu", "1500", "9000"), differ(br0, "fail-mode", "secure", "standalone"))
			h.event()
			h.after(time.Second)
		}); err != nil {
			t.Error(err)
		}
		if len(leaves) != 4 || !leaves[3][bond0] || leaves[3][br0] {
			t.Errorf("repairs left %v", leaves)
		}
		if f := w.State().FightsByResource(); len(f) != 1 || f[0] != [2]string{"p", "bond/bond0"} {
			t.Errorf("fights: %v", f)
		}
		h.says(t, "p: watching", "p: began: bond/bond0 mtu: 1500, want 9000",
			"p: repaired: bond/bond0", "p: repaired: bond/bond0", "p: repaired: bond/bond0",
			"p: fight: bond/bond0: repaired 3 times, and undone each time: it may be NetworkManager, which runs; it is left alone until the profile is applied anew, or watch is started anew",
			"p: began: ovs/br0 fail-mode: secure, want standalone", "p: repaired: ovs/br0")
	})
}

func TestAnApplyBySomebodyMakesPeace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(differ(bond0, "mtu", "1500", "9000"))
		var leaves []map[resource.ID]bool
		h.fixes = undoer(h, &leaves)
		w := h.watch()
		if err := h.run(t, w, func() {
			h.after(time.Hour)
			h.seen.Profiles = []Profile{{Name: "p", Operation: "by-hand", Steps: h.seen.Profiles[0].Steps}}
			h.event()
			h.after(time.Second)
		}); err != nil {
			t.Error(err)
		}
		if len(leaves) != 4 || len(w.State().Fights) != 0 {
			t.Errorf("%d repairs, fights %v", len(leaves), w.State().Fights)
		}
	})
}

func TestRepairsThatAreNone(t *testing.T) {
	for name, c := range map[string]struct {
		did   Repair
		err   error
		seen  func(*Seen)
		tries int // in ten minutes
		told  []string
	}{
		"refused": {
			did: Repair{Refused: "that would disrupt\nall"}, tries: 6, // after 10 s, doubled
			told: []string{"p: not-repaired: that would disrupt\nall"},
		},
		"failed":      {err: errors.New("EBUSY"), tries: 6, told: []string{"p: not-repaired: EBUSY"}},
		"locked":      {err: &provision.LockedError{Path: "lock"}, tries: 600},
		"unconfirmed": {seen: func(s *Seen) { s.Waits = true }},
		"interrupted": {seen: func(s *Seen) { s.Open = "3" }, told: []string{"interrupted: it was begun, and nobody is at work on it: nicwright status"}},
		"unknown":     {seen: func(s *Seen) { s.Profiles[0].Err = errors.New("E") }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(differ(bond0, "mtu", "1500", "9000"))
				if c.seen != nil {
					c.seen(&h.seen)
				}
				tries := 0
				h.fixes = func(string, map[resource.ID]bool) (Repair, error) { tries++; return c.did, c.err }
				if err := h.run(t, h.watch(), func() { h.after(10 * time.Minute) }); err != nil {
					t.Error(err)
				}
				if c.tries == 600 {
					if tries < 500 || tries > 601 {
						t.Errorf("%d tries", tries)
					}
				} else if tries != c.tries {
					t.Errorf("%d tries, want %d", tries, c.tries)
				}
				for _, want := range c.told {
					if n := strings.Count(strings.Join(h.told, "|"), want); n != 1 {
						t.Errorf("%q is told %d times in %q", want, n, h.told)
					}
				}
			})
		})
	}
}
