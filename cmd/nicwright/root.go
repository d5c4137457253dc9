// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/charmbracelet/colorprofile"
	"github.com/spf13/cobra"
	"github.com/spf13/viper"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/apart"
	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/journal"
)

// app is what the verbs share: the tool's settings and where they print.
type app struct {
	settings *viper.Viper
	sets     []string
	out      io.Writer // colour is stripped where it is no terminal or NO_COLOR is set
	raw      io.Writer // for JSON
	cancel   func()    // ends the context of --timeout
	ofUnit   bool      // this is a unit of systemd's
	waits    string    // what an apply that came to its end waits for, in words
}

func newRoot() *cobra.Command {
	// "." would split PCI addresses and VLAN netdevs in keys.
	a := &app{settings: viper.NewWithOptions(viper.KeyDelimiter("::"))}
	root := &cobra.Command{
		Use:   "nicwright",
		Short: "Provision hosts with SmartNICs from profiles, and prove it with traffic",
		Long: `nicwright brings a host's ConnectX-6 Dx class card to what a YAML profile says
(SR-IOV, switchdev, LACP bond, Open vSwitch in the card, TLS offload) and then
proves it with a transfer whose bytes the card's own counters account for.

Exit status: 0 done or nothing to do, 1 error, 2 the plan has steps,
3 verification failed, 4 taken back, for nobody confirmed, 5 done but for what
is missing (--without-missing), 64 usage.`,
		Example: `  nicwright show                    what card is here and what it does
  nicwright plan -p vm-host         what would change (exit 2 if anything)
  nicwright apply -p vm-host        change it
  nicwright verify                  prove it`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			a.raw = cmd.OutOrStdout()
			a.out = style.Plain(colorprofile.NewWriter(cmd.OutOrStdout(), os.Environ()))
			if err := a.load(cmd); err != nil {
				return err
			}
			ctx, cancel := limit(cmd.Context(), a.settings.GetDuration("timeout"))
			a.cancel = cancel
			cmd.SetContext(apart.With(ctx, apart.Self(actVerb)))
			return nil
		},
		PersistentPostRun: func(*cobra.Command, []string) { a.cancel() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return exitStatus{exitUsage, fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())}
	})
	root.SetVersionTemplate(versionText(buildInfo()))
	f := root.PersistentFlags()
	f.StringP("profile", "p", "", "profile: the name of a built-in one, or a file")
	f.StringArrayVar(&a.sets, "set", nil, "override one value of the profile, `path=value` (cards.nic0.ports.p0.vfs=8); repeatable")
	f.Bool("json", false, "print JSON")
	f.String("state-dir", "/var/lib/nicwright", "where the journal is kept")
	f.String("run-dir", "/run/nicwright", "where the lock is")
	f.String("config-dir", "/etc/nicwright", "where config.yaml and profiles.d are")
	f.Duration("timeout", 0, "give up after this time (0: each wait has its own deadline)")
	f.Duration("wait", lockWait, "how long to wait while another nicwright changes the host, before saying which")
	root.AddCommand(
		newShow(a), newCapture(a), newPlan(a), waiting(a, newApply(a)), newConfirm(a), newRollback(a), newRemove(a), newHistory(a), newVerify(a), newBaseline(a), newCompare(a), newRehearse(a), newBisect(a), newKernelCheck(a), newCheck(a), newDoctor(a), newPeer(a), newProfileCommand(a), newMan(),
		newInstall(a), newUninstall(a), newStatus(a), newWatch(a), newTop(a), newVF(a), newSupport(a), newBench(a), newAdvice(a), newSettingsCommand(a), newAct(),
	)
	for _, c := range root.Commands() {
		usageErrors(c)
	}
	return root
}

// usageErrors makes wrong arguments exit with the status of a usage error.
func usageErrors(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return exitStatus{exitUsage, fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		usageErrors(sub)
	}
}

// load layers the tool's settings: defaults < config.yaml < NICWRIGHT_* < flags.
func (a *app) load(cmd *cobra.Command) error {
	v := a.settings
	if err := v.BindPFlags(cmd.Flags()); err != nil {
		return fmt.Errorf("reading the flags: %w", err)
	}
	v.SetEnvPrefix("nicwright")
	v.SetEnvKeyReplacer(strings.NewReplacer("-", "_"))
	v.AutomaticEnv()
	v.SetConfigFile(v.GetString("config-dir") + "/config.yaml")
	if err := v.ReadInConfig(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the tool's settings %s: %w", v.ConfigFileUsed(), err)
	}
	return nil
}

func (a *app) json() bool         { return a.settings.GetBool("json") }
func (a *app) state() journal.Dir { return journal.Dir(a.settings.GetString("state-dir")) }

// look is what operations are planned from.
func (a *app) look(ctx context.Context) (*provision.Road, error) {
	return provision.Look(ctx, a.state(), version())
}

// printJSON prints v as an indented document.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.raw)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("printing JSON: %w", err)
	}
	return nil
}

// profileOptions is where this run's profile comes from.
func (a *app) profileOptions() profiles.Options {
	return profiles.Options{
		Name:      a.settings.GetString("profile"),
		Sets:      a.sets,
		ConfigDir: a.settings.GetString("config-dir"),
		Environ:   os.Environ(),
	}
}

// profileName is the profile that is named.
func (a *app) profileName() (string, error) {
	name := a.settings.GetString("profile")
	if name == "" {
		return "", exitStatus{exitUsage, errors.New("no profile is named: say -p NAME or -p FILE (`nicwright profile list` lists the built-in ones), or set `profile:` in config.yaml")}
	}
	return name, nil
}

// wanted is a profile resolved on a host, and as it was written.
type wanted struct {
	want  *profiles.Want
	doc   journal.Profile
	lacks []string // what it was asked without
}

// want loads the profile and gives the function that holds it against a host and
// resolves it there. partly: without what hangs on a card, or an Open vSwitch, that the host lacks.
func (a *app) want(partly bool) (func(context.Context, *provision.Road) (wanted, error), error) {
	if _, err := a.profileName(); err != nil {
		return nil, err
	}
	p, err := profiles.Load(a.profileOptions())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, r *provision.Road) (wanted, error) {
		facts := r.Facts(ctx)
		part, lacks := p, []string(nil)
		if partly {
			var err error
			if part, lacks, err = p.Available(facts.Cards, facts.Switch.Missing); err != nil {
				return wanted{}, err
			}
		}
		if err := part.CheckHost(facts); err != nil {
			return wanted{}, err
		}
		w, err := profiles.Resolve(part, facts.Cards)
		return wanted{w, docOf(p), lacks}, err
	}, nil
}

// docOf is a profile as it was written, for the journal.
func docOf(p *profiles.Profile) journal.Profile {
	doc := journal.Profile{Name: p.Name}
	for _, l := range p.Layers() {
		doc.Layers = append(doc.Layers, journal.Layer{Source: l.Source, Text: l.Text})
	}
	return doc
}

// needRoot says in one sentence why verbs that change the host end here.
func needRoot(verb string) error {
	// CAP_NET_ADMIN alone is not enough: sysfs and other namespaces want root.
	if unix.Geteuid() != 0 {
		return fmt.Errorf("%s has to be run as root: it changes network devices, sysfs and namespaces; try `sudo nicwright %s`", verb, verb)
	}
	return nil
}
