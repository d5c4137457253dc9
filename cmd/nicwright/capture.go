// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/provision/capture"
)

func newCapture(a *app) *cobra.Command {
	var name, file string
	var cards []string
	c := &cobra.Command{
		Use:   "capture",
		Short: "Write the profile of this host as it is",
		Long: `capture looks at the host and writes what its cards, their bonds and their switch
are like as a profile, without what is so from the start; what no profile can say is
told in comments, with the reason. It changes nothing, and holds what it wrote
against the host: on it the profile plans to nothing.
Exit status 0: so it is; 2: a plan of it has steps, which are told.`,
		Example: `  nicwright capture
  nicwright capture --name rack7 -o rack7.yaml && nicwright plan -p ./rack7.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkForms([]form{{flag: "--output", file: file}}); err != nil {
				return err
			}
			var at []pci.Address
			for _, s := range cards {
				address, err := pci.ParseAddress(s)
				if err != nil {
					return exitStatus{exitUsage, fmt.Errorf("--card: %w", err)}
				}
				at = append(at, address)
			}
			road, err := a.look(cmd.Context())
			if err != nil {
				return err
			}
			d, err := capture.Of(road.Have, capture.Managers("/", road.Snapshot), road.Set, cmp.Or(name, capture.Owner(road.Have), "captured"), at...)
			if err != nil {
				return err
			}
			host, err := os.Hostname()
			if err != nil {
				return fmt.Errorf("reading the host's name: %w", err)
			}
			text, err := d.YAML(fmt.Sprintf("%s on %s, as nicwright capture found it.", host, time.Now().UTC().Format(time.DateOnly)))
			if err != nil {
				return err
			}
			if file != "" {
				err = writeForms(cmd.Context(), []form{{flag: "--output", file: file, render: func(w io.Writer) error {
					_, err := w.Write(text)
					return err //nolint:wrapcheck // whoever writes the file says so
				}}})
			} else if _, err = a.out.Write(text); err != nil {
				err = fmt.Errorf("printing the profile: %w", err)
			}
			if err != nil {
				return err
			}
			switch steps, err := capture.Check(road, road.Facts(cmd.Context()), text); {
			case err != nil:
				return fmt.Errorf("what was captured is written, and cannot be applied to this host as it is: %w", err)
			case len(steps) > 0:
				return exitStatus{exitSteps, errors.New("what was captured is written, and a plan of it has steps on this host:\n  " + strings.Join(steps, "\n  "))}
			}
			return nil
		},
	}
	c.Flags().StringVar(&name, "name", "", "the profile's `name`; without it that of the profile which made what is there, else captured")
	c.Flags().StringVarP(&file, "output", "o", "", "write the profile to this `file` in place of printing it")
	c.Flags().StringArrayVar(&cards, "card", nil, "capture the card with a port at this PCI `address`, whatever its driver; repeatable")
	return c
}
