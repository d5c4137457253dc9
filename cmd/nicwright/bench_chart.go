// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/provision/bench/sample"
)

func newBenchChart(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "chart RUN",
		Short:   "Draw what a bench measured",
		Long:    "chart reads the samples of a run.",
		Example: "  nicwright bench chart run.ndjson",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			run, err := readRun(args[0])
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(run)
			}
			if _, err := fmt.Fprintf(a.out, "%d samples\n", len(run.Samples)); err != nil {
				return fmt.Errorf("printing: %w", err)
			}
			return nil
		},
	}
}

// readRun reads the samples of a file.
func readRun(file string) (*sample.Run, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("reading the samples of a bench: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was read
	run, err := sample.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return run, nil
}
