// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/nicwright/nicwright/provision/watch"
	"github.com/nicwright/nicwright/provision/watch/metrics"
)

// watching are the flags of watch.
type watching struct {
	listen, textfile        string
	every                   time.Duration
	repair, disrupt, cutOff bool
}

const (
	countersEvery = 30 * time.Second // the least time between two reads of counters
	leastEvery    = 30 * time.Second // of --every
)

func newWatch(a *app) *cobra.Command {
	var w watching
	c := &cobra.Command{
		Use:   "watch",
		Short: "Tell when the host drifts from the profiles in force, and repair it if asked to",
		Long: `watch looks at the host whenever the kernel or Open vSwitch tells that something
changed, and says of each attribute that an apply would change that it began to
be otherwise, and ended: one line of JSON each, in a systemd unit one entry of
the journal. It watches what is in force (nicwright history), or with -p one
profile of that, until it is ended. With --repair it applies the profile anew,
with back-off, nothing that disrupts traffic, and never in a loop: after three
repairs of a resource that were undone it says who it may be fighting, and stops.`,
		Example: `  nicwright watch
  nicwright watch --listen 127.0.0.1:9797
  nicwright watch --textfile /var/lib/prometheus/node-exporter/nicwright.prom
  nicwright watch --repair`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := w.check(cmd); err != nil {
				return exitStatus{exitUsage, err}
			}
			if err := needRoot("watch"); err != nil {
				return err
			}
			only := ""
			if cmd.Flags().Changed("profile") {
				var err error
				if only, err = a.nameInForce(); err != nil {
					return err
				}
			}
			return a.watchHost(cmd.Context(), w, only)
		},
	}
	f := c.Flags()
	f.StringVar(&w.listen, "listen", "", "answer Prometheus at this loopback `address:port`")
	f.StringVar(&w.textfile, "textfile", "", "keep the metrics in this `file.prom`, for the textfile collector of node_exporter")
	f.DurationVar(&w.every, "every", time.Hour, "look without an event after this `time`, for what no event tells; 0: never")
	f.BoolVar(&w.repair, "repair", false, "apply a profile anew when the host has drifted from it")
	f.BoolVar(&w.disrupt, "yes-disrupt", false, "with --repair: also where that stops traffic or takes netdevs down, if for a moment")
	f.BoolVar(&w.cutOff, "yes-cut-me-off", false, "with --yes-disrupt: also where a default route goes through what is disrupted")
	return c
}

// check tells what is wrong with the flags.
func (w watching) check(c *cobra.Command) error {
	switch {
	case (w.disrupt || w.cutOff) && !w.repair:
		return errors.New("--yes-disrupt and --yes-cut-me-off go with --repair")
	case w.cutOff && !w.disrupt:
		return errors.New("--yes-cut-me-off goes with --yes-disrupt")
	case w.every != 0 && w.every < leastEvery:
		return fmt.Errorf("--every %v: want 0, or %v at least", w.every, leastEvery)
	case c.Flags().Changed("textfile") && filepath.Ext(w.textfile) != ".prom":
		return fmt.Errorf("--textfile %q: node_exporter reads files that end with .prom", w.textfile)
	case c.Flags().Changed("listen"):
		if err := metrics.CheckAddress(w.listen); err != nil {
			return fmt.Errorf("--listen %w", err)
		}
	}
	return nil
}

func (a *app) watchHost(ctx context.Context, flags watching, only string) error {
	// It runs for months: memory is worth more than the time to collect it.
	debug.SetGCPercent(30)
	debug.SetMemoryLimit(12 << 20)
	// A terminal that hangs up ends it as SIGTERM does, at the end of a step that is under way; so does
	// a reader that has gone.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer stop()
	host := watch.Host{
		Journal: a.state(), RunDir: a.settings.GetString("run-dir"), Tool: version(), Args: os.Args,
		Only: only, Disrupt: flags.disrupt, CutOff: flags.cutOff,
	}
	group, ctx := errgroup.WithContext(ctx)
	subs := watch.Subscribe(ctx, watch.Sources(host.Journal))
	// Before the first look, and systemd has the unit up from here on.
	if _, err := subs.Need(watch.Always()); err != nil {
		return err
	}
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady+"\nSTATUS=watching")
	changed := make(chan struct{}, 1)
	tell, inJournal := watch.ToJournal()
	if !inJournal {
		tell = watch.Lines(a.raw)
	}
	w := &watch.Watch{
		Look: host.Look, Busy: host.Busy, Need: subs.Need, Events: subs.Events(), Every: flags.every,
		Tell: func(e watch.Event) error {
			select {
			case changed <- struct{}{}:
			default:
			}
			return tell(e)
		},
	}
	if flags.repair {
		w.Repair = host.Repair
	}
	group.Go(func() error { return w.Run(ctx) })
	if flags.listen == "" && flags.textfile == "" {
		return group.Wait()
	}
	r, err := metrics.Registry(&metrics.Collector{Version: version(), State: w.State, Counts: subs.Counts, Read: metrics.Read, Verified: host.Journal.LastVerified, Kernels: a.kernelsHere, Every: countersEvery})
	if err != nil {
		stop()
		return errors.Join(err, group.Wait())
	}
	if flags.listen != "" {
		group.Go(func() error { return metrics.Serve(ctx, flags.listen, r) })
	}
	if flags.textfile != "" {
		group.Go(func() error {
			return metrics.KeepFile(ctx, flags.textfile, r, countersEvery, changed, func(err error) { fmt.Fprintf(os.Stderr, "nicwright: %v\n", err) })
		})
	}
	return group.Wait()
}
