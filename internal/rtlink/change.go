// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/kernel"
)

// opError is the kernel's answer to a change of a netdev, with what to do.
func opError(op, resource string, err error) error {
	err = kernel.Wrap(op, resource, err)
	switch {
	case errors.Is(err, unix.EPERM):
		return kernel.Remedied(err, "changing netdevs needs root or CAP_NET_ADMIN in this network namespace")
	case errors.Is(err, unix.EOPNOTSUPP):
		return kernel.Remedied(err, "is the kernel module for it loaded, and does the driver support it?")
	case errors.Is(err, unix.ENODEV):
		return kernel.Remedied(err, "the netdev went away meanwhile: run apply again")
	}
	return err
}

func device(l Link) netlink.Link {
	return &netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: l.Name, Index: l.Index}}
}

// SetAlias sets IFLA_IFALIAS.
func SetAlias(l Link, alias string) error {
	return opError(fmt.Sprintf("setting the alias to %q", alias), l.Name, netlink.LinkSetAlias(device(l), alias))
}

// DefaultMTU is what a netdev of Ethernet has when nobody says, in bytes (ETH_DATA_LEN, if_ether.h).
const DefaultMTU = 1500

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
