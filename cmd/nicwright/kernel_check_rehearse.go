// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/hostkernel"
	"github.com/nicwright/nicwright/internal/systemd"
	"github.com/nicwright/nicwright/provision/rehearse"
	"github.com/nicwright/nicwright/provision/trial"
)

// rehearseApart begins a rehearsal in a unit of its own, for which the package manager does
// not wait; false, without an error, where nicwright-rehearse is not installed.
func (a *app) rehearseApart(ctx context.Context, release string) (bool, error) {
	_, tool, err := rehearsalPrograms()
	if err != nil {
		return false, nil //nolint:nilerr // that package is not asked of anybody
	}
	command := []string{tool + "/nicwright", "kernel-check", "rehearse", release}
	for _, flag := range []string{"state-dir", "run-dir", "config-dir"} {
		command = append(command, "--"+flag, a.settings.GetString(flag))
	}
	// A name that no earlier one has: that may still be at work.
	unit := "nicwright-rehearse-" + strconv.FormatInt(time.Now().UnixNano(), 36) + ".service"
	if err := systemd.Apart(ctx, unit, "Rehearse kernel "+release+" (nicwright)", command); err != nil {
		return false, fmt.Errorf("it is not rehearsed: %w", err)
	}
	return true, nil
}

func newRehearseInstalled(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "rehearse VERSION",
		Short: "Rehearse a kernel that was installed, and keep what came of it",
		Long: `rehearse waits until package managers have done their work, for headers may come after
their kernel, rehearses as nicwright rehearse --kernel VERSION does, and keeps the report
for status. It is what after begins in the background.`,
		Example: "  nicwright kernel-check rehearse 7.3.4+deb13-amd64",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needRoot("kernel-check rehearse"); err != nil {
				return err
			}
			release := args[0]
			j, err := a.rehearseInstalled(cmd, release)
			r, text := rehearsed(j, err)
			if text != nil {
				file, kept := a.trials().Report(release, "rehearsal.txt", text)
				r.Report, err = file, errors.Join(err, kept)
			}
			return errors.Join(err, a.trials().Update(func(s *trial.State) error {
				t := s.Of(release)
				if t == nil {
					return fmt.Errorf("kernel %s is not on trial any more", release)
				}
				now := time.Now()
				if t.Rehearsal == nil {
					t.Rehearsal = &trial.Rehearsal{Begun: now}
				}
				r.Begun, r.Ended = t.Rehearsal.Begun, &now
				t.Rehearsal = &r
				return nil
			}))
		},
	}
}

// rehearseInstalled rehearses a kernel against the one that runs.
func (a *app) rehearseInstalled(cmd *cobra.Command, release string) (*rehearse.Judgement, error) {
	ctx := cmd.Context()
	if err := untilPackages(ctx, packageLocks); err != nil {
		return nil, err
	}
	how := rehearsing{root: "/", runs: 1, cpus: 1, memory: 2048, limit: time.Hour}
	if err := how.check(cmd); err != nil {
		return nil, err
	}
	all, err := hostkernel.Find(how.root)
	if err != nil {
		return nil, err
	}
	chosen, err := choose(all, []string{release}, how.against)
	if err != nil {
		return nil, err
	}
	s, err := a.stage(ctx, &how)
	if err != nil {
		return nil, err
	}
	before, err := s.boot(ctx, kernelChoice{release: how.against})
	if err != nil {
		return nil, err
	}
	if _, err := rehearse.Recorded(before); err != nil {
		return nil, err
	}
	after, err := s.boot(ctx, chosen[0])
	if err != nil {
		return nil, err
	}
	return s.judge(before, after)
}

// rehearsed is what is kept of a rehearsal, and its report, nil where there is none.
func rehearsed(j *rehearse.Judgement, err error) (trial.Rehearsal, []byte) {
	if err != nil {
		line, _, _ := strings.Cut(err.Error(), "\n")
		return trial.Rehearsal{Words: "not rehearsed: " + line}, nil
	}
	var text bytes.Buffer
	if err := j.Print(&text, true); err != nil {
		return trial.Rehearsal{Verdict: string(j.Verdict), Words: j.Line()}, nil
	}
	return trial.Rehearsal{Verdict: string(j.Verdict), Words: j.Line()}, text.Bytes()
}

// packageLocks are held by package managers while they are at work: apt's and dpkg's, rpm's
// by its two places.
var packageLocks = []string{"/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/usr/lib/sysimage/rpm/.rpm.lock", "/var/lib/rpm/.rpm.lock"}

// untilPackages waits until nobody holds any of the locks. It takes each for a moment, shared.
func untilPackages(ctx context.Context, locks []string) error {
	for _, path := range locks {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("waiting for the package manager: %w", err)
		}
		taken := make(chan error, 1)
		go func() {
			// fcntl(2): a lock of an open file, which waits for those of processes, too.
			lock := unix.Flock_t{Type: unix.F_RDLCK, Whence: 0}
			err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLKW, &lock)
			for errors.Is(err, unix.EINTR) {
				err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLKW, &lock)
			}
			taken <- errors.Join(err, f.Close()) // which gives it back
		}()
		select {
		case err = <-taken:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("waiting for the package manager, which holds %s: %w", path, err)
		}
	}
	return nil
}
