// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/lease/guest"
	"github.com/nicwright/nicwright/provision/lease/hook"
)

func newVFHook(a *app) *cobra.Command {
	var write, remove bool
	var dir string
	c := &cobra.Command{
		Use:   "hook [GUEST OPERATION SUBOPERATION EXTRA]",
		Short: "Lease and release as libvirt starts, stops and migrates machines",
		Long: `hook is what libvirt's hook for QEMU calls (/etc/libvirt/hooks/qemu.d/nicwright, which
--write makes and --remove takes away), with the domain XML at its standard input.
prepare: each interface of the machine that is a VF of a network is leased, with the MAC
address of the domain; what fails keeps the machine from starting. release: those
leases end. migrate: VFs of this host take the place of those in the domain XML. Of
which network a VF is says an element in the domain's metadata or, where the VF is of
one network alone, the profile: docs/vm-host.md.`,
		Example: "  nicwright vf hook --write\n  nicwright vf hook web1 prepare begin - < web1.xml   (libvirt does that)",
		Args: func(cmd *cobra.Command, args []string) error {
			if write || remove {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.RangeArgs(3, 4)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case write && remove:
				return exitStatus{exitUsage, errors.New("--write and --remove exclude each other")}
			case write:
				exe, err := os.Executable()
				if err != nil {
					return fmt.Errorf("finding this program, which the hook calls: %w", err)
				}
				path, err := hook.Write(dir, exe)
				if err == nil {
					_, err = fmt.Fprintf(a.out, "written: %s\nlibvirtd has to be restarted once to see it: systemctl restart libvirtd (or virtqemud)\n", path)
				}
				return err
			case remove:
				path, err := hook.Remove(dir)
				if err == nil {
					_, err = fmt.Fprintf(a.out, "removed: %s\n", path)
				}
				return err
			}
			text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), guest.MaxSize+1))
			if err != nil {
				return fmt.Errorf("reading the domain XML: %w", err)
			}
			return a.hook(cmd.Context(), args[0], args[1], args[2], text)
		},
	}
	c.Flags().BoolVar(&write, "write", false, "make libvirt call this program")
	c.Flags().BoolVar(&remove, "remove", false, "take the hook away")
	c.Flags().StringVar(&dir, "hook-dir", filepath.Join("/etc/libvirt/hooks", "qemu.d"), "where libvirt looks for hooks, `directory`")
	return c
}

// hook does what libvirt tells of a machine. It must not ask libvirt anything: that waits for it.
func (a *app) hook(ctx context.Context, vm, operation, sub string, text []byte) error {
	switch operation + " " + sub {
	case "prepare begin", "migrate begin":
	case "release end":
		return a.leasing(ctx, "vf hook", func(ctx context.Context, r *provision.Road) error {
			_, err := r.ReleaseDomain(ctx, vm)
			return err
		})
	default:
		return nil
	}
	d, err := guest.Parse(text)
	if err != nil {
		return err
	}
	if d.Name != vm {
		return fmt.Errorf("the domain XML is of %q, and libvirt calls for %q", d.Name, vm)
	}
	if len(d.Interfaces) == 0 {
		return nil // no VF: nothing is asked of the host
	}
	return a.leasing(ctx, "vf hook", func(ctx context.Context, r *provision.Road) error {
		took, err := r.LeaseDomain(ctx, d, operation == "migrate")
		if err != nil {
			return err
		}
		if operation != "migrate" || len(took) == 0 {
			return nil
		}
		b, err := d.With(took)
		if err == nil {
			_, err = a.raw.Write(b)
		}
		if err != nil {
			return fmt.Errorf("giving libvirt the domain XML with this host's VFs: %w", err)
		}
		return nil
	})
}
