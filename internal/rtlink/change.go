// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// OpError is a change that the kernel refused. Err holds the errno
// (errors.Is(err, unix.EBUSY)) and, in its text, the extended ack.
type OpError struct {
	Op       string // "setting the mode to 802.3ad"
	Resource string // the netdev's name
	Err      error
	Hint     string // what to do next, a clause; may be empty
}

// Error is one line: what was being done, to what, the kernel's answer, what to do.
func (e *OpError) Error() string {
	s := e.Resource + ": " + e.Op + ": " + e.Err.Error()
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap gives the kernel's answer.
func (e *OpError) Unwrap() error { return e.Err }

func opError(op, resource string, err error) error {
	if err == nil {
		return nil
	}
	e := &OpError{Op: op, Resource: resource, Err: err}
	switch {
	case errors.Is(err, unix.EPERM):
		e.Hint = "changing netdevs needs root or CAP_NET_ADMIN in this network namespace"
	case errors.Is(err, unix.EOPNOTSUPP) && e.Resource != "":
		e.Hint = "is the kernel module for it loaded, and does the driver support it?"
	case errors.Is(err, unix.ENODEV):
		e.Hint = "the netdev went away meanwhile: run apply again"
	}
	return e
}

func device(l Link) netlink.Link {
	return &netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: l.Name, Index: l.Index}}
}

// SetAlias sets IFLA_IFALIAS.
func SetAlias(l Link, alias string) error {
	return opError(fmt.Sprintf("setting the alias to %q", alias), l.Name, netlink.LinkSetAlias(device(l), alias))
}

// SetMTU sets the MTU in bytes.
func SetMTU(l Link, mtu int) error {
	return opError(fmt.Sprintf("setting the MTU to %d", mtu), l.Name, netlink.LinkSetMTU(device(l), mtu))
}

// SetUp sets the netdev administratively up or down.
func SetUp(l Link, up bool) error {
	if up {
		return opError("setting it up", l.Name, netlink.LinkSetUp(device(l)))
	}
	return opError("setting it down", l.Name, netlink.LinkSetDown(device(l)))
}

// SetMaster puts l below master.
func SetMaster(l, master Link) error {
	return opError("putting it into "+master.Name, l.Name, netlink.LinkSetMasterByIndex(device(l), master.Index))
}

// ClearMaster takes l out of whatever it is below.
func ClearMaster(l Link) error {
	return opError("taking it out of its master", l.Name, netlink.LinkSetNoMaster(device(l)))
}

// Delete removes the netdev.
func Delete(l Link) error {
	return opError("deleting it", l.Name, netlink.LinkDel(device(l)))
}
