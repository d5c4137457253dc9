// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nicwright/nicwright/internal/apart"
	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
)

// writeParams sets params; those for which the driver is reloaded come together, and alone.
func (d *Doer) writeParams(ctx context.Context, f pci.Function, to map[string]string) error {
	var inits []string
	for _, attribute := range slices.Sorted(maps.Keys(to)) {
		name, mode, is := cutParam(attribute)
		if !is {
			return unknownAttribute(attribute)
		}
		if mode == cmodeDriverInit {
			inits = append(inits, name+"="+to[attribute])
			continue
		}
		m := devlink.Runtime
		if mode == cmodePermanent {
			m = devlink.Permanent
		}
		err := withDevlink(func(c *devlink.Client) error {
			err := c.SetParam(ctx, device(f.PF), name, m, to[attribute])
			if err == nil {
				return nil
			}
			// One that is the card's has come with another port's, and is refused a second time (esw_multiport).
			if now, asked := c.Param(ctx, device(f.PF), name); asked == nil && now.Values[m] == to[attribute] {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if len(inits) == 0 {
		return nil
	}
	return d.reload(ctx, f, inits)
}

// reload sets driverinit params and reloads the PF's driver, and waits until the PF has its netdev again.
func (d *Doer) reload(ctx context.Context, f pci.Function, params []string) error {
	defer d.made(f.PF)
	had := d.sys.HasNet(f.PF)
	if err := d.awaitNoLAG(ctx, f.PF); err != nil {
		return err
	}
	err := blocking(ctx, func() string { return "" }, func() error {
		return apart.Do(ctx, append([]string{ActReload, string(f.PF)}, params...), func() error { return Reload(f.PF, params) })
	})
	d.made(f.PF)
	if err != nil || !had {
		return err
	}
	return d.link(ctx, f, func(rtlink.Link) error { return nil })
}

// awaitNoLAG waits until the card has let go of a LAG whose bond has lost the port: with one, mlx5 refuses a reload. The LAG is
// unmade by a work item of the driver, of which only a file in debugfs tells.
func (d *Doer) awaitNoLAG(ctx context.Context, pf pci.Address) error {
	lag := func() snapshot.LAG { return snapshot.ReadLAG(snapshot.Debugfs, pf) }
	if lag().State != snapshot.LAGActive { // also where it cannot be seen: the driver says so then
		return nil
	}
	const every = 50 * time.Millisecond
	return await.Until(ctx, "the card has no LAG over the port, with which the driver refuses to be reloaded: take the port out of its bond, and set esw_multiport to false",
		await.Ticks(ctx, every), func() (bool, error) { return lag().State != snapshot.LAGActive, nil })
}

// ActReload is the act (internal/apart) that Reload does.
const ActReload = "devlink-reload"

// Reload sets driverinit params (NAME=VALUE) of a PF's device and reloads its driver. Where that is refused, the params
// are again what they were: what they say is what holds.
func Reload(pf pci.Address, params []string) error {
	ctx := context.Background() // whoever waits may go, and this goes on
	dev := device(pf)
	return withDevlink(func(c *devlink.Client) (err error) {
		was := map[string]string{}
		defer func() {
			if err == nil {
				return
			}
			for _, name := range slices.Sorted(maps.Keys(was)) {
				if back := c.SetParam(ctx, dev, name, devlink.DriverInit, was[name]); back != nil {
					err = errors.Join(err, back)
				}
			}
		}()
		for _, p := range params {
			name, value, both := strings.Cut(p, "=")
			if !both {
				return fmt.Errorf("%q is no param with a value, as in io_eq_size=1024", p)
			}
			now, err := c.Param(ctx, dev, name)
			if err != nil {
				return err
			}
			if err := c.SetParam(ctx, dev, name, devlink.DriverInit, value); err != nil {
				return err
			}
			was[name] = now.Values[devlink.DriverInit]
		}
		return c.Reload(ctx, dev)
	})
}
