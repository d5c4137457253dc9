// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
)

func newCheck(a *app) *cobra.Command {
	var noHost, list bool
	var allow provision.Allowed
	c := &cobra.Command{
		Use:   "check [NAME|FILE]",
		Short: "Hold a profile against what is known of the hardware",
		Long: `check loads a profile with all its layers and holds it against the rules: what
the document has to have, and what is known of the card, the driver and the
kernel. Where a card of the profile is on this host, it looks at the host as
well, whether it can be so here; --no-host leaves that out, and no card is
needed. Each finding has file, line and column, the rule and where it is known
from. It changes nothing.

Exit status 0: no errors (warnings do not count); 1: there are errors.`,
		Example: `  nicwright check -p vm-host
  nicwright check ./rack7.yaml --no-host
  nicwright check --rules              list all rules, with their sources`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				return a.printRules()
			}
			opts := a.profileOptions()
			if len(args) == 1 {
				opts.Name = args[0]
			}
			if opts.Name == "" {
				return exitStatus{exitUsage, errors.New("no profile is named: say nicwright check NAME, or -p NAME (`nicwright profile list` lists them)")}
			}
			out, err := a.check(cmd.Context(), opts, allow, noHost)
			if err != nil {
				return err
			}
			return a.printChecked(out)
		},
	}
	c.Flags().BoolVar(&noHost, "no-host", false, "do not look at this host")
	allowFlags(c, &allow)
	c.Flags().BoolVar(&list, "rules", false, "list all rules and check nothing")
	return c
}

// checked is what check prints.
type checked struct {
	Profile string `json:"profile,omitempty"` // "" where it cannot be loaded
	OK      bool   `json:"ok"`                // there are no errors
	// Host says whether this host was looked at; of one that was not, Why says why.
	Host     bool              `json:"host"`
	Why      string            `json:"why,omitempty"`
	Findings []*profiles.Error `json:"findings,omitempty"`
}

// check loads the profile and looks at it; the error is that it could not look.
func (a *app) check(ctx context.Context, opts profiles.Options, allow provision.Allowed, noHost bool) (checked, error) {
	out := checked{Why: "the profile cannot be read"}
	p, err := profiles.Read(opts)
	var findings profiles.Errors
	if errors.As(err, &findings) {
		out.Findings = findings
		return out, nil
	}
	if err != nil {
		return out, err
	}
	out.Profile = p.Name
	if noHost {
		out.Why = "--no-host"
		out.Findings, _ = p.Check(nil)
	} else if err := a.checkHere(ctx, p, allow, &out); err != nil {
		return out, err
	}
	out.OK = len(profiles.Errors(out.Findings).Fatal()) == 0
	return out, nil
}

// checkHere looks at the host, and, where no rule is against the profile, whether it can be planned.
func (a *app) checkHere(ctx context.Context, p *profiles.Profile, allow provision.Allowed, out *checked) error {
	road, err := a.look(ctx)
	if err != nil {
		return fmt.Errorf("%w; --no-host checks the profile alone", err)
	}
	if len(road.Have.Cards) == 0 {
		out.Why = "no card that nicwright knows is on it"
		out.Findings, _ = p.Check(nil)
		return nil
	}
	facts := road.Facts(ctx)
	findings, looked := p.Check(&facts)
	out.Host, out.Why, out.Findings = looked, "", findings
	if !looked {
		out.Why = "the document has errors"
	}
	if len(findings.Fatal()) > 0 {
		return nil
	}
	want, err := profiles.Resolve(p, facts.Cards)
	if err == nil {
		_, err = road.Apply(want, docOf(p), allow)
	}
	var more profiles.Errors
	switch {
	case errors.As(err, &more):
		out.Findings = append(out.Findings, more...)
	case err != nil:
		out.Findings = append(out.Findings, &profiles.Error{Position: p.At(), Message: "it cannot be planned on this host: " + err.Error()})
	}
	return nil
}

func (a *app) printChecked(out checked) error {
	var status error
	if !out.OK {
		status = exitStatus{exitError, nil}
	}
	if a.json() {
		if err := a.printJSON(out); err != nil {
			return err
		}
		return status
	}
	var b strings.Builder
	for _, e := range out.Findings {
		b.WriteString(e.Error() + "\n")
	}
	fatal := len(profiles.Errors(out.Findings).Fatal())
	fmt.Fprintf(&b, "%s: %d errors, %d warnings", orFallback(out.Profile, "the profile"), fatal, len(out.Findings)-fatal)
	if !out.Host {
		b.WriteString("; this host was not looked at: " + out.Why)
	}
	if _, err := fmt.Fprintln(a.out, b.String()); err != nil {
		return fmt.Errorf("printing the findings: %w", err)
	}
	return status
}

func orFallback(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// printRules lists all rules.
func (a *app) printRules() error {
	rules := profiles.Rules()
	if a.json() {
		return a.printJSON(rules)
	}
	var b strings.Builder
	for _, r := range rules {
		where := ""
		if r.Host {
			where = ", looks at the host"
		}
		fmt.Fprintf(&b, "%s (%s%s): %s\n", r.ID, r.Severity, where, r.Sentence)
		if r.Source != "" {
			fmt.Fprintf(&b, "        source: %s\n", r.Source)
		}
	}
	if _, err := fmt.Fprint(a.out, b.String()); err != nil {
		return fmt.Errorf("printing the rules: %w", err)
	}
	return nil
}
