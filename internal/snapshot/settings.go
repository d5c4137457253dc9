// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/sysctl"
)

// readSettings reads the sysctls that new netdevs get and, of the uplinks, which
// lose them when their eswitch changes its mode, rings, channels and coalescing.
func (s *Snapshot) readSettings(ctx context.Context) error {
	var err error
	if s.Sysctls, err = sysctl.Defaults(); err != nil {
		return err
	}
	c, err := ethtool.Dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	s.Numbers = map[int]map[ethtool.Setting]ethtool.Numbers{}
	for _, n := range s.Netdevs {
		if n.Function.IsVF() || n.Representor || n.SF != nil {
			continue
		}
		all := map[ethtool.Setting]ethtool.Numbers{}
		for _, setting := range ethtool.AllSettings {
			now, _, err := c.Numbers(n.Index, setting)
			switch {
			case errors.Is(err, unix.ENODEV): // it went away meanwhile
			case err != nil:
				return err
			case len(now) > 0:
				all[setting] = now
			}
		}
		s.Numbers[n.Index] = all
	}
	return nil
}
