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

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/sysfs"
)

// recordPath holds, while a proof runs, what is needed to put its VFs back.
const recordPath = "/run/nicwright/verify.json"

// record is a VF as it was before.
type record struct {
	Function  pci.Function `json:"function"`
	Up        bool         `json:"up"`
	MTU       int          `json:"mtu"`
	Master    int          `json:"master,omitempty"`    // ifindex
	Addresses []string     `json:"addresses,omitempty"` // without those the kernel makes itself
	// Features are switches of ethtool -k that a run may change (Keep).
	Features map[string]bool `json:"features,omitempty"`
	// NFS: the kernel may serve NFS in its namespace (ServesNFS).
	NFS bool `json:"nfs,omitempty"`
}

func write(records []record) error {
	b, err := json.Marshal(records)
	if err != nil {
		return fmt.Errorf("encoding what is needed to put the VFs back: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(recordPath), 0o700); err != nil {
		return fmt.Errorf("recording how to put the VFs back: %w", err)
	}
	if err := renameio.WriteFile(recordPath, b, 0o600, renameio.WithTempDir(filepath.Dir(recordPath))); err != nil {
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
	for n, r := range records {
		if r.Function.PF == "" {
			return nil, fmt.Errorf("entry %d names no VF", n)
		}
	}
	return records, nil
}

func forget() error {
	if err := os.Remove(recordPath); err != nil {
		return fmt.Errorf("removing %s: %w", recordPath, err)
	}
	return nil
}

// restore waits until the function's netdev is back and gives it its state. A
// function that is there no more, or has no driver, has lost what there was to
// bring back: that is no error.
func (r record) restore(ctx context.Context, events <-chan struct{}) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%v are over: somebody else moved it, or its driver gave up; it is left as it is", patience))
	defer cancel()
	var link netdev.Link
	gone := false
	err := await.Until(ctx, fmt.Sprintf("the netdev of %s is back from its namespace", r.Function), events, func() (bool, error) {
		var err error
		link, err = netdev.OfFunction(ctx, r.Function)
		if !errors.Is(err, netdev.ErrNone) {
			return err == nil, err
		}
		gone, err = r.gone(sysfs.FS{})
		return gone, err
	})
	if err != nil || gone {
		return err
	}
	l, err := netlink.LinkByIndex(link.Index)
	if err != nil {
		return kernel.Wrap("reading the netdev to put it back", r.Function.String(), err)
	}
	var errs []error
	try := func(err error, op string, args ...any) {
		errs = append(errs, kernel.Wrapf(r.Function.String()+" ("+link.Name+")", err, op, args...))
	}
	if l.Attrs().MTU != r.MTU && r.MTU > 0 {
		try(netlink.LinkSetMTU(l, r.MTU), "setting the MTU back to %d", r.MTU)
	}
	if r.Master != 0 && l.Attrs().MasterIndex != r.Master {
		try(netlink.LinkSetMasterByIndex(l, r.Master), "giving it its master back, netdev %d", r.Master)
	}
	for _, a := range r.Addresses {
		addr, err := netlink.ParseAddr(a)
		if err == nil {
			err = netlink.AddrReplace(l, addr)
		}
		try(err, "giving it its address %s back", a)
	}
	if len(r.Features) > 0 {
		try(setFeatures(ctx, link.Index, r.Features), "setting the offload switches back")
	}
	set, what := netlink.LinkSetDown, "down"
	if r.Up {
		set, what = netlink.LinkSetUp, "up"
	}
	try(set(l), "setting it %s again", what)
	return errors.Join(errs...)
}

// gone tells whether the function has ceased to be, or has no driver to make its
// netdev.
func (r record) gone(sys sysfs.FS) (bool, error) {
	if r.Function.PF.Bus() != "pci" {
		return !sys.Exists(r.Function.PF), nil
	}
	a := r.Function.PF
	if r.Function.IsVF() {
		all, err := sys.VFs(r.Function.PF)
		if err != nil && sys.Exists(r.Function.PF) {
			return false, err
		}
		if r.Function.VF >= len(all) {
			return true, nil
		}
		a = all[r.Function.VF]
	}
	if a == "" || !sys.Exists(a) {
		return true, nil
	}
	driver, err := sys.Driver(a)
	return err == nil && driver == "", err
}
