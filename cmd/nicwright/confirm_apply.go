// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/confirm"
	"github.com/nicwright/nicwright/provision/journal"
)

// way is how an operation heeds the way by which the operator reaches the host.
type way struct {
	cut    bool          // it may be cut off
	within time.Duration // 0: nothing has to be confirmed
	probe  string
	lost   time.Duration
	// targets are those of a probe that was asked before, of an apply that a boot had wait on.
	targets []string
	take    []string // what that was allowed to take
	// atBoot: it is a unit that applies, and nobody who has just decided to.
	atBoot bool
}

// cutFlag is for every verb that changes the host.
func cutFlag(c *cobra.Command, w *way) {
	c.Flags().BoolVar(&w.cut, "yes-cut-me-off", false, "go on although it disrupts the way to the ssh session's peer, or a default route")
}

// confirmFlags are those of apply.
func confirmFlags(c *cobra.Command, w *way) {
	cutFlag(c, w)
	c.Flags().DurationVar(&w.within, "confirm", 0, "go back unless `nicwright confirm` comes within this `time` from the end of the apply")
	c.Flags().StringVar(&w.probe, "probe", "", "with --confirm: go back when `HOST`, HOST:PORT or the default routes' gateway does not answer any more; keep it if it still does at the end")
	c.Flags().BoolVar(&w.atBoot, "at-boot", false, "as nicwright.service does: what was taken back because nobody confirmed it is not applied again by itself")
	c.Flags().DurationVar(&w.lost, "probe-lost", confirm.DefaultLost, "with --probe: how long it may be without an answer")
}

// Limits of what is said to them.
const (
	leastWithin = 5 * time.Second
	mostWithin  = 24 * time.Hour
)

// check tells what is wrong with the flags.
func (w way) check(c *cobra.Command) error {
	said := func(name string) bool { return c.Flags().Changed(name) }
	var err error
	switch {
	case said("confirm") && (w.within < leastWithin || w.within > mostWithin):
		err = fmt.Errorf("--confirm %v: want a time from %v to %v", w.within, leastWithin, mostWithin)
	case (said("probe") || said("probe-lost")) && !said("confirm"):
		err = errors.New("--probe and --probe-lost go with --confirm")
	case said("at-boot") && said("confirm"):
		err = errors.New("--at-boot and --confirm exclude each other: at a boot nobody is there to confirm")
	case said("probe-lost") && !said("probe"):
		err = errors.New("--probe-lost goes with --probe")
	case said("probe-lost") && (w.lost < time.Second || w.lost > mostWithin):
		err = fmt.Errorf("--probe-lost %v: want a time from 1s to %v", w.lost, mostWithin)
	case said("probe") && w.probe != "gateway":
		if _, wrong := confirm.ParseTarget(w.probe); wrong != nil {
			err = fmt.Errorf("--probe: %w", wrong)
		}
	}
	if err != nil {
		return exitStatus{exitUsage, err}
	}
	return nil
}

// ready refuses a plan that cuts the operator off, asks the probe, and arms the
// watchdog; then the operation may begin. It gives whether that is to be confirmed.
func (a *app) ready(ctx context.Context, road *provision.Road, p *provision.Plan, w way) (bool, error) {
	if len(p.Steps) > 0 && !w.cut && w.within == 0 {
		ways, err := road.Ways(sshPeer("/proc", os.Getpid()))
		if err != nil {
			return false, err
		}
		if cuts := p.Cuts(&road.Have, ways); len(cuts) > 0 {
			return false, &provision.CutOffError{Kind: p.Kind, Cuts: cuts}
		}
	}
	if w.within == 0 {
		return false, nil
	}
	c := journal.Confirm{Within: journal.Seconds(w.within), Take: w.take}
	if len(w.targets) > 0 {
		c.Probe, c.ProbeLost = w.targets, journal.Seconds(w.lost)
	}
	if !p.Confirm(c) {
		return false, nil // nothing is done, and so nothing goes back
	}
	if w.probe != "" {
		targets, err := confirm.Before(ctx, w.probe, w.lost, confirm.Try)
		if err != nil {
			return false, err
		}
		c.Probe, c.ProbeLost = targets, journal.Seconds(w.lost)
		p.Confirm(c)
	}
	// Armed before the operation is written: a watchdog looks at the journal when this process is
	// through, and where none can be had there is nothing to take back.
	if err := a.arm(ctx); err != nil {
		return false, fmt.Errorf("%w; nothing was changed", err)
	}
	return true, nil
}

// waitsLine says what an apply waits for that has come to its end.
func waitsLine(o journal.Operation) string {
	if o.Confirm == nil || o.Confirm.Deadline == nil { // its end could not be written: the watchdog sets one
		return "it goes back by itself"
	}
	if !o.InForce() {
		return "it goes back by itself at " + confirm.When(*o.Confirm.Deadline)
	}
	return "it goes back at " + confirm.When(*o.Confirm.Deadline) + ", unless you say `nicwright confirm` before"
}

// arm starts a watchdog where none is.
func (a *app) arm(ctx context.Context) error {
	s, err := a.watchdog()
	if err != nil {
		return err
	}
	return confirm.Arm(ctx, s)
}

// watchdog is this binary as the watchdog of the same directories.
func (a *app) watchdog() (confirm.Spec, error) {
	s := confirm.Spec{
		OfUnit:   a.ofUnit,
		Args:     []string{"confirm", "--watch", "--timeout", "0"}, // whatever config.yaml says of the time of others
		Detached: []string{"--armed-fd", strconv.Itoa(confirm.ArmedFD)},
		RunDir:   a.settings.GetString("run-dir"), Systemd: "/run/systemd/system", Limit: armLimit,
	}
	for _, dir := range []string{"state-dir", "run-dir", "config-dir"} {
		path, err := filepath.Abs(a.settings.GetString(dir))
		if err != nil {
			return s, fmt.Errorf("arming the watchdog: --%s: %w", dir, err)
		}
		s.Args = append(s.Args, "--"+dir, path)
	}
	return s, nil
}

// sshPeer is the peer of the ssh session that a process is part of, the zero Addr if
// it is of none. sudo takes the variable away: whoever started it has it still.
func sshPeer(proc string, pid int) netip.Addr {
	for seen := 0; pid > 1 && seen < 64; seen++ {
		dir := filepath.Join(proc, fmt.Sprint(pid))
		env, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil {
			return netip.Addr{}
		}
		if peer := peerIn(string(env)); peer.IsValid() {
			return peer
		}
		status, err := os.ReadFile(filepath.Join(dir, "status"))
		if err != nil {
			return netip.Addr{}
		}
		pid = parentIn(string(status))
	}
	return netip.Addr{}
}

// peerIn reads SSH_CONNECTION ("PEER PORT HOST PORT") of an environment.
func peerIn(env string) netip.Addr {
	for v := range strings.SplitSeq(env, "\x00") {
		if said, ok := strings.CutPrefix(v, "SSH_CONNECTION="); ok {
			peer, _, _ := strings.Cut(said, " ")
			a, err := netip.ParseAddr(peer)
			if err != nil {
				return netip.Addr{}
			}
			return a.Unmap()
		}
	}
	return netip.Addr{}
}

// parentIn reads PPid of a process's status; 0 where there is none.
func parentIn(status string) int {
	for line := range strings.Lines(status) {
		if said, ok := strings.CutPrefix(line, "PPid:"); ok {
			var pid int
			if _, err := fmt.Sscan(said, &pid); err != nil {
				return 0
			}
			return pid
		}
	}
	return 0
}
