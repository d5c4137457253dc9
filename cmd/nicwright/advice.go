// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/internal/tcpdiag"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/bench/advice"
	"github.com/nicwright/nicwright/provision/report"
)

// adviceDropIn is the name of the drop-in that --write makes: after most, before what an operator puts last.
const adviceDropIn = "60-advice.yaml"

type adviceFlags struct {
	log, sizes  string
	connections time.Duration
	port        uint16
	retransmits float64 // percent
	received    float64
	write       bool
	advice.Options
}

func newAdvice(a *app) *cobra.Command {
	var o adviceFlags
	c := &cobra.Command{
		Use:   "advice RUN",
		Short: "Say whether TLS in the card is worth it for what this server sends",
		Long: `advice holds what a server sends against what nicwright bench https measured, and
answers for each direction: on, off, no difference, or cannot tell; with what is to
be expected, and why. It changes nothing.

What is sent is read from a web server's access log (nginx's combined form, Apache's
common and combined: the size is the field behind the status), or stated, or seen: with
--connections what each connection to the port has sent when it ends, as the kernel
tells root; those that do not end meanwhile are not counted. TLS 1.3 is named where
it is the kernel that lacks it.

With -p PROFILE --write the switches that are advised to be on or off go into a
drop-in, profiles.d/PROFILE/` + adviceDropIn + `; nicwright plan shows what it would change.

RUN is a file of nicwright bench, or published:NAME, as for bench chart.`,
		Example: `  nicwright advice run.ndjson --workload /var/log/nginx/access.log
  nicwright advice run.ndjson --sizes 10k:60%,1M:40% --clients 200
  nicwright advice run.ndjson --sizes 100M --retransmits 1
  nicwright advice run.ndjson --connections 1m
  nicwright advice run.ndjson --workload access.log -p tls-server --write`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.advise(cmd, args[0], o) },
	}
	f := c.Flags()
	f.StringVar(&o.log, "workload", "", "access log of the server, a `file`")
	f.StringVar(&o.sizes, "sizes", "", "sizes with their share of the transfers, a `mix` as 10k:60%,1M:40%")
	f.DurationVar(&o.connections, "connections", 0, "look so long at this host's own connections as they end, a `time` as 1m (as root)")
	f.Uint16Var(&o.port, "port", 443, "with --connections: the port that the server listens on")
	f.IntVar(&o.Clients, "clients", 0, "connections at one time (0: as they were measured)")
	f.BoolVar(&o.KeepAlive, "keepalive", false, "a connection carries more than one request")
	f.Float64Var(&o.Requests, "requests", 0, "requests a second that have to be served (0: the log's busiest minute, else as many as can be)")
	f.StringVar(&o.TLS, "tls", "1.2", "version that the connections have: 1.2 or 1.3")
	f.StringVar(&o.Variant, "variant", "", "of the run's cells, those of this variant, where there are such")
	f.Float64Var(&o.retransmits, "retransmits", -1, "`percent` of the segments that are sent again here (-1: not known)")
	f.Float64Var(&o.received, "received", -1, "bytes that the server receives for each that it sends (-1: not known)")
	f.BoolVar(&o.write, "write", false, "write the switches that are advised into a drop-in of the profile (-p)")
	return c
}

func (a *app) advise(cmd *cobra.Command, file string, o adviceFlags) error {
	load, err := o.load(cmd.Context())
	if err != nil {
		return err
	}
	var p *profiles.Profile
	if o.write || a.settings.GetString("profile") != "" {
		if _, err := a.profileName(); err != nil {
			return err
		}
		if p, err = profiles.Load(a.profileOptions()); err != nil {
			return err
		}
	}
	run, err := readRun(file)
	if err != nil {
		return err
	}
	advised, err := advice.Advise(run, load, o.Options)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if a.json() {
		err = a.printJSON(advised)
	} else {
		err = advised.Print(a.out)
	}
	if err != nil || p == nil {
		return err
	}
	if advised.Split != nil && !a.json() {
		if text, ok := advice.Proposal(p); ok {
			if _, err := fmt.Fprintf(a.out, "\nTwo VFs for the two addresses, as a drop-in of %s (not written; the server listens with an address on each: `nicwright settings nginx --two-addresses`):\n%s", p.Name, text); err != nil {
				return fmt.Errorf("printing the proposal: %w", err)
			}
		}
	}
	if !o.write {
		return nil
	}
	return a.writeAdvice(cmd.Context(), p, advised)
}

