// SPDX-License-Identifier: Apache-2.0

package site

import (
	"context"
	"fmt"

	"github.com/vishvananda/netlink"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/kernel"
)

// SetMTU gives the VF another MTU, in bytes, and waits until it has its carrier again;
// Leave, or the next Clean, sets back what was.
func (p *Place) SetMTU(ctx context.Context, mtu int) error {
	return p.NS.Do(func() error {
		ctx, stop := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%v are over", patience))
		defer stop()
		events, err := await.Links(ctx)
		if err != nil {
			return err
		}
		l, err := netlink.LinkByIndex(p.Index)
		if err == nil && l.Attrs().MTU != mtu {
			err = netlink.LinkSetMTU(l, mtu)
		}
		if err != nil {
			return kernel.Wrapf(p.String(), err, "setting the MTU to %d", mtu)
		}
		return await.Until(ctx, p.String()+" has a carrier", events, func() (bool, error) {
			l, err := netlink.LinkByIndex(p.Index)
			if err != nil {
				return false, err
			}
			return l.Attrs().RawFlags&iffLowerUp != 0, nil
		})
	})
}
