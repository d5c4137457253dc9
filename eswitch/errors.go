// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/devlink"
)

// Error is a step that the kernel refused, or that had no effect in time.
// errors.Is finds the errno.
type Error struct {
	Op       string // what was being done, as in "setting eswitch-mode to switchdev"
	Resource string // to what, as in "pci/0000:3b:00.0"
	Err      error  // the errno, or what else went wrong
	ExtAck   string // the kernel's extended ack, or ""
	Hint     string // what to do, or ""
}

// Error tells all of it on one line.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %s: %v", e.Resource, e.Op, e.Err)
	var errno syscall.Errno
	if errors.As(e.Err, &errno) {
		if name := unix.ErrnoName(errno); name != "" && !strings.Contains(s, name) {
			s += " (" + name + ")"
		}
	}
	if e.ExtAck != "" {
		s += ": the kernel says: " + e.ExtAck
	}
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

// Unwrap gives the errno.
func (e *Error) Unwrap() error { return e.Err }

func newError(op, resource, attribute string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Op: op, Resource: resource, Err: err}
	var de *devlink.Error
	var errno syscall.Errno
	switch {
	case errors.As(err, &de):
		e.Err, e.ExtAck = de.Err, de.Message
	case errors.As(err, &errno):
		// The netlink library puts the extended ack behind the errno's text.
		if _, ack, ok := strings.Cut(err.Error(), errno.Error()+": "); ok {
			e.Err, e.ExtAck = errno, ack
		}
	}
	e.Hint = hint(attribute, err)
	return e
}

// hint says what to do about an errno. Those of the eswitch mode are mlx5's
// (drivers/net/ethernet/mellanox/mlx5/core/eswitch_offloads.c,
// mlx5_devlink_eswitch_mode_set).
func hint(attribute string, err error) string {
	hints := []struct {
		attribute string
		errno     error
		hint      string
	}{
		{attrMode, unix.EPERM, "switchdev and Socket Direct (one card on two PCI slots as one netdev) exclude each other; or nicwright does not run as root"},
		{attrMode, unix.EBUSY, "a firmware reset is going on, or TC flows use the eswitch: remove them (Open vSwitch's too) and apply again"},
		{attrMode, unix.EINVAL, "another change of this eswitch is going on, or the PF's netdev is in another network namespace: move it back and apply again"},
		{attrMode, unix.EOPNOTSUPP, "IPsec SAs or policies, or devlink traps, are active on the PF, or the device has no eswitch: remove them (ip xfrm, devlink trap) and apply again"},
		{attrInline, unix.EOPNOTSUPP, "this device takes only inline-mode none: leave inline-mode unset"},
		{attrEncap, unix.EOPNOTSUPP, "flows or tunnel SAs use the eswitch, or the device cannot encapsulate: remove them, or leave encap-mode unset"},
		{attrSteering, unix.EOPNOTSUPP, "the device does not offer this steering, or its eswitch is not in legacy mode"},
		{attrVFs, unix.EBUSY, "the VFs of the PF are in use, by a virtual machine or by another tool: release them and apply again"},
		{attrVFs, unix.ENOSPC, "the PCI bridge has no room for so many VFs: lower vfs, or boot with pci=realloc"},
		{attrVFs, unix.ENOMEM, "the device has no room for so many VFs: lower vfs, or boot with pci=realloc"},
		{attrVFs, unix.ERANGE, "the device does not offer so many VFs: lower vfs"},
		{attrIPsecCrypto, unix.EBUSY, "the VF has a driver, or the PF has IPsec SAs of its own, which exclude each other: unbind the VF, or remove the SAs (ip xfrm), and apply again"},
		{attrIPsecPacket, unix.EBUSY, "the VF has a driver, or the PF has IPsec SAs of its own, which exclude each other: unbind the VF, or remove the SAs (ip xfrm), and apply again"},
		{attrIPsecCrypto, errors.ErrUnsupported, "it takes Linux 6.6, a driver built with MLX5_EN_IPSEC and a card with crypto: leave it unset"},
		{attrIPsecPacket, errors.ErrUnsupported, "it takes Linux 6.6, a driver built with MLX5_EN_IPSEC, a card with crypto, and flow_steering_mode dmfs: leave it unset"},
		{attrDriver, fs.ErrNotExist, "the driver is not loaded, or the VF is gone: load it (modprobe) and apply again"},
		{attrDriver, unix.ENODEV, "the driver does not take the VF: is it the driver for this device, and did it see an error (dmesg)?"},
		{attrDriver, unix.EBUSY, "the VF is bound to another driver meanwhile: apply again"},
		{attrMTU, unix.EINVAL, "the device does not take this MTU: ip -d link shows its limits (minmtu, maxmtu)"},
		{attrRepMTU, unix.EINVAL, "the device does not take this MTU: ip -d link shows its limits (minmtu, maxmtu)"},
	}
	for _, h := range hints {
		if h.attribute == attribute && errors.Is(err, h.errno) {
			return h.hint
		}
	}
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return "run nicwright as root"
	case errors.Is(err, unix.EROFS):
		return "sysfs is mounted read-only here (in a container?): run nicwright on the host"
	}
	return "see the kernel's log (dmesg) for what the driver says, and apply again"
}

// unsupported tells whether a driver does not have what was asked of devlink,
// or has no devlink instance.
func unsupported(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENODEV)
}
