// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/profiles"
)

func newProfileCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "profile",
		Short: "List, print and check profiles",
		Long: `A profile is made of layers, a later one over an earlier one: the built-in
profile, profiles/NAME.yaml and then profiles.d/NAME/*.yaml below the
configuration directory, NICWRIGHT_* variables, --set. Mappings merge key by
key, lists of named entries by name, other lists replace; null takes away what
a lower layer set.

In a path of --set the parts are separated by ".", and entries of lists go by
their name. In a variable's name they are separated by "__", in upper case, with
"_" for every other sign: NICWRIGHT_CARDS__NIC0__PORTS__P0__ESWITCH_MODE=legacy.`,
		Example: `  nicwright profile list
  nicwright profile show vm-host --set cards.nic0.ports.p0.vfs=8
  nicwright profile validate ./rack7.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newProfileList(a), newProfileShow(a), newProfileValidate(a), newProfileSchema(a))
	return c
}

func newProfileList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the profiles that can be named",
		Example: "  nicwright profile list\n  nicwright profile list --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			// Not through this run's environment and --set: they are meant for the one profile that is applied.
			opts := profiles.Options{ConfigDir: a.settings.GetString("config-dir")}
			type entry struct {
				Name        string `json:"name"`
				BuiltIn     bool   `json:"builtin"`
				Description string `json:"description,omitempty"`
				Error       string `json:"error,omitempty"`
			}
			var list []entry
			for _, name := range opts.Names() {
				e := entry{Name: name, BuiltIn: slices.Contains(profiles.BuiltIn(), name)}
				opts.Name = name
				if p, err := profiles.Load(opts); err != nil {
					e.Error = err.Error()
				} else {
					e.Description = p.Description
				}
				list = append(list, e)
			}
			if a.json() {
				return a.printJSON(list)
			}
			w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
			for _, e := range list {
				text := e.Description
				if e.Error != "" {
					text = "is not valid: nicwright profile show " + e.Name + " says why"
				}
				if _, err := fmt.Fprintf(w, "%s\t%s\n", e.Name, text); err != nil {
					return fmt.Errorf("printing the list of profiles: %w", err)
				}
			}
			if err := w.Flush(); err != nil {
				return fmt.Errorf("printing the list of profiles: %w", err)
			}
			return nil
		},
	}
}

func newProfileShow(a *app) *cobra.Command {
	var origin bool
	c := &cobra.Command{
		Use:   "show [NAME|FILE]",
		Short: "Print a profile with all its layers merged",
		Long:  "show prints the profile as apply would take it: with drop-ins, NICWRIGHT_* variables and --set.",
		Example: `  nicwright profile show vm-host
  nicwright profile show vm-host --origin
  nicwright profile show ./rack7.yaml --set ovs=null`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return a.profileOptions().Names(), cobra.ShellCompDirectiveDefault
		},
		RunE: func(_ *cobra.Command, args []string) error {
			opts := a.profileOptions()
			if len(args) == 1 {
				opts.Name = args[0]
			}
			if opts.Name == "" {
				return exitStatus{exitUsage, errors.New("no profile is named: say nicwright profile show NAME (`nicwright profile list` lists them)")}
			}
			p, err := profiles.Load(opts)
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(p)
			}
			text, err := p.YAML(origin)
			if err != nil {
				return err
			}
			if _, err := a.out.Write(text); err != nil {
				return fmt.Errorf("printing profile %q: %w", p.Name, err)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&origin, "origin", false, "say behind each value where it is from")
	return c
}

func newProfileValidate(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE...",
		Short: "Check files and say all that is wrong in them",
		Long: `validate reads each file as a profile of its own and says what is wrong in it
with file, line and column. With -p the files are taken as layers over that
profile instead, in the order given, as drop-ins are.`,
		Example: `  nicwright profile validate ./rack7.yaml
  nicwright profile validate -p vm-host /etc/nicwright/profiles.d/vm-host/*.yaml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var errs []error
			if base, err := cmd.Flags().GetString("profile"); err == nil && base != "" {
				if _, err := profiles.Load(profiles.Options{Name: base, Files: args}); err != nil {
					errs = append(errs, err)
				}
			} else {
				for _, f := range args {
					errs = append(errs, validateFile(f))
				}
			}
			err := errors.Join(errs...)
			if a.json() {
				if perr := a.printJSON(findings(err)); perr != nil || err == nil {
					return perr
				}
				return exitStatus{exitError, nil} // said in the JSON
			}
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(a.out, "%d file(s) valid\n", len(args)); err != nil {
				return fmt.Errorf("printing the outcome: %w", err)
			}
			return nil
		},
	}
}

func newProfileSchema(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of profiles, for editors",
		Example: `  nicwright profile schema > nicwright.schema.json
  # first line of a profile, for editors with a YAML language server:
  # yaml-language-server: $schema=./nicwright.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := a.raw.Write(profiles.Schema()); err != nil {
				return fmt.Errorf("printing the schema: %w", err)
			}
			return nil
		},
	}
}

func validateFile(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading a profile: %w", err)
	}
	return profiles.Validate(file, data)
}

// outcome is what validate prints as JSON.
type outcome struct {
	Valid  bool              `json:"valid"`
	Errors []*profiles.Error `json:"errors,omitempty"`
}

// findings makes a list of joined errors; what has no position is a message only.
func findings(err error) outcome {
	out := outcome{Valid: err == nil}
	var add func(error)
	add = func(err error) {
		var one *profiles.Error
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				add(e)
			}
		} else if errors.As(err, &one) {
			out.Errors = append(out.Errors, one)
		} else if err != nil {
			out.Errors = append(out.Errors, &profiles.Error{Message: err.Error()})
		}
	}
	add(err)
	return out
}
