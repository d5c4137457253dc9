// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/confirm"
	"github.com/nicwright/nicwright/provision/journal"
)

// entry is an operation as history prints it.
type entry struct {
	ID       string          `json:"id"`
	Kind     journal.Kind    `json:"kind"`
	Profile  string          `json:"profile"`
	Begun    time.Time       `json:"begun"`
	Ended    *time.Time      `json:"ended,omitempty"`
	Outcome  journal.Outcome `json:"outcome"`
	Error    string          `json:"error,omitempty"`
	UndoneBy string          `json:"undone_by,omitempty"`
	Undoes   []string        `json:"undoes,omitempty"`
	Resumes  []string        `json:"resumes,omitempty"`
	InForce  bool            `json:"in_force"`
	Open     bool            `json:"open"`
	// Confirm is there of an apply that is, or was, to be confirmed.
	Confirm *journal.Confirm `json:"confirm,omitempty"`
	waits   bool
}

func newHistory(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "history",
		Short: "List the operations on this host",
		Long: `history lists what nicwright did here, newest last: which operation is in force,
which was taken back, which was interrupted. rollback takes the ID of one.`,
		Example: "  nicwright history\n  nicwright history --json | jq -r '.[] | select(.in_force) | .id'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ops, err := provision.History(a.state())
			if err != nil {
				return err
			}
			unarmed := a.armAgain(cmd.Context(), ops)
			all := make([]entry, 0, len(ops))
			for _, o := range ops {
				all = append(all, entryOf(o))
			}
			if a.json() {
				return errors.Join(a.printJSON(all), unarmed)
			}
			return errors.Join(a.printHistory(all), unarmed)
		},
	}
}

func entryOf(o *journal.Operation) entry {
	return entry{
		ID: o.ID, Kind: o.Kind, Profile: o.Profile.Name, Begun: o.Begun, Ended: o.Ended, Outcome: o.Outcome, Error: o.Error,
		UndoneBy: o.UndoneBy, Undoes: o.Undoes, Resumes: o.Resumes, InForce: o.InForce(), Open: o.Open(), Confirm: o.Confirm, waits: o.Waits(),
	}
}

func (a *app) printHistory(all []entry) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(a.out, "no operations: nicwright has changed nothing here")
		return err
	}
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "OPERATION\tPROFILE\tBEGUN\tSTATE")
	for _, e := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", e.ID, e.Profile, e.Begun.Local().Format(time.DateTime), e.state())
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// state is how an operation stands, in words.
func (e entry) state() string {
	switch {
	case e.UndoneBy != "":
		return "taken back by " + e.UndoneBy
	case e.InForce && e.waits && e.Confirm.Deadline != nil:
		return "in force, goes back at " + confirm.When(*e.Confirm.Deadline) + " unless it is confirmed"
	case e.InForce:
		return "in force"
	case e.Outcome == journal.Failed:
		first, _, _ := strings.Cut(e.Error, "\n") // --json has all of it
		return "failed: " + first
	case e.Open:
		return "interrupted, or under way"
	}
	return string(e.Outcome)
}
