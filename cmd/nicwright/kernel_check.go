// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/internal/hostkernel"
	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/internal/systemd"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/baseline"
	"github.com/nicwright/nicwright/provision/compare"
	"github.com/nicwright/nicwright/provision/install"
	"github.com/nicwright/nicwright/provision/trial"
)

// beforeLimit is how long a package manager waits for what is recorded before a kernel.
const beforeLimit = 3 * time.Minute

func newKernelCheck(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "kernel-check",
		Short: "Try new kernels: recorded before, rehearsed, judged after the reboot",
		Long: `kernel-check is what the hooks and the unit of install --kernel-checks call: before a
kernel is installed the one that runs is recorded; then the new one is on trial, GRUB is
told to try it once, and it is rehearsed in the background; at its first boot it is
verified and compared. nicwright status says how it stands.`,
		Example: "  nicwright install -p vm-host --kernel-checks\n  nicwright kernel-check judge",
	}
	hook := func(name, short, long string, do func(*trial.Check, context.Context, string) error) *cobra.Command {
		return &cobra.Command{
			Use: name + " VERSION", Short: short, Long: long, Example: "  nicwright kernel-check " + name + " 7.3.4+deb13-amd64", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				a.kernelHook(cmd.Context(), name, args[0], do)
				return nil
			},
		}
	}
	before := hook("before", "Record the kernel that runs, before another is installed", `before puts a kernel on trial and records the one that runs, as baseline save --quick
--runs 1 does, as kernel-check-RELEASE. It is given three minutes. Its exit status is 0
whatever comes of it: no kernel is kept from being installed. What it could not do is
printed, and kept for status.`, (*trial.Check).Before)
	after := hook("after", "Put a kernel that was installed on trial", `after puts a kernel on trial, has GRUB boot it once and the good one by default (where
GRUB takes its default from its environment block: GRUB_DEFAULT=saved), and begins a
rehearsal in a unit of its own, where nicwright-rehearse is installed. Its exit status is
0 whatever comes of it.`, (*trial.Check).After)
	var fallBack bool
	judge := &cobra.Command{
		Use:   "judge",
		Short: "Judge the kernel that runs, if it is on trial",
		Long: `judge looks whether the kernel that runs is the good one, and where it is not, whether
the profile was applied, and compares with what was recorded with the good one. Green: it
is the good one from now on, and GRUB's default if GRUB was told to try it. Red, or not
known: exit status 3, and the report is kept. With --fall-back the host is rebooted, once
in a trial, where the verdict is red and the boot loader's default is the good kernel.`,
		Example: "  nicwright kernel-check judge\n  nicwright kernel-check judge --json | jq -r .verdict",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.judgeKernel(cmd.Context(), fallBack) },
	}
	judge.Flags().BoolVar(&fallBack, "fall-back", false, "reboot into the good kernel if this one is worse")
	accept := &cobra.Command{
		Use:   "accept",
		Short: "Take the kernel that runs for good, whatever its trial said",
		Long: `accept records the kernel that runs as the one that others will be held against, and
makes it GRUB's default if GRUB was told to try it.`,
		Example: "  nicwright kernel-check accept",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			check, err := a.kernelCheck("kernel-check accept")
			if err == nil {
				err = check.Accept(cmd.Context())
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.out, "kernel %s is the good one: others will be held against it\n", style.Bold(check.Running))
			return err
		},
	}
	c.AddCommand(before, after, judge, accept, newRehearseInstalled(a))
	return c
}

// kernelCheck is what trials are done with on this host.
func (a *app) kernelCheck(verb string) (*trial.Check, error) {
	if err := needRoot(verb); err != nil {
		return nil, err
	}
	boot, err := provision.BootID()
	if err != nil {
		return nil, err
	}
	c := &trial.Check{
		Dir: a.trials(), Boot: trial.Boot{Root: "/", Sys: "/sys"}, Baselines: a.baselines(), Running: kernel(), BootID: boot, Now: time.Now,
		Options: compare.Options{Now: time.Now(), Floor: compare.DefaultFloor},
		Say: func(s string) {
			say(s)
			fmt.Fprintf(style.Plain(os.Stderr), "nicwright: %s\n", s)
		},
		Record: func(ctx context.Context) (*baseline.Baseline, error) {
			return a.record(ctx, verb, recording{runs: 1, quick: true})
		},
		Installed: bootable,
		Unit:      unitOfProfile,
		Start:     func(ctx context.Context) error { return systemd.Start(ctx, install.Unit) },
		Rehearse:  a.rehearseApart,
		Reboot:    systemd.Reboot,
	}
	if c.Options.Known, err = compare.Table(); err != nil {
		return nil, err
	}
	c.Options.Waivers, err = a.waivers("")
	return c, err
}

