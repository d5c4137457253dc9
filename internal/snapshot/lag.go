// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/pci"
)

// Debugfs is where debugfs is mounted on every distribution.
const Debugfs = "/sys/kernel/debug"

// LAG states, as the driver writes them in debugfs, and our own for not knowing.
const (
	LAGActive   = "active"
	LAGDisabled = "disabled"
	LAGUnknown  = "unknown"
)

// LAG is what a port of a card says of the LAG that the card makes of a bond:
// debugfs mlx5/ADDRESS/lag/ (drivers/net/ethernet/mellanox/mlx5/core/lag/debugfs.c).
type LAG struct {
	State       string // active, disabled, unknown
	Type        string // of an active one: switchdev, roce, multipath, multiport_eswitch
	PortSelMode string // of an active one: queue_affinity, hash, ...
	Reason      string // why it is unknown, and what would change that
}

// readLAGs asks the ports that mlx5_core drives.
func (s *Snapshot) readLAGs(debugfs string) {
	s.LAG = map[pci.Address]LAG{}
	for _, p := range s.PFs {
		if p.Driver == mlx5 {
			s.LAG[p.Address] = ReadLAG(debugfs, p.Address)
		}
	}
}

// ReadLAG reads what the port at address says of its LAG, below the mount point
// debugfs.
func ReadLAG(debugfs string, address pci.Address) LAG {
	dir := filepath.Join(debugfs, "mlx5", string(address), "lag")
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
	case unix.Statfs(debugfs, &st) == nil && st.Type != unix.DEBUGFS_MAGIC && debugfs == Debugfs:
		return "debugfs is not mounted: mount -t debugfs none " + debugfs
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("reading %s: %v: it needs root, and a kernel that is not locked down", dir, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("%s is not there: is the port bound to mlx5_core, and the kernel 6.0 or newer?", dir)
	}
	return err.Error()
}
