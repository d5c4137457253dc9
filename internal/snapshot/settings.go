// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/sysctl"
)

// readSettings reads the sysctls that new netdevs get and what drivers are told by
// ethtool: with a request for all netdevs where the driver has it in memory, and of the
// uplinks alone where it asks the card (pause, FEC). Of a first look it takes the sysctls,
// and what the card would be asked for.
func (s *Snapshot) readSettings(ctx context.Context, first *Snapshot) error {
	var err error
	if first != nil {
		s.Sysctls = first.Sysctls
	} else if s.Sysctls, err = sysctl.Defaults(); err != nil {
		return err
	}
	c, err := ethtool.Dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	s.Driver = map[int]map[ethtool.Setting]ethtool.Reading{}
	for _, n := range s.Netdevs {
		if !n.Representor && n.SF == nil {
			s.Driver[n.Index] = map[ethtool.Setting]ethtool.Reading{}
		}
	}
	for _, setting := range append([]ethtool.Setting{ethtool.PrivateFlags}, ethtool.QueueSettings[:]...) {
		all, err := c.AllNumbers(setting)
		if err != nil {
			return err
		}
		for index, r := range all {
			if of, ours := s.Driver[index]; ours && len(r.Now) > 0 {
				of[setting] = r
			}
		}
	}
	s.Numbers = map[int]map[ethtool.Setting]ethtool.Numbers{}
	for _, n := range s.Netdevs {
		if n.Function.IsVF() || n.Representor || n.SF != nil {
			continue
		}
		s.Numbers[n.Index] = map[ethtool.Setting]ethtool.Numbers{}
		for _, setting := range ethtool.QueueSettings {
			if r, has := s.Driver[n.Index][setting]; has {
				s.Numbers[n.Index][setting] = r.Now
			}
		}
		for _, setting := range []ethtool.Setting{ethtool.Pause, ethtool.FEC} {
			if first != nil {
				if r, has := first.Driver[n.Index][setting]; has {
					s.Driver[n.Index][setting] = r
				}
				continue
			}
			now, most, err := c.Numbers(n.Index, setting)
			switch {
			case errors.Is(err, unix.ENODEV): // it went away meanwhile
			case err != nil:
				return err
			case len(now) > 0:
				s.Driver[n.Index][setting] = ethtool.Reading{Now: now, Most: most}
			}
		}
	}
	return nil
}
