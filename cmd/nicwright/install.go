// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/install"
)

// installing are the flags of install.
type installing struct {
	root, names, binary string
	print, watch        bool
	checks, fallBack    bool
	wait, limit         time.Duration
}

func newInstall(a *app) *cobra.Command {
	var in installing
	c := &cobra.Command{
		Use:   "install -p NAME|FILE",
		Short: "Have the host come up as the profile says",
		Long: `install puts the profile with all its layers, as it is now, below the
configuration directory, and a systemd unit that applies it at boot. It changes
nothing of the card: that does apply, or the next boot. NetworkManager,
systemd-networkd and cloud-init, where they are, are told to leave the profile's
VFs, representors and bonded uplinks alone. With --names the netdevs get names
that are the same on every kernel. Files that are not its own it never touches.`,
		Example: `  nicwright install -p vm-host --print     every file, and nothing is written
  nicwright install -p vm-host
  nicwright install -p vm-host --kernel-checks --fall-back
  nicwright install -p vm-host --names '{card}{port}{vf}'   nic0p0, nic0p0v3, nic0p0r3 (its representor)`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := a.profileName(); err != nil {
				return err
			}
			if in.fallBack && !in.checks {
				return exitStatus{exitUsage, errors.New("--fall-back goes with --kernel-checks")}
			}
			if in.print {
				return a.install(cmd.Context(), in)
			}
			return a.asWriter(cmd.Context(), "install", in.root, func() error { return a.install(cmd.Context(), in) })
		},
	}
	f := c.Flags()
	f.BoolVar(&in.print, "print", false, "print every file with its path and mode, and write nothing")
	f.BoolVar(&in.watch, "watch", false, "have a unit that tells of drift (nicwright watch), too; without this flag there is none")
	f.BoolVar(&in.checks, "kernel-checks", false, "have new kernels tried: hooks of the package manager, and a unit that judges them at boot")
	f.BoolVar(&in.fallBack, "fall-back", false, "with --kernel-checks: a kernel that is worse has the host reboot, once, where the boot loader then takes the one before")
	f.StringVar(&in.root, "root", "", "put the files below this `directory` (an image), without a look at this host's cards")
	f.StringVar(&in.names, "names", "", "`template` of netdev names over {card}, {port} and {vf} (v3 of a VF, r3 of its representor); without it nothing is named")
	f.StringVar(&in.binary, "binary", "", "`path` of the tool at boot (default: of this one)")
	f.DurationVar(&in.wait, "wait-for-card", time.Minute, "how long a card may take to appear at boot")
	f.DurationVar(&in.limit, "time-limit", 10*time.Minute, "for the whole apply at boot")
	return c
}

// installed is what install prints.
type installed struct {
	Profile string           `json:"profile"`
	Files   []install.File   `json:"files,omitempty"`   // of --print
	Changes []install.Change `json:"changes,omitempty"` // what was done
	Notes   []string         `json:"notes,omitempty"`
}

// asWriter does what writes to this host as root and under the lock; below another
// root neither is needed.
func (a *app) asWriter(ctx context.Context, verb, root string, do func() error) (err error) {
	if root != "" {
		return do()
	}
	if err := needRoot(verb); err != nil {
		return err
	}
	lock, err := a.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	return do()
}

func (a *app) install(ctx context.Context, in installing) error {
	p, err := profiles.Load(a.profileOptions())
	if err != nil {
		return err
	}
	config := a.settings.GetString("config-dir")
	if err := otherInstalled(p, in.root, config); err != nil {
		return err
	}
	out := installed{Profile: p.Name}
	o := install.Options{
		Binary: in.binary, ConfigDir: config, StateDir: a.settings.GetString("state-dir"), RunDir: a.settings.GetString("run-dir"),
		Wait: in.wait, Limit: in.limit, Names: in.names, Systemd: install.SystemdVersion(in.root), Managers: install.FindManagers(in.root),
		Watch: in.watch, Kernels: install.Kernels{Check: in.checks, FallBack: in.fallBack, Hooks: install.FindHooks(in.root)},
	}
	if in.checks && !o.Kernels.Hooks.Dpkg && !o.Kernels.Hooks.KernelInstall {
		out.Notes = append(out.Notes, "neither dpkg nor kernel-install is here: nobody tells of a new kernel, and it is judged at its first boot alone")
	}
	if o.Binary == "" {
		if o.Binary, err = thisBinary(); err != nil {
			return err
		}
	}
	if in.root != "" {
		out.Notes = append(out.Notes, "the cards of this host are not those of "+in.root+": netdevs are neither named nor left alone by others until an install there")
	} else if o.Ports, err = a.portsHere(ctx, p, &out); err != nil {
		return err
	}
	if out.Files, err = install.Files(p, o); err != nil {
		return err
	}
	if in.print {
		return a.printInstalled(out)
	}
	out.Changes, err = install.Host(in.root).Put(out.Files, config)
	out.Files = nil
	if err != nil {
		return errors.Join(err, a.printInstalled(out))
	}
	if in.root == "" {
		out.Notes = append(out.Notes, reloaded(ctx, out.Changes, install.Reload)...)
	}
	return a.printInstalled(out)
}

