// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
)

// debugfsRoot is where debugfs is mounted on every distribution.
const debugfsRoot = "/sys/kernel/debug"

// netdevPrefix begins the ID of a member that is no card's uplink.
const netdevPrefix = "netdev:"

// mode8023ad is the only mode with LACP.
const mode8023ad = "802.3ad"

// Observe reads all bonds of this network namespace, sorted by name: one dump of
// the netdevs, one of the devlink ports, and the card's LAG state of those that
// hold uplinks. It writes nothing.
func Observe(ctx context.Context) ([]State, error) {
	return observe(ctx, debugfsRoot)
}

func observe(ctx context.Context, debugfs string) ([]State, error) {
	links, err := rtlink.Dump(ctx)
	if err != nil {
		return nil, fmt.Errorf("bonds: %w", err)
	}
	any := false
	for _, l := range links {
		any = any || l.Bond != nil
	}
	if !any {
		return nil, nil
	}
	devices, err := netdev.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("bonds: which uplinks the members are: %w", err)
	}
	states := assemble(links, devices)
	for i := range states {
		states[i].LAG = lagOf(debugfs, states[i])
	}
	return states, nil
}

// assemble is the part of Observe without a kernel.
func assemble(links []rtlink.Link, devices []netdev.Link) []State {
	uplinks := map[int]pci.Address{}
	for _, d := range devices {
		if !d.Representor && !d.Function.IsVF() {
			uplinks[d.Index] = d.Function.PF
		}
	}
	members := map[int][]Member{}
	for _, l := range links {
		if l.Slave == nil {
			continue
		}
		id := netdevPrefix + l.Name
		if a, ok := uplinks[l.Index]; ok {
			id = string(a)
		}
		members[l.Master] = append(members[l.Master], Member{
			ID: id, Netdev: l.Name, MIIStatus: l.Slave.MIIStatus, Aggregator: l.Slave.Aggregator,
		})
	}
	var states []State
	for _, l := range links {
		if l.Bond == nil {
			continue
		}
		s := State{
			Name: l.Name, Mode: l.Bond.Mode, XmitHashPolicy: l.Bond.XmitHashPolicy, Miimon: l.Bond.Miimon,
			MTU: l.MTU, Up: l.Up, Carrier: l.Carrier, Ours: l.Alias == Mark, Members: members[l.Index],
		}
		if s.Mode == mode8023ad {
			s.LACPRate = l.Bond.LACPRate // of another mode the kernel tells it, but lets nobody set it
		}
		if ad := l.Bond.AD; ad != nil {
			s.LACP = &LACP{
				Aggregator: ad.Aggregator, Ports: ad.Ports, ActorKey: ad.ActorKey, PartnerKey: ad.PartnerKey,
				PartnerMAC: ad.PartnerMAC.String(),
			}
		}
		sort.Slice(s.Members, func(i, j int) bool { return s.Members[i].ID < s.Members[j].ID })
		states = append(states, s)
	}
	sort.Slice(states, func(i, j int) bool { return states[i].Name < states[j].Name })
	return states
}

// lagOf is active when all the members' PFs say so.
func lagOf(debugfs string, s State) LAG {
	var lag LAG
	for _, m := range s.Members {
		if strings.HasPrefix(m.ID, netdevPrefix) {
			continue
		}
		of := readLAG(debugfs, m.ID)
		if of.State != LAGActive {
			return of
		}
		lag = of
	}
	if lag.State == "" {
		return LAG{State: LAGDisabled}
	}
	return lag
}

// readLAG reads what the PF at address says of its LAG.
func readLAG(debugfs, address string) LAG {
	dir := filepath.Join(debugfs, "mlx5", address, "lag")
	state, err := readWord(filepath.Join(dir, "state"))
	if err != nil {
		return LAG{State: LAGUnknown, Reason: lagReason(debugfs, dir, err)}
	}
	lag := LAG{State: state}
	if state != LAGActive {
		return lag
	}
	lag.Type, err = readWord(filepath.Join(dir, "type"))
	if err == nil {
		lag.PortSelMode, err = readWord(filepath.Join(dir, "port_sel_mode"))
	}
	if errors.Is(err, unix.EINVAL) {
		return LAG{State: LAGDisabled} // it ended between two reads: only an active LAG has a type
	}
	if err != nil {
		return LAG{State: LAGUnknown, Reason: err.Error()}
	}
	return lag
}

func readWord(path string) (string, error) {
	b, err := os.ReadFile(path)
	return strings.TrimSpace(string(b)), err
}

// lagReason says why the LAG's state cannot be seen and what would change that.
func lagReason(debugfs, dir string, err error) string {
	var st unix.Statfs_t
	switch {
	case unix.Statfs(debugfs, &st) == nil && st.Type != unix.DEBUGFS_MAGIC && debugfs == debugfsRoot:
		return "debugfs is not mounted: mount -t debugfs none " + debugfs
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("reading %s: %v: it needs root, and a kernel that is not locked down", dir, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("%s is not there: is the port bound to mlx5_core, and the kernel 6.0 or newer?", dir)
	}
	return err.Error()
}
