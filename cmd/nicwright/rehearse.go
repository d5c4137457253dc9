// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/internal/hostkernel"
	"github.com/nicwright/nicwright/internal/rehearsal"
	"github.com/nicwright/nicwright/provision/compare"
	"github.com/nicwright/nicwright/provision/rehearse"
)

func newRehearse(a *app) *cobra.Command {
	var (
		how         rehearsing
		kernels     []string
		junit, html string
	)
	c := &cobra.Command{
		Use:   "rehearse [--kernel VERSION|latest|installed|FILE.deb]",
		Short: "Try a kernel in a virtual machine before this host boots it",
		Long: `rehearse boots a kernel of this host in a virtual machine, on this host's own files
(read-only, with what is written kept in the machine's memory), with an emulated card
made like this host's and with the driver that is installed for that kernel. It applies
the profile there (without -p the one that was applied last), proves it, does the same
with the kernel that runs, and compares. The first line says what the kernel will do to
the profile; the end says what an emulated card cannot tell.
Nothing on this host is changed: no network device, no file but what is built, which is
kept in the cache. It takes the package nicwright-rehearse, QEMU, and the headers of
both kernels with their compiler, or the emulated card's module built for them.
Exit status 3: the profile will not go, or nobody knows.`,
		Example: `  nicwright rehearse
  nicwright rehearse --kernel 7.3 -p vm-host --full
  nicwright rehearse --kernel ./linux-image-7.4.deb --kernel ./linux-headers-7.4.deb`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := how.check(cmd); err != nil {
				return err
			}
			var last *compare.Comparison
			forms := []form{
				{flag: "--junit", file: junit, render: func(w io.Writer) error { return last.JUnit(w) }},
				{flag: "--html", file: html, render: func(w io.Writer) error { return last.HTML(w) }},
			}
			if err := checkForms(forms); err != nil {
				return err
			}
			all, err := hostkernel.Find(how.root)
			if err != nil {
				return err
			}
			chosen, err := choose(all, kernels, how.against)
			if err != nil {
				return err
			}
			s, err := a.stage(cmd.Context(), &how)
			if err != nil {
				return err
			}
			before, err := s.boot(cmd.Context(), kernelChoice{release: how.against})
			if err != nil {
				return err
			}
			// What cannot be had with the kernel that runs cannot be compared with: the others need not be booted.
			if _, err := rehearse.Recorded(before); err != nil {
				return err
			}
			judged := []*rehearse.Judgement{}
			var refused []error
			for _, k := range chosen {
				after, err := s.boot(cmd.Context(), k)
				if err != nil {
					return err
				}
				j, err := s.judge(before, after)
				if errors.Is(err, rehearse.ErrRefused) { // of the others there is something to say
					refused = append(refused, err)
					continue
				}
				if err != nil {
					return err
				}
				judged = append(judged, j)
				if !a.json() {
					if err := j.Print(a.out, how.verbose); err != nil {
						return err
					}
				}
			}
			if a.json() {
				if err := a.printJSON(judged); err != nil {
					return err
				}
			}
			ok := true
			for _, j := range judged {
				ok = ok && j.OK()
			}
			if len(judged) > 0 {
				last = judged[len(judged)-1].Comparison
				refused = append(refused, writeForms(cmd.Context(), forms))
			}
			err = errors.Join(refused...)
			if err == nil && !ok {
				err = exitStatus{exitUnproven, nil}
			}
			return err
		},
	}
	f := c.Flags()
	f.StringArrayVar(&kernels, "kernel", []string{hostkernel.Latest}, "a `kernel`: its version or the beginning of it, latest (the newest that is installed), installed (each but the one that runs), or the files of one kernel's Debian packages; repeatable")
	f.BoolVarP(&how.verbose, "verbose", "v", false, "print noise, too, what was as before, and what the machine says")
	f.StringVar(&junit, "junit", "", "write the comparison, of several kernels the last one's, as JUnit XML to this `file` as well")
	f.StringVar(&html, "html", "", "write it as one HTML page to this `file` as well")
	how.flags(c)
	return c
}

// rehearsing says how a rehearsal is done.
type rehearsing struct {
	root, against, card, cache string
	runs, memory, cpus         int
	full, verbose              bool
	limit                      time.Duration
}

