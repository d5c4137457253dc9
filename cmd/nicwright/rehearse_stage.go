// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nicwright/nicwright/internal/program"
	"github.com/nicwright/nicwright/internal/rehearsal"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/baseline"
	"github.com/nicwright/nicwright/provision/compare"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/rehearse"
)

// stage is where kernels are rehearsed.
type stage struct {
	program string
	twin    rehearse.Twin
	// request has all but the kernel.
	request rehearsal.Request
	// options are how what comes of it is compared.
	options compare.Options
}

// errNoRehearsal is a host without the program that boots machines.
var errNoRehearsal = errors.New("there is no program " + rehearsal.Program + ", which boots the machines: install the package of that name")

// packageDir is where the package nicwright-rehearse has its program.
const packageDir = "/usr/lib/nicwright"

// rehearsalPrograms are the program that boots machines, and the directory with this one,
// which the machine runs.
func rehearsalPrograms() (boots, tool string, err error) {
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return "", "", fmt.Errorf("finding our own program: %w", err)
	}
	tool = filepath.Dir(self)
	if filepath.Base(self) != "nicwright" {
		return "", "", fmt.Errorf("this program is called %s: the machine runs it as nicwright; give it that name", self)
	}
	// Beside this one first: both are of one version there.
	for _, dir := range []string{tool, packageDir} {
		boots = filepath.Join(dir, rehearsal.Program)
		if info, err := os.Stat(boots); err == nil && info.Mode().IsRegular() {
			return boots, tool, nil
		}
	}
	if boots, err = program.Find(rehearsal.Program); err != nil {
		return "", "", fmt.Errorf("%w (%w)", errNoRehearsal, err)
	}
	return boots, tool, nil
}

// rehearsalCache is the directory where what is built is kept.
func rehearsalCache(said string) string {
	if said != "" {
		return said
	}
	return filepath.Join(cmp.Or(os.Getenv("XDG_CACHE_HOME"), "/var/cache"), "nicwright")
}

// prepareStage puts the card and the profile into a stage. The host is looked at only
// for what was not said.
func (a *app) prepareStage(ctx context.Context, s *stage, card string) (err error) {
	named := a.settings.GetString("profile") != ""
	if card != "" {
		if s.twin, err = rehearse.ParseCard(card); err != nil {
			return exitStatus{exitUsage, err}
		}
	}
	if named {
		p, err := profiles.Load(a.profileOptions())
		if err != nil {
			return err
		}
		s.profile(docOf(p), p.OVS != nil)
	}
	if named && card != "" {
		return nil
	}
	road, err := a.look(ctx)
	if err != nil {
		return err
	}
	if card == "" {
		if s.twin, err = rehearse.TwinOf(baseline.Collect(ctx, road.Snapshot, "").Cards); err != nil {
			return err
		}
	}
	if !named {
		last := journal.InForce(road.Operations(), "")
		if len(last) == 0 {
			return errors.New("no profile has been applied here: name one with -p")
		}
		s.profile(last[len(last)-1].Profile, road.Have.Switch != nil)
	}
	return nil
}

func (s *stage) profile(doc journal.Profile, ovs bool) {
	s.request.Name, s.request.OVS = doc.Name, ovs
	for _, l := range doc.Layers {
		s.request.Layers = append(s.request.Layers, rehearsal.Layer{Source: l.Source, Text: l.Text})
	}
}

// boot rehearses one kernel. What went wrong there is in the outcome.
func (s *stage) boot(ctx context.Context, k kernelChoice) (*rehearsal.Outcome, error) {
	r := s.request
	r.Release, r.Packages = k.release, k.packages
	in, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("asking for a rehearsal: %w", err)
	}
	var out bytes.Buffer
	running, err := program.Start(ctx, program.Spec{Args: []string{s.program}, Stdin: bytes.NewReader(in), Stdout: &out, Stderr: os.Stderr})
	if err != nil {
		return nil, err
	}
	if err := running.Wait(); err != nil {
		return nil, fmt.Errorf("rehearsing kernel %s: %w", cmp.Or(k.release, fmt.Sprint(k.packages)), err)
	}
	var o rehearsal.Outcome
	if err := json.Unmarshal(out.Bytes(), &o); err != nil {
		return nil, fmt.Errorf("reading what %s answered: %w", s.program, err)
	}
	if o.Version != rehearsal.Version {
		return nil, fmt.Errorf("%s speaks version %d, and this is %d: install both of one version", s.program, o.Version, rehearsal.Version)
	}
	return &o, nil
}
