// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/report"
	"github.com/nicwright/nicwright/provision/verify"
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
Without -p it takes the profile that was applied last. What it found of a profile in
force is kept for status and watch.
Exit status 3: a verdict is not what the profile requires; 1, with the report of
the proofs that had ended: it was stopped, or could not put a VF back.`,
		Example: `  nicwright verify
  nicwright verify -p vm-host --set verify.ktls.bytes=1048576 --json
  nicwright verify --junit verify.xml --html verify.html`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := needRoot("verify"); err != nil {
				return err
			}
			if len(a.sets) > 0 && a.settings.GetString("profile") == "" {
				return exitStatus{exitUsage, errors.New("--set changes a profile, and none is named: say which with -p")}
			}
			if err := out.check(); err != nil {
				return err
			}
			lock, err := a.lock(cmd.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, lock.Release()) }()
			// What a killed verify left is put back first: its VFs would look used.
			if err := verify.PutBack(cmd.Context()); err != nil {
				return err
			}
			in, err := a.toVerify(cmd.Context())
			if err != nil {
				return err
			}
			in.Quick = quick
			progress := newProgress(os.Stderr)
			r, err := verify.Run(cmd.Context(), in.Input, progress)
			progress.stop()
			a.keepVerified(r, in.Want, err)
			if err = errors.Join(err, out.write(cmd.Context(), a, r)); err == nil && !r.OK {
				err = exitStatus{exitUnproven, nil}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&quick, "quick", false, "one transfer of each kind (kTLS, IPsec, flows), 1 MiB each, between one pair of VFs; neither VLANs nor bonds nor peers")
	out.flags(cmd)
	return cmd
}

// verification is what there is to verify, with the look that says so.
type verification struct {
	verify.Input
	*snapshot.Snapshot
}

// toVerify looks at the host and plans to what the profile wants, or else to what
// was applied last.
func (a *app) toVerify(ctx context.Context) (in verification, err error) {
	road, err := a.look(ctx)
	if err != nil {
		return in, err
	}
	var w wanted
	if a.settings.GetString("profile") == "" {
		if w.want, err = provision.AppliedWant(a.state(), ""); err == nil {
			w.doc = journal.Profile{Name: w.want.Profile}
		}
	} else {
		var want func(context.Context, *provision.Road) (wanted, error)
		if want, err = a.want(false); err == nil {
			w, err = want(ctx, road)
		}
	}
	if err != nil {
		return in, err
	}
	plan, err := road.Apply(w.want, w.doc, provision.Allowed{})
	if err != nil {
		return in, err
	}
	return verification{verify.Input{Profile: w.doc.Name, Want: w.want, Have: pictured(road.Have), Drift: plan.Steps, Left: plan.Left}, road.Snapshot}, nil
}

// pictured is the part of a host that a report shows.
func pictured(h provision.Host) report.Host {
	return report.Host{Cards: h.Cards, Bonds: h.Bonds.Bonds, VLANs: h.VLANs.VLANs, Bridges: h.Bridges.Bridges, Switch: h.Switch, Flows: h.Flows.Rules, Offload: h.Offload}
}