func (r *rehearsing) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&r.against, "against", "", "compare with this `kernel`, as --kernel names it, instead of the one that runs")
	f.StringVar(&r.root, "root", "/", "the root `directory` of the host whose kernels these are")
	f.StringVar(&r.card, "card", "", "an emulated card like this, as `ports=2,vfs=8`, instead of one like this host's")
	f.IntVar(&r.runs, "runs", 1, "how often all proofs are run")
	f.BoolVar(&r.full, "full", false, "all proofs, and not one transfer of each kind: many times longer, most of all without KVM")
	f.IntVar(&r.memory, "mem", 2048, "the machine's memory, in `MiB`")
	f.IntVar(&r.cpus, "cpus", 1, "the `number` of its processors")
	f.DurationVar(&r.limit, "limit", time.Hour, "give a kernel up after this `time`")
	f.StringVar(&r.cache, "cache", "", "the `directory` where what is built is kept (default $XDG_CACHE_HOME/nicwright, or /var/cache/nicwright)")
}

// check looks at the flags, and puts in what was left out.
func (r *rehearsing) check(cmd *cobra.Command) error {
	if err := needRoot(cmd.Name()); err != nil {
		return err
	}
	if r.runs < 1 || r.runs > 100 || r.cpus < 1 || r.cpus > 64 || r.memory < 0 || r.limit < 0 {
		return exitStatus{exitUsage, errors.New("--runs is 1 to 100, --cpus 1 to 64; --mem and --limit are not less than 0")}
	}
	root, err := filepath.Abs(r.root)
	if err != nil {
		return fmt.Errorf("finding the root directory %s: %w", r.root, err)
	}
	r.root = root
	all, err := hostkernel.Find(r.root)
	if err != nil {
		return err
	}
	if r.against == "" && r.root != "/" {
		return exitStatus{exitUsage, errors.New("--root: say with --against which of its kernels is the one to compare with")}
	}
	what := r.against
	if what == "" {
		what = kernel()
	}
	k, err := hostkernel.Choose(all, what, "")
	if err != nil {
		return fmt.Errorf("the kernel to compare with: %w", err)
	}
	if len(k) != 1 {
		return exitStatus{exitUsage, fmt.Errorf("--against %s: that is not one kernel", r.against)}
	}
	r.against = k[0].Release
	return nil
}

// kernelChoice is a kernel that is installed, or in packages.
type kernelChoice struct {
	release  string
	packages []string
}

// choose makes one list of what --kernel says: the files are one kernel's.
func choose(all []hostkernel.Kernel, said []string, against string) ([]kernelChoice, error) {
	var chosen []kernelChoice
	var packages []string
	for _, what := range said {
		if strings.ContainsRune(what, '/') || strings.HasSuffix(what, ".deb") {
			file, err := filepath.Abs(what)
			if err != nil {
				return nil, fmt.Errorf("finding the package %s: %w", what, err)
			}
			packages = append(packages, file)
			continue
		}
		found, err := hostkernel.Choose(all, what, against)
		if err != nil {
			return nil, fmt.Errorf("--kernel %s: %w", what, err)
		}
		for _, k := range found {
			chosen = append(chosen, kernelChoice{release: k.Release})
		}
	}
	if len(packages) > 0 {
		chosen = append(chosen, kernelChoice{packages: packages})
	}
	return chosen, nil
}

// judge holds the outcome with a new kernel against that with the one to compare with.
func (s *stage) judge(before, after *rehearsal.Outcome) (*rehearse.Judgement, error) {
	return rehearse.Judge(before, after, s.request.Name, s.twin, s.options)
}

// stage makes what is the same for all kernels: the card, the profile, the programs.
func (a *app) stage(ctx context.Context, r *rehearsing) (*stage, error) {
	s := &stage{}
	var err error
	if s.program, s.request.Tool, err = rehearsalPrograms(); err != nil {
		return nil, err
	}
	s.options = compare.Options{Now: time.Now(), Floor: compare.DefaultFloor}
	if s.options.Known, err = compare.Table(); err != nil {
		return nil, err
	}
	if s.options.Waivers, err = a.waivers(""); err != nil {
		return nil, err
	}
	if err := a.prepareStage(ctx, s, r.card); err != nil {
		return nil, err
	}
	s.request.Version, s.request.Root, s.request.Card = rehearsal.Version, r.root, s.twin.Card
	s.request.Runs, s.request.Quick, s.request.Memory, s.request.CPUs, s.request.Limit = r.runs, !r.full, r.memory, r.cpus, r.limit
	s.request.Cache, s.request.Verbose = rehearsalCache(r.cache), r.verbose
	return s, nil
}