// thisBinary is the tool itself, where links lead.
func thisBinary() (string, error) {
	path, err := os.Executable()
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", fmt.Errorf("finding where the tool is: %w; say it with --binary", err)
	}
	return path, nil
}

// otherInstalled refuses a second profile: one unit applies one.
func otherInstalled(p *profiles.Profile, root, config string) error {
	have, err := profiles.Load(profiles.Options{Name: filepath.Join("/", root, install.ProfilePath(config))})
	if err != nil || have.Name == p.Name {
		return nil //nolint:nilerr // what cannot be read is nobody's profile: whether the file may be replaced, Put says
	}
	return fmt.Errorf("profile %s is installed here, and one profile comes up at boot: take it away first (nicwright uninstall)", have.Name)
}

// portsHere are the profile's ports on this host. A card that is not there is told; a
// profile that would not go here is refused now and not at boot.
func (a *app) portsHere(ctx context.Context, p *profiles.Profile, out *installed) ([]install.Port, error) {
	road, err := a.look(ctx)
	if err != nil {
		return nil, err
	}
	facts := road.Facts(ctx)
	ports, err := install.PortsOf(p, facts.Cards)
	if err != nil {
		out.Notes = append(out.Notes, "not all cards of the profile are here: netdevs are neither named nor left alone by others; install again when they are: "+err.Error())
		return nil, nil //nolint:nilerr // told
	}
	return ports, p.CheckHost(facts)
}

// reloaded tells systemd of changes, or the operator how to.
func reloaded(ctx context.Context, changes []install.Change, reload func(context.Context) error) []string {
	changed := false
	for _, c := range changes {
		changed = changed || c.Did == install.Written || c.Did == install.TakenAway
	}
	if !changed {
		return nil
	}
	switch err := reload(ctx); {
	case errors.Is(err, install.ErrNoSystemd):
		return []string{err.Error() + ": the unit is for the next boot with it"}
	case err != nil:
		return []string{err.Error() + ": run `systemctl daemon-reload`"}
	}
	return nil
}

func (a *app) printInstalled(out installed) error {
	if a.json() {
		return a.printJSON(out)
	}
	var b strings.Builder
	for _, f := range out.Files {
		if f.Link != "" {
			fmt.Fprintf(&b, "==> %s -> %s\n", f.Path, f.Link)
			continue
		}
		fmt.Fprintf(&b, "==> %s (%s)\n%s\n", f.Path, f.Mode, f.Text)
	}
	done := 0
	for _, c := range out.Changes {
		if c.Did != install.Unchanged {
			done++
			fmt.Fprintf(&b, "%s: %s\n", c.Did, c.Path)
		}
	}
	if len(out.Changes) > 0 && done == 0 {
		fmt.Fprintf(&b, "nothing to do: %s is installed\n", out.Profile)
	}
	if done > 0 {
		fmt.Fprintf(&b, "%s comes up with the next boot; now: nicwright apply, or systemctl start %s\n", out.Profile, install.Unit)
	}
	for _, n := range out.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	_, err := fmt.Fprint(a.out, b.String())
	return err
}

func newUninstall(a *app) *cobra.Command {
	var root string
	c := &cobra.Command{
		Use:   "uninstall",
		Short: "Take away what install put in place",
		Long: `uninstall takes away the files that carry install's mark in their first line,
and no others, and prints each. What was applied to the card stays: remove takes
that away.`,
		Example: "  nicwright uninstall\n  nicwright uninstall && nicwright remove -p vm-host",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// Under the lock no apply of the unit is at work, which stopping it would end.
			return a.asWriter(cmd.Context(), "uninstall", root, func() error { return a.uninstall(cmd.Context(), root) })
		},
	}
	c.Flags().StringVar(&root, "root", "", "take the files away below this `directory`")
	return c
}

func (a *app) uninstall(ctx context.Context, root string) error {
	var out installed
	config := a.settings.GetString("config-dir")
	h := install.Host(root)
	there, err := h.Installed(config)
	if err != nil {
		return err
	}
	if root == "" && len(there) > 0 {
		if err := install.Stop(ctx); err != nil && !errors.Is(err, install.ErrNoSystemd) {
			out.Notes = append(out.Notes, err.Error()+": a unit that tries again by itself goes on until `systemctl stop "+install.Unit+"`")
		}
	}
	if out.Changes, err = h.Remove(config); err != nil {
		return err
	}
	if root == "" {
		out.Notes = append(out.Notes, reloaded(ctx, out.Changes, install.Reload)...)
		if k, err := a.kernelsHere(); err == nil && len(there) > 0 {
			out.Notes = append(out.Notes, leftWithGRUB(k)...)
		}
	}
	if a.json() {
		return a.printJSON(out)
	}
	var b strings.Builder
	for _, c := range out.Changes {
		fmt.Fprintf(&b, "%s: %s\n", c.Did, c.Path)
	}
	if len(there) == 0 {
		b.WriteString("nothing to do: nothing is installed\n")
	}
	for _, n := range out.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	_, err = fmt.Fprint(a.out, b.String())
	return err
}

// installedProfile is the profile that comes up at boot; nil where none is installed.
func installedProfile(config string) (*profiles.Profile, error) {
	path := install.ProfilePath(config)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return profiles.Load(profiles.Options{Name: path})
}
