// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/hostnet"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/snapshot"
)

// Managed are the netdevs, by name, that a network manager looks after, and which.
type Managed map[string]string

// Managers asks what NetworkManager and systemd-networkd keep of each netdev below root, which is /
// on a host: run/NetworkManager/devices/IFINDEX has a connection, run/systemd/netif/links/IFINDEX a .network file.
func Managers(root string, s *snapshot.Snapshot) Managed {
	all := Managed{}
	for _, l := range s.Links {
		for _, m := range []struct{ name, dir, key string }{
			{"NetworkManager", "run/NetworkManager/devices", "connection-uuid="},
			{"systemd-networkd", "run/systemd/netif/links", "NETWORK_FILE="},
		} {
			b, err := os.ReadFile(filepath.Join(root, m.dir, strconv.Itoa(l.Index)))
			if err != nil {
				continue // it knows nothing of the netdev, or is not there
			}
			for line := range strings.Lines(string(b)) {
				if value, is := strings.CutPrefix(strings.TrimSpace(line), m.key); is && value != "" {
					all[l.Name] = m.name
				}
			}
		}
	}
	return all
}

// addresses are what a profile says of the addresses and routes of a netdev, known by what.
func (c *capturer) addresses(id resource.ID, what string) hostnet.AddressSpec {
	spec, left := c.host.Net.Captured(id)
	if by := c.managed[c.host.Net.Netdevs[id].Name]; by != "" {
		if !spec.IsZero() || len(left) > 0 {
			c.left("the addresses and routes of "+what, "%s looks after them", by)
		}
		return hostnet.AddressSpec{}
	}
	for _, l := range left {
		c.left(l.What+" of "+what, "%s", l.Why)
	}
	var once []string
	for _, text := range spec.Addresses {
		a, err := netip.ParsePrefix(text)
		if other := c.has[a.Addr()]; err == nil && other != "" {
			c.left("address "+text+" of "+what, "%s has it too, and a profile says it once", other)
			continue
		}
		c.has[a.Addr()] = what
		once = append(once, text)
	}
	spec.Addresses = once
	return spec
}
