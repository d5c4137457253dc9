// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/probe"
)

// ObserveCheckup looks at what the doctor looks at, and changes nothing. Without
// root some of it is not known.
func ObserveCheckup(ctx context.Context) (Checkup, error) {
	var c Checkup
	host, s, err := Observe(ctx)
	if err != nil {
		return c, err
	}
	k := kconfig.Host{}.Ask()
	c.Host, c.Devices, c.Grants = host, crypto.Devices(s, statesOf(ctx)), eswitch.Grants(s)
	c.Build = crypto.NewBuild(k, c.Devices)
	if err := c.Build.ReadModules(k); err != nil {
		return c, err
	}
	c.Tunnels = probe.Lazy(func() probe.Answer { return eswitch.OffloadsTunnels(k) })
	return c, nil
}
