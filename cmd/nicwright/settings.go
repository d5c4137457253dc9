// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/settings"
)

// settingsFlags are the flags of settings.
type settingsFlags struct {
	tls12, write, remove bool
	addresses            []string
	file                 string
}

func newSettingsCommand(a *app) *cobra.Command {
	var f settingsFlags
	c := &cobra.Command{
		Use:   "settings " + strings.Join(settings.Programs(), "|") + " -p NAME|FILE",
		Short: "Print the configuration of a program that a profile needs, or install it",
		Long: `settings prints what a program has to be told so that it uses the card as the
profile has it: kernel TLS, ciphers that the card takes, sendfile, hw_offload; what
each line gives and what it costs stands beside it. It looks at no host and runs no
program: whether yours takes the file, its own check says (nginx -t, haproxy -c).

With --write it is put where the program can be told to read it, whole or not at all,
and never over a file that is not ours; what is left to do is said. --remove takes it
away again. Until you refer to it, no program reads it.

TLS 1.3 stays in software, for no mainline kernel up to 7.3 gives it to a card. It
is turned off where you say --tls12, and never without.`,
		Example: `  nicwright settings nginx -p tls-server
  nicwright settings nginx -p tls-server --tls12 --write
  nicwright settings nginx -p vm-host --two-addresses 192.0.2.10,192.0.2.11    small files, large files
  nicwright settings strongswan -p vm-host --write
  nicwright settings nginx --remove`,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: settings.Programs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.settle(cmd.Context(), settings.Program(args[0]), f)
		},
	}
	n := c.Flags()
	n.BoolVar(&f.tls12, "tls12", false, "turn TLS 1.3 off, so that clients that speak it can be in the card, too")
	n.StringSliceVar(&f.addresses, "two-addresses", nil, "nginx: print two servers, on the `addresses` of two VFs: for small files without the card, for large ones with it")
	n.BoolVar(&f.write, "write", false, "install it, unless there is a file that is not ours")
	n.BoolVar(&f.remove, "remove", false, "take away what --write installed")
	n.StringVar(&f.file, "file", "", "with --write and --remove: this `file` and not the usual one")
	c.MarkFlagsMutuallyExclusive("write", "remove", "two-addresses")
	return c
}

// settled is what settings prints as JSON.
type settled struct {
	*settings.Settings
	Changed *bool `json:"changed,omitempty"` // of --write and --remove
}

func (a *app) settle(ctx context.Context, program settings.Program, f settingsFlags) error {
	usage := func(err error) error { return exitStatus{exitUsage, err} }
	if f.file != "" && !f.write && !f.remove {
		return usage(errors.New("--file is where --write and --remove work: say one of them"))
	}
	o := settings.Options{TLS12: f.tls12, ConfigDir: a.settings.GetString("config-dir"), At: f.file}
	if f.remove {
		return a.unsettle(program, o)
	}
	if _, err := a.profileName(); err != nil {
		return err
	}
	if f.addresses != nil {
		if len(f.addresses) != 2 {
			return usage(fmt.Errorf("--two-addresses names %d: it is two, with a comma, that for small files first", len(f.addresses)))
		}
		for i, to := range []*netip.Addr{&o.Small, &o.Large} {
			var err error
			if *to, err = netip.ParseAddr(f.addresses[i]); err != nil {
				return usage(fmt.Errorf("--two-addresses: %w", err))
			}
		}
	}
	p, err := profiles.Load(a.profileOptions())
	if err != nil {
		return err
	}
	s, err := settings.For(program, p, o)
	if err != nil {
		return err
	}
	if !f.write {
		return a.printSettings(settled{Settings: s})
	}
	if s.File == "" || program == settings.Tlshd {
		return fmt.Errorf("there is nothing to write for %s; without --write it is said why", program)
	}
	changed, err := settings.Write(ctx, s.File, s)
	if err != nil {
		return err
	}
	return a.printSettings(settled{s, &changed})
}

// unsettle takes away what was written.
func (a *app) unsettle(program settings.Program, o settings.Options) error {
	s := &settings.Settings{Program: program, File: cmp.Or(o.At, settings.File(program, o))}
	if s.File == "" {
		return fmt.Errorf("nothing is ever written for %s: there is nothing to take away", program)
	}
	removed, err := settings.Remove(s.File)
	if err != nil {
		return err
	}
	return a.printSettings(settled{s, &removed})
}

func (a *app) printSettings(s settled) error {
	if a.json() {
		return a.printJSON(s)
	}
	var b strings.Builder
	switch {
	case s.Changed == nil:
		b.WriteString(s.Text)
	case s.Text == "" && *s.Changed:
		fmt.Fprintf(&b, "taken away: %s; what refers to it has to go, too, before %s is reloaded\n", s.File, s.Program)
	case s.Text == "":
		fmt.Fprintf(&b, "nothing to do: there is no %s\n", s.File)
	case *s.Changed:
		fmt.Fprintf(&b, "written: %s\n", s.File)
	default:
		fmt.Fprintf(&b, "nothing to do: %s is so already\n", s.File)
	}
	if s.Changed != nil && *s.Changed && s.Next != "" {
		fmt.Fprintf(&b, "next: %s\n", s.Next)
	}
	if _, err := fmt.Fprint(a.out, b.String()); err != nil {
		return fmt.Errorf("printing the settings: %w", err)
	}
	return nil
}
