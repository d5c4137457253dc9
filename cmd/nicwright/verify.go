// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
)

func newVerify(a *app) *cobra.Command {
	var (
		quick bool
		out   reports
	)
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove by traffic that the host does what the profile wants",
		Long: `verify looks whether the host is as the profile wants and runs the transfers that
prove its offloads, between VFs moved into network namespaces of their own for
the while. Each verdict is offloaded, software, failed or not possible here.
Without -p it takes the profile that was applied last.
Exit status 3: a verdict is not what the profile requires.`,
		Example: `  nicwright verify
  nicwright verify -p vm-host --set verify.ktls.bytes=1048576 --json
  nicwright verify --junit verify.xml --html verify.html`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := needRoot("verify"); err != nil {
				return err
			}
			want := func(provision.Host) (*profiles.Want, error) { return provision.AppliedWant(a.state()) }
			if len(a.sets) > 0 && a.settings.GetString("profile") == "" {
				return exitStatus{exitUsage, errors.New("--set changes a profile, and none is named: say which with -p")}
			}
			if a.settings.GetString("profile") != "" {
				if want, err = a.want(); err != nil {
					return err
				}
			}
			if err := out.check(); err != nil {
				return err
			}
			lock, err := provision.TakeLock(a.settings.GetString("run-dir"), os.Args)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, lock.Release()) }()
			progress := newProgress(os.Stderr)
			report, err := provision.Verify(cmd.Context(), a.state(), want, quick, progress)
			progress.stop()
			if err != nil {
				return err
			}
			err = out.write(a, report)
			if err == nil && !report.OK {
				err = exitStatus{exitUnproven, nil}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&quick, "quick", false, "one transfer of each kind (kTLS, IPsec, flows), 1 MiB each, between one pair of VFs; neither VLANs nor bonds nor peers")
	out.flags(cmd)
	return cmd
}
