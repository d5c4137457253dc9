// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/provision/report"
	"github.com/nicwright/nicwright/provision/support"
)

// supporting are the flags of support.
type supporting struct {
	file, report   string
	yes, addresses bool
}

func newSupport(a *app) *cobra.Command {
	var s supporting
	c := &cobra.Command{
		Use:   "support",
		Short: "Make one archive for a bug report",
		Long: `support gathers, for a bug report: versions, what is in force and at boot, its
profile and what an apply would change now, the journal, what is seen of the
host, devlink's info and health, the drivers' messages in the kernel's log, and
the report that --report names. No key is in it; addresses, host names and
serial numbers stand as mac-1, ipv4-1, host-1, the same for the same. It lists
all of it and asks before it writes. What cannot be gathered is named, with why:
run it as root. It changes nothing else.`,
		Example: `  nicwright support
  nicwright support --yes -o /dev/stdout > host7.tar.gz
  nicwright support --report verify.json --with-addresses`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.support(cmd, s) },
	}
	f := c.Flags()
	f.StringVarP(&s.file, "output", "o", "", "`file` of the archive, mode 0600 (default: nicwright-support-TIME.tar.gz, here)")
	f.StringVar(&s.report, "report", "", "put this `file` in, the last report of verify: none is kept on a host")
	f.BoolVar(&s.addresses, "with-addresses", false, "keep MAC and IP addresses, host names and serial numbers")
	f.BoolVarP(&s.yes, "yes", "y", false, "write it without asking")
	return c
}

// supported is what support prints with --json.
type supported struct {
	File string `json:"file"`
	*support.Bundle
}

func (a *app) support(cmd *cobra.Command, s supporting) error {
	now := time.Now().UTC()
	if s.file == "" {
		s.file = "nicwright-support-" + now.Format("20060102T150405Z") + ".tar.gz"
	}
	if err := report.CheckFile(s.file); err != nil {
		return err
	}
	if !s.yes && !interactive(cmd.InOrStdin()) {
		return exitStatus{exitUsage, errors.New("nothing was written: what goes into the archive is for somebody to look at, and there is no terminal to ask on; say --yes to write it all the same")}
	}
	ctx := cmd.Context()
	r := &support.Redactor{Addresses: s.addresses}
	r.HideHosts(hostNames()...)
	b := support.Gather(ctx, version(), now, a.sources(ctx, s.report, r), r)
	out := a.out
	if strings.HasPrefix(s.file, "/dev/") {
		out = cmd.ErrOrStderr() // the archive itself goes to where the list would
	}
	if !a.json() || !s.yes {
		if err := b.List(out); err != nil {
			return err
		}
	}
	if !s.yes {
		if err := ask(ctx, cmd.InOrStdin(), out, "write "+s.file+"? [y/N] "); err != nil {
			return err
		}
	}
	archive, err := b.Archive()
	if err != nil {
		return err
	}
	if err := report.WritePrivate(ctx, s.file, archive); err != nil {
		return err
	}
	if a.json() && out == a.out {
		return a.printJSON(supported{s.file, b})
	}
	_, err = fmt.Fprintf(out, "written: %s, %d bytes; look through it before you hand it on\n", s.file, len(archive))
	return err
}

// interactive tells whether somebody is there to answer.
func interactive(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && term.IsTerminal(f.Fd())
}

// ask goes on with y or yes; else the error says that nothing was written.
func ask(ctx context.Context, in io.Reader, out io.Writer, question string) error {
	if _, err := fmt.Fprint(out, question); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	answer := make(chan string, 1)
	go func() { // a terminal's read ends with a line, whatever the context does
		line, _ := bufio.NewReader(in).ReadString('\n') // of an end without one: no
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case said := <-answer:
		if said == "y" || said == "yes" {
			return nil
		}
		return errors.New("nothing was written: the answer was not yes")
	case <-ctx.Done():
		return fmt.Errorf("nothing was written: %w", context.Cause(ctx))
	}
}

// hostNames are those that are not to be in an archive.
func hostNames() []string {
	own, err := os.Hostname()
	if err != nil {
		own = ""
	}
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil {
		hosts = nil
	}
	return support.HostNames(own, hosts)
}
