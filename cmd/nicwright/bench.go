// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/spf13/cobra"

// newBench is the parent of what measures, and of what is made of measurements.
func newBench(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure whether offload is worth it, and draw the charts",
		Long: `bench measures what the card's offload is worth on this host, and draws what was
measured. Its samples are lines of JSON: nicwright advice reads them, too.`,
		Example: "  nicwright bench chart run.ndjson --terminal",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newBenchChart(a), newBenchHTTPS(a), newBenchIPsec(a), newBenchNFS(a), newBenchEnd())
	return c
}
