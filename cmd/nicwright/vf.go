// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/lease"
	"github.com/nicwright/nicwright/provision/lease/render"
	"github.com/nicwright/nicwright/provision/verify"
)

// leaseWait is how long a lease waits for its turn if --wait does not say: fifty machines
// may start at once.
const leaseWait = 2 * time.Minute

func newVF(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "vf",
		Short: "Lease VFs of a profile's networks to machines",
		Long: `vf gives free VFs of a network (networks: of the profile in force) to machines and
takes them back. The port of the switch, the VLAN, the rate and the MAC address are
set, and looked at, before the VF's PCI address is told; they stay over apply, watch
and reboots, and are taken back with the lease.`,
		Example: "  nicwright vf lease --network tenants --vm web1 --json\n  nicwright vf list\n  nicwright vf release web1",
		Args:    cobra.NoArgs,
	}
	c.AddCommand(newVFLease(a), newVFRelease(a), newVFList(a), newVFHook(a), newVFSchema(a))
	return c
}

// leasing does something with leases under the lock, on a look at the host.
func (a *app) leasing(ctx context.Context, verb string, do func(context.Context, *provision.Road) error) (err error) {
	if err := needRoot(verb); err != nil {
		return err
	}
	if a.settings.GetDuration("wait") == lockWait {
		a.settings.Set("wait", leaseWait)
	}
	lock, err := a.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	acts, _, release := guard(ctx) // what has begun comes to its end
	defer release()
	if err := verify.PutBack(acts); err != nil {
		return err
	}
	road, err := a.look(acts)
	if err != nil {
		return err
	}
	return do(acts, road)
}

func newVFLease(a *app) *cobra.Command {
	var q provision.LeaseRequest
	var numa int
	var form rendered
	c := &cobra.Command{
		Use:   "lease --network NAME",
		Short: "Give out one free VF of a network",
		Long: `lease chooses a free VF of the network, sets what the network says of it (driver, MAC
address, VLAN, rate, port of the switch), looks whether it is so, and prints what a
machine's manager needs. Asked again by the same name, or for the same machine and
network, it is the same VF. Without --mac the address is derived from the machine-id,
the card and the VF. With --pid the lease ends with that process.`,
		Example: `  nicwright vf lease --network tenants --vm web1 --json
  nicwright vf lease --network tenants --vm db1 --numa 1 --mac 02:00:5e:10:00:06
  nicwright vf lease --network tests --name probe --driver mlx5_core --pid $$`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if q.Network == "" {
				return exitStatus{exitUsage, errors.New("which network? --network NAME (nicwright vf list shows those in force)")}
			}
			if err := form.check(a, render.Names(false)); err != nil {
				return err
			}
			if cmd.Flags().Changed("numa") {
				q.NUMA = &numa
			}
			q.Profile = a.settings.GetString("profile")
			return a.leasing(cmd.Context(), "vf lease", func(ctx context.Context, r *provision.Road) error {
				l, err := r.Lease(ctx, q)
				if err != nil {
					return err
				}
				s, err := r.ShowLease(l)
				if err != nil {
					return err
				}
				s.Networks = nil
				if form.format != "" {
					return form.print(a, q.Network, []lease.Shown{s})
				}
				if a.json() {
					return a.printJSON(lease.Answer{Version: lease.ShownVersion, Shown: s})
				}
				_, err = fmt.Fprintln(a.out, leaseLine(s))
				return err
			})
		},
	}
	f := c.Flags()
	f.StringVar(&q.Network, "network", "", "the `network` of the profile in force")
	f.StringVar(&q.VM, "vm", "", "the `machine` that it is for")
	f.StringVar(&q.Name, "name", "", "call the lease so, `name`; else it is called after the machine and the network")
	f.IntVar(&numa, "numa", 0, "only a VF of a card on this NUMA `node`")
	f.StringVar(&q.Driver, "driver", "", "bind the VF to this `driver` (mlx5_core, vfio-pci, mlx5_vfio_pci, none), and not to the network's")
	f.StringVar(&q.MAC, "mac", "", "the `address` that the machine has")
	f.IntVar(&q.PID, "pid", 0, "the lease ends with this `process`")
	form.flags(c, render.Names(false))
	return c
}

// leaseLine is a lease in one line.
func leaseLine(s lease.Shown) string {
	words := []string{s.Name + ":", s.Address, "mac " + s.MAC, "driver " + s.Driver}
	if s.VLAN != nil {
		words = append(words, fmt.Sprintf("vlan %d", *s.VLAN))
	}
	if s.Representor != nil {
		words = append(words, "representor "+s.Representor.Netdev)
	}
	return strings.Join(words, " ")
}

