// SPDX-License-Identifier: Apache-2.0

package devlink

import (
	"context"

	"github.com/mdlayher/netlink"
)

// reinit is DEVLINK_RELOAD_ACTION_DRIVER_REINIT.
const reinit = 1

// Reload makes the driver begin anew with a device (devlink dev reload), which takes
// the driverinit values of its params. Its netdevs are others then, and mlx5's eswitch
// is in legacy mode. It returns when the driver is through.
func (c *Client) Reload(ctx context.Context, dev Device) error {
	_, err := c.request(ctx, "reloading the driver", dev, cmdReload, netlink.Acknowledge, func(ae *netlink.AttributeEncoder) {
		ae.Uint8(attrReloadAction, reinit)
	})
	return err
}