func (a *app) trials() trial.Dir { return trial.Dir(a.settings.GetString("state-dir")) }

// bootable are the releases of the kernels that are installed.
func bootable() ([]string, error) {
	all, err := hostkernel.Find("/")
	if err != nil {
		return nil, err
	}
	var releases []string
	for _, k := range all {
		releases = append(releases, k.Release)
	}
	return releases, nil
}

// unitOfProfile is how the unit is that applies the profile at boot.
func unitOfProfile(ctx context.Context) (trial.Unit, error) {
	r, err := install.Ask(ctx)
	return unitOf(r), err
}

func unitOf(r install.Running) trial.Unit {
	words := install.Unit + " is " + r.Active
	if r.Load != "loaded" {
		words = install.Unit + ": " + r.Load
	}
	if r.Says != "" {
		words += ": " + r.Says
	}
	return trial.Unit{Active: r.Active == "active", Unconfirmed: r.Active != "active" && r.Status == exitBack, Words: words}
}

// kernelHook does what a package's script asks for, and never fails.
func (a *app) kernelHook(ctx context.Context, name, release string, do func(*trial.Check, context.Context, string) error) {
	tell := func(err error) {
		fmt.Fprintf(style.Plain(os.Stderr), "nicwright: kernel-check %s %s: %v (the kernel is installed all the same)\n", name, release, err)
	}
	if why := notNow(name, os.Getenv("DEB_MAINT_PARAMS"), systemd.Booted("")); why != "" {
		fmt.Fprintf(style.Plain(os.Stderr), "nicwright: kernel-check %s: nothing to do: %s\n", name, why)
		return
	}
	if err := baseline.CheckName(trial.BaselineOf(release)); err != nil {
		tell(fmt.Errorf("%q is no kernel's release: %w", release, err))
		return
	}
	check, err := a.kernelCheck("kernel-check " + name)
	if err != nil {
		tell(err)
		return
	}
	limited, stop := context.WithTimeoutCause(ctx, beforeLimit, fmt.Errorf("%v are over, and the package manager does not wait longer", beforeLimit))
	defer stop()
	if err := do(check, limited, release); err != nil {
		tell(err)
		if err := check.Problem(release, err); err != nil {
			tell(err)
		}
	}
}

// notNow says why there is nothing to do for a hook, "" where there is. params are what dpkg
// gave the script of the package (deb-preinst(5), deb-postinst(5)), "" of no package of Debian's.
func notNow(name, params string, booted error) string {
	if booted != nil {
		return booted.Error() + ", so no trial can be: an image is being made"
	}
	words := strings.Fields(params)
	if len(words) == 0 {
		return ""
	}
	switch action := strings.Trim(words[0], `'"`); {
	case name == "before" && action != "install" && action != "upgrade", name == "after" && action != "configure":
		return "dpkg is at " + action
	}
	return ""
}

func (a *app) judgeKernel(ctx context.Context, fallBack bool) error {
	check, err := a.kernelCheck("kernel-check judge")
	if err != nil {
		return err
	}
	check.FallBack = fallBack
	t, err := check.Judge(ctx)
	if t == nil {
		if err == nil && a.json() {
			return a.printJSON(map[string]string{"kernel": check.Running, "verdict": "not on trial"})
		}
		return err
	}
	switch {
	case a.json():
		err = errors.Join(err, a.printJSON(t))
	default:
		colour := map[trial.Verdict]func(string) string{trial.Green: style.Green, trial.Red: style.Red, trial.Unknown: style.Amber}[t.Verdict]
		_, printed := fmt.Fprintf(a.out, "kernel %s: %s: %s\n", t.Kernel, colour(string(t.Verdict)), t.Words)
		for _, p := range t.Problems {
			_, more := fmt.Fprintf(a.out, "  %s\n", style.Amber(p))
			printed = errors.Join(printed, more)
		}
		if t.Report != "" {
			_, more := fmt.Fprintf(a.out, "  report: %s\n", t.Report)
			printed = errors.Join(printed, more)
		}
		err = errors.Join(err, printed)
	}
	say("kernel " + t.Kernel + ": " + string(t.Verdict) + ": " + t.Words)
	if err == nil && t.Verdict != trial.Green {
		err = exitStatus{exitUnproven, nil}
	}
	return err
}
