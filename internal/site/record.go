// SPDX-License-Identifier: Apache-2.0

package site

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
)

// recordPath holds, while a proof runs, what is needed to put its VFs back.
const recordPath = "/run/nicwright/verify.json"

const ifaFNodad = unix.IFA_F_NODAD

// errNoIPv6 is what the kernel answers to an IPv6 address where net.ipv6.conf.*.disable_ipv6 is set.
var errNoIPv6 error = unix.EACCES

// record is a VF as it was before.
type record struct {
	Function  pci.Function `json:"function"`
	Up        bool         `json:"up"`
	MTU       int          `json:"mtu"`
	Master    int          `json:"master,omitempty"`    // ifindex
	Addresses []string     `json:"addresses,omitempty"` // without those the kernel makes itself
}

func write(records []record) error {
	b, err := json.Marshal(records)
	if err != nil {
		return fmt.Errorf("encoding what is needed to put the VFs back: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(recordPath), 0o700); err != nil {
		return fmt.Errorf("recording how to put the VFs back: %w", err)
	}
	if err := renameio.WriteFile(recordPath, b, 0o600); err != nil {
		return fmt.Errorf("recording how to put the VFs back: %w", err)
	}
	return nil
}

// read gives nil when nothing was recorded.
func read() ([]record, error) {
	b, err := os.ReadFile(recordPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading how to put VFs back: %w", err)
	}
	records, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("reading how to put VFs back, %s: %w; remove it when the VFs are as they should be", recordPath, err)
	}
	return records, nil
}

func parse(b []byte) ([]record, error) {
	var records []record
	if err := json.Unmarshal(b, &records); err != nil {
		return nil, err
	}
	return records, nil
}

func forget() error {
	if err := os.Remove(recordPath); err != nil {
		return fmt.Errorf("removing %s: %w", recordPath, err)
	}
	return nil
}

// restore waits until the VF's netdev is back and gives it its state.
func (r record) restore(ctx context.Context, events <-chan struct{}) error {
	var link netdev.Link
	err := await.Until(ctx, fmt.Sprintf("the netdev of %s is back from its namespace", r.Function), events, func() (bool, error) {
		var err error
		link, err = netdev.OfFunction(ctx, r.Function)
		if errors.Is(err, netdev.ErrNone) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return err
	}
	l, err := netlink.LinkByIndex(link.Index)
	if err != nil {
		return fmt.Errorf("reading the netdev of %s: %w", r.Function, err)
	}
	if l.Attrs().MTU != r.MTU && r.MTU > 0 {
		if err := netlink.LinkSetMTU(l, r.MTU); err != nil {
			return fmt.Errorf("setting the MTU of %s back to %d: %w", link.Name, r.MTU, err)
		}
	}
	if r.Master != 0 && l.Attrs().MasterIndex != r.Master {
		if err := netlink.LinkSetMasterByIndex(l, r.Master); err != nil {
			return fmt.Errorf("giving %s its master (netdev %d) back: %w", link.Name, r.Master, err)
		}
	}
	for _, a := range r.Addresses {
		addr, err := netlink.ParseAddr(a)
		if err == nil {
			err = netlink.AddrReplace(l, addr)
		}
		if err != nil {
			return fmt.Errorf("giving %s its address %s back: %w", link.Name, a, err)
		}
	}
	set, what := netlink.LinkSetDown, "down"
	if r.Up {
		set, what = netlink.LinkSetUp, "up"
	}
	if err := set(l); err != nil {
		return fmt.Errorf("setting %s %s again: %w", link.Name, what, err)
	}
	return nil
}
