// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/install"
)

// waiting gives apply its --wait-for-card, and tells systemd what the unit does.
//
// The wait is the tool's, and not a udev rule's or a device unit's: those fire when the
// PCI function appears, and its driver needs its netdev, its firmware and, for two
// ports, both; what is waited for is what the profile selects, by model or serial
// number, which no device unit can name; and only so the unit's status says which card
// is missing. A unit that hangs on a device has no sentence to say.
func waiting(a *app, c *cobra.Command) *cobra.Command {
	var wait time.Duration
	c.Flags().DurationVar(&wait, "wait-for-card", 0, "first wait until the profile's cards are there with their drivers, for this long at most")
	do := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		err := a.untilCards(cmd.Context(), wait)
		if partly, _ := cmd.Flags().GetBool(withoutMissing); partly && errors.Is(err, errWaited) {
			err = nil // apply says what is missing
		}
		if err == nil {
			say("applying")
			err = do(cmd, args)
		}
		switch {
		case err != nil:
			say(err.Error())
		case a.waits != "":
			say("the host is as the profile says; " + a.waits)
		default:
			say("the host is as the profile says")
		}
		return err
	}
	return c
}

// errWaited: the cards did not come in time.
var errWaited = errors.New("--wait-for-card")

// say gives systemd a sentence for `systemctl status`, where it listens. Nothing
// depends on it.
func say(text string) {
	line, _, _ := strings.Cut(text, "\n")
	_, _ = daemon.SdNotify(false, "STATUS="+line)
}

// untilCards waits for the cards of the profile of -p.
func (a *app) untilCards(ctx context.Context, wait time.Duration) error {
	if wait <= 0 {
		return nil
	}
	if _, err := a.profileName(); err != nil {
		return err
	}
	p, err := profiles.Load(a.profileOptions())
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeoutCause(ctx, wait, fmt.Errorf("%v are over (%w)", wait, errWaited))
	defer stop()
	// Devices that come and drivers that are bound; netdevs that their drivers make.
	devices, err := await.Uevents(ctx)
	if err != nil {
		return err
	}
	links, err := await.Links(ctx)
	if err != nil {
		return err
	}
	return untilReady(ctx, p, await.Any(ctx, devices, links), func(ctx context.Context) (provision.Host, error) {
		h, _, err := provision.Observe(ctx)
		return h, err
	})
}

// untilReady looks again after each event. Its error says what is still missing.
func untilReady(ctx context.Context, p *profiles.Profile, events <-chan struct{}, look func(context.Context) (provision.Host, error)) error {
	var missing error
	err := await.Until(ctx, "the cards of profile "+p.Name+" are there", events, func() (bool, error) {
		h, now := look(ctx)
		if now == nil { // a look that fails while drivers come up may do at the next event
			now = install.Ready(p, h)
		}
		if now == nil || missing == nil || now.Error() != missing.Error() {
			missing = now
			if now != nil {
				say("waiting: " + now.Error())
				fmt.Fprintf(os.Stderr, "nicwright: waiting until the cards of profile %s are there: %v\n", p.Name, now)
			}
		}
		return missing == nil, nil
	})
	if err != nil && missing != nil {
		return fmt.Errorf("%w: %w", err, missing) // in one line for systemd
	}
	return err
}