func newVFRelease(a *app) *cobra.Command {
	var force, stale bool
	c := &cobra.Command{
		Use:   "release NAME|PCI",
		Short: "Take a leased VF back",
		Long: `release ends a lease: by its name, all those of a machine by the machine's name, or by
the VF's PCI address. The VF and its port of the switch are again what the profile
says or, where that says nothing, what they were. A VF that somebody still holds is
not taken without --force. What nothing is leased as is released already.`,
		Example: "  nicwright vf release web1\n  nicwright vf release 0000:3b:00.5\n  nicwright vf release --stale",
		Args: func(cmd *cobra.Command, args []string) error {
			if stale {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.leasing(cmd.Context(), "vf release", func(ctx context.Context, r *provision.Road) error {
				names, err := r.Settle(ctx)
				if !stale {
					// What another's lease has is told by vf list.
					names, err = r.Release(ctx, args[0], force)
					var none *provision.NoLeaseError
					if errors.As(err, &none) {
						names, err = nil, nil
					}
				}
				return errors.Join(a.printReleased(names), err)
			})
		},
	}
	c.Flags().BoolVar(&force, "force", false, "also if somebody holds the VF")
	c.Flags().BoolVar(&stale, "stale", false, "release the leases whose process has ended")
	return c
}

func (a *app) printReleased(names []string) error {
	if a.json() {
		return a.printJSON(struct {
			Version  int      `json:"version"`
			Released []string `json:"released"`
		}{lease.ShownVersion, append([]string{}, names...)})
	}
	text := "nothing was leased"
	if len(names) > 0 {
		text = "released: " + strings.Join(names, ", ")
	}
	_, err := fmt.Fprintln(a.out, text)
	return err
}

func newVFList(a *app) *cobra.Command {
	var network string
	var form rendered
	c := &cobra.Command{
		Use:   "list",
		Short: "List the VFs of the networks in force: free, leased, and held by whom",
		Long: `list shows each VF that can be leased, its lease if it has one, and who holds it now:
the machine or process that has it over vfio, the network namespace that its netdev is
in. It changes nothing; stale leases are those whose process has ended. With --format
the VFs of one network are told to a manager that chooses among them itself.`,
		Example: "  nicwright vf list --network tenants --format sriov-device-plugin\n  nicwright vf list\n  nicwright vf list --json | jq -r '.vfs[] | select(.state == \"free\") | .address'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if form.format != "" && network == "" {
				return exitStatus{exitUsage, errors.New("--format is of the VFs of one network: --network NAME")}
			}
			if err := form.check(a, render.Names(true)); err != nil {
				return err
			}
			road, err := a.look(cmd.Context())
			if errors.Is(err, fs.ErrPermission) {
				return fmt.Errorf("%w: which VFs are leased is root's to read", err)
			}
			if err != nil {
				return err
			}
			all, err := road.ShowLeases()
			if err != nil {
				return err
			}
			if network != "" {
				all = slices.DeleteFunc(all, func(s lease.Shown) bool { return s.Network != network && !slices.Contains(s.Networks, network) })
			}
			if form.format != "" {
				all = slices.DeleteFunc(all, func(s lease.Shown) bool { return s.Address == "" })
				return form.print(a, network, all)
			}
			if a.json() {
				return a.printJSON(lease.List{Version: lease.ShownVersion, VFs: all})
			}
			return a.printVFs(all)
		},
	}
	c.Flags().StringVar(&network, "network", "", "only the VFs of this `network`")
	form.flags(c, render.Names(true))
	return c
}

func (a *app) printVFs(all []lease.Shown) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(a.out, "no network is in force: write `networks:` into a profile and apply it")
		return err
	}
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "VF\tSTATE\tNETWORK\tLEASE\tMACHINE\tMAC\tVLAN\tDRIVER\tHELD BY")
	for _, s := range all {
		network, vlan := s.Network, ""
		if network == "" {
			network = strings.Join(s.Networks, ",")
		}
		if s.VLAN != nil {
			vlan = fmt.Sprint(*s.VLAN)
		}
		state := s.State
		if len(s.Differs) > 0 {
			state += " (differs)"
		}
		row := []string{s.Address, state, network, s.Name, s.VM, s.MAC, vlan, s.Driver, strings.Join(s.HeldBy, "; ")}
		if s.Address == "" {
			row[0] = s.Function
		}
		for i, v := range row {
			if v == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	for _, s := range all {
		for _, d := range s.Differs {
			if _, err := fmt.Fprintf(a.out, "%s is not as its lease says: %s\n", s.Name, d); err != nil {
				return fmt.Errorf("printing: %w", err)
			}
		}
	}
	return nil
}

func newVFSchema(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of what lease and list print with --json",
		Example: "  nicwright vf schema > vf.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.raw.Write(lease.JSONSchema())
			return err
		},
	}
}
