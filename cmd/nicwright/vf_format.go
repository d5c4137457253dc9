// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/provision/lease"
	"github.com/nicwright/nicwright/provision/lease/render"
)

// rendered is how VFs are told to a manager of machines.
type rendered struct {
	format string
	host   string
	vmid   int
}

func (f *rendered) flags(c *cobra.Command, names []string) {
	c.Flags().StringVar(&f.format, "format", "", "print it for a manager of machines, `format`: "+strings.Join(names, ", "))
	c.Flags().StringVar(&f.host, "host", "", "with proxmox and sriov-operator: what the cluster calls this host, `name` (default: its host name)")
	c.Flags().IntVar(&f.vmid, "vmid", 0, "with proxmox: the machine's `number`")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp)) // an error is of a flag that is not there
}

// check says what is wrong with the flags, before anything is changed.
func (f *rendered) check(a *app, names []string) error {
	switch {
	case f.format == "":
		return nil
	case a.json():
		return exitStatus{exitUsage, errors.New("--json and --format exclude each other")}
	case !slices.Contains(names, f.format):
		return exitStatus{exitUsage, fmt.Errorf("there is no format %q here; there are:\n%s", f.format, render.About())}
	}
	return nil
}

func (f *rendered) print(a *app, network string, all []lease.Shown) error {
	host := f.host
	if host == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("asking for the host's name: %w; say it with --host", err)
		}
		host = name
	}
	text, err := render.Write(f.format, all, render.Options{Network: network, Host: host, VMID: f.vmid})
	if err != nil {
		return err
	}
	if _, err := a.raw.Write(text); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}