// load makes the workload of the flags.
func (o *adviceFlags) load(ctx context.Context) (*advice.Workload, error) {
	usage := func(text string) (*advice.Workload, error) { return nil, exitStatus{exitUsage, errors.New(text)} }
	sources := 0
	for _, given := range []bool{o.log != "", o.sizes != "", o.connections != 0} {
		if given {
			sources++
		}
	}
	if sources != 1 {
		return usage("say what the server sends: --workload LOG, --sizes MIX or --connections TIME, one of them")
	}
	if o.connections < 0 || o.connections > 0 && o.connections < time.Second {
		return usage("--connections is a second at least")
	}
	if o.TLS != "1.2" && o.TLS != "1.3" {
		return usage(fmt.Sprintf("--tls %s: there are 1.2 and 1.3", o.TLS))
	}
	if o.Clients < 0 || o.Requests < 0 || o.retransmits > 100 {
		return usage("--clients and --requests are not negative, and --retransmits is at most 100")
	}
	load, err := o.source(ctx)
	if err != nil {
		return nil, err
	}
	if o.retransmits >= 0 {
		share := o.retransmits / 100
		load.Retransmits = &share
	}
	if o.received >= 0 {
		load.Received = &o.received
	}
	return load, nil
}

// source reads what the server sends.
func (o *adviceFlags) source(ctx context.Context) (*advice.Workload, error) {
	switch {
	case o.sizes != "":
		shares, err := advice.ParseSizes(o.sizes)
		if err != nil {
			return nil, exitStatus{exitUsage, err}
		}
		return &advice.Workload{Source: "the mix " + o.sizes, Sizes: shares}, nil
	case o.log != "":
		f, err := os.Open(o.log)
		if err != nil {
			return nil, fmt.Errorf("reading the access log: %w", err)
		}
		defer f.Close()
		return advice.ReadAccessLog(f, o.log)
	}
	look, cancel := context.WithTimeout(ctx, o.connections)
	defer cancel()
	seen := advice.Connections{Port: o.port}
	missed, err := tcpdiag.Closed(look, seen.Add)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("looking at connections: %w", context.Cause(ctx))
	}
	load, err := seen.Workload(o.connections)
	if err == nil && missed > 0 {
		load.Source += fmt.Sprintf(" (and more: %d times the kernel had more to tell than could be read)", missed)
	}
	return load, err
}

// writeAdvice puts the drop-in where the profile's layers are, unless somebody else's is there.
func (a *app) writeAdvice(ctx context.Context, p *profiles.Profile, advised *advice.Advice) error {
	if p.Name == "" {
		return errors.New("the profile has no name, by which drop-ins are found: give it one (`name:`)")
	}
	text, err := advice.DropIn(p, advised)
	if err != nil {
		return err
	}
	dir := filepath.Join(a.settings.GetString("config-dir"), "profiles.d", p.Name)
	file := filepath.Join(dir, adviceDropIn)
	there, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("looking at the drop-in that is there: %w", err)
	case !bytes.HasPrefix(there, []byte(advice.Mark+"\n")):
		return fmt.Errorf("%s is somebody else's (its first line is not that of nicwright advice): move it away, and write again", file)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the directory of the drop-in: %w", err)
	}
	if err := report.WriteFile(ctx, file, text); err != nil {
		return err
	}
	// What else the profile says may not go with it: a proof that another layer requires.
	if _, err := profiles.Load(a.profileOptions()); err != nil {
		return fmt.Errorf("%s is written, and the profile does not go with it: change that, or take the file away: %w", file, err)
	}
	if a.json() {
		return nil
	}
	if _, err := fmt.Fprintf(a.out, "\nwritten: %s; nicwright plan -p %s shows what it changes\n", file, a.settings.GetString("profile")); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}
