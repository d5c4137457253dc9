// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
)

// ObserveCheckup looks at all that the doctor and the rules want to know, and changes nothing.
func ObserveCheckup(ctx context.Context) (Checkup, error) {
	var (
		c   Checkup
		err error
	)
	if c.Host, err = Observe(ctx); err != nil {
		return c, err
	}
	if c.Devices, err = crypto.ObserveDevices(ctx); err != nil {
		return c, err
	}
	if c.Build, err = crypto.ObserveBuild(c.Devices); err != nil {
		return c, err
	}
	if c.Grants, err = eswitch.ObserveGrants(ctx); err != nil {
		return c, err
	}
	c.IPv6, err = bond.ObserveIPv6(ctx)
	return c, err
}
