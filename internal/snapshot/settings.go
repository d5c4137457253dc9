// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
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
	s.Driver, s.unread = map[int]map[ethtool.Setting]ethtool.Reading{}, map[pci.Address]error{}
	for _, n := range s.Netdevs {
		if !n.Representor && n.SF == nil {
			s.Driver[n.Index] = map[ethtool.Setting]ethtool.Reading{}
		}
	}
	for _, setting := range append([]ethtool.Setting{ethtool.PrivateFlags}, ethtool.QueueSettings[:]...) {
		all, detached, err := c.AllNumbers(setting, slices.Sorted(maps.Keys(s.Driver)))
		if err != nil {
			return err
		}
		for _, n := range s.Netdevs {
			if uplink(n) && slices.Contains(detached, n.Index) {
				s.unread[n.Function.PF] = fmt.Errorf("its driver has detached the netdev %s: the card is in reset, or something that the driver did has failed, and the kernel's log (dmesg) says what. "+
					"A change of the eswitch's mode, or taking the driver out, would be a risk for the kernel now: reboot", n.Name)
			}
		}
		for index, r := range all {
			if of, ours := s.Driver[index]; ours && len(r.Now) > 0 {
				of[setting] = r
			}
		}
	}
	s.Numbers = map[int]map[ethtool.Setting]ethtool.Numbers{}
	for _, n := range s.Netdevs {
		if !uplink(n) {
			continue
		}
		s.Numbers[n.Index] = map[ethtool.Setting]ethtool.Numbers{}
		for _, setting := range ethtool.QueueSettings {
			if r, has := s.Driver[n.Index][setting]; has {
				s.Numbers[n.Index][setting] = r.Now
			}
		}
		was := first
		if first != nil && first.unread[n.Function.PF] != nil {
			was = nil
		}
		for _, setting := range []ethtool.Setting{ethtool.Pause, ethtool.FEC} {
			if was != nil {
				if r, has := was.Driver[n.Index][setting]; has {
					s.Driver[n.Index][setting] = r
				}
				continue
			}
			now, most, err := c.Numbers(n.Index, setting)
			switch {
			case errors.Is(err, unix.ENODEV): // it went away meanwhile, or was detached above
			case err != nil: // a card that does not answer keeps nobody from looking at the others
				s.unread[n.Function.PF] = fmt.Errorf("%w: the card does not answer (devlink health show)", err)
			case len(now) > 0:
				s.Driver[n.Index][setting] = ethtool.Reading{Now: now, Most: most}
			}
		}
	}
	return nil
}

// uplink tells whether it is a PF's own netdev.
func uplink(n netdev.Link) bool { return !n.Function.IsVF() && !n.Representor && n.SF == nil }
