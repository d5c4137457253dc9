// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/provision/trial"
)

// kernels says how the kernels stand; what cannot be read is told, and nothing else.
func (s *hostStatus) kernels(of *trial.Status, err error) {
	if err != nil {
		s.Unknown = append(s.Unknown, "kernels: "+err.Error())
	}
	s.Kernels = of
}

// kernelsHere says how the kernels of this host stand, nil where none is known.
func (a *app) kernelsHere() (*trial.Status, error) {
	return kernelsOf(a.trials(), trial.Boot{Root: "/", Sys: "/sys"}, kernel())
}

// kernelsOf asks the boot loader what it has done, too; without its answer a trial is told all the same.
func kernelsOf(dir trial.Dir, boot trial.Boot, running string) (*trial.Status, error) {
	state, err := dir.Load()
	if err != nil {
		return nil, err
	}
	tried := false
	if t := state.Open(running); t != nil && t.Loader != nil {
		if _, _, tried, err = boot.Look(t.Loader); err != nil {
			err = fmt.Errorf("whether GRUB has tried kernel %s is not known: %w", t.Kernel, err)
		}
	}
	return state.Status(running, tried), err
}

// kernelLines are what is told of kernels, what to do and what went wrong below the first.
func kernelLines(k *trial.Status) []string {
	colour := map[trial.How]func(string) string{
		trial.IsGreen: style.Green, trial.IsRed: style.Red, trial.IsUnknown: style.Amber, trial.Left: style.Amber, trial.Judging: style.Amber,
	}[k.How]
	first := k.Words
	if colour != nil {
		first = colour(first)
	}
	lines := []string{first}
	if k.Do != "" {
		lines = append(lines, "to do: "+k.Do)
	}
	if k.Trial == nil {
		return lines
	}
	if r := k.Trial.Rehearsal; r != nil {
		lines = append(lines, "rehearsal: "+r.Told())
	}
	for _, p := range k.Trial.Problems {
		line, _, _ := strings.Cut(p, "\n")
		lines = append(lines, style.Amber(line))
	}
	return lines
}

// leftWithGRUB says what GRUB was told and nobody will take back when trials are no more.
func leftWithGRUB(k *trial.Status) []string {
	if k == nil || k.Trial == nil || k.Trial.Loader == nil || k.How == trial.IsGreen || k.How == trial.WasAccepted {
		return nil
	}
	return []string{fmt.Sprintf("kernel %s was on trial, and GRUB boots %s by default: grub-set-default '%s' makes it the default", k.Trial.Kernel, k.Trial.Against, k.Trial.Loader.New)}
}
