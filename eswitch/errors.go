// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/kernel"
)

// newError is the error of a step that the kernel refused, or that had no effect
// in time, with what to do about it.
func newError(op, resource, attribute string, err error) error {
	if err == nil {
		return nil
	}
	err = kernel.Wrap(op, resource, err)
	var e *kernel.Error
	if errors.As(err, &e) {
		e.Attribute = attribute
	}
	return kernel.Remedied(err, remedy(attribute, err))
}

// remedy says what to do about an errno. Those of the eswitch mode are mlx5's
// (drivers/net/ethernet/mellanox/mlx5/core/eswitch_offloads.c,
// mlx5_devlink_eswitch_mode_set).
func remedy(attribute string, err error) string {
	remedies := []struct {
		attribute string
		errno     error
		remedy    string
	}{
		{attrMode, unix.EPERM, "switchdev and Socket Direct (one card on two PCI slots as one netdev) exclude each other; or nicwright does not run as root"},
		{attrMode, unix.EBUSY, "a firmware reset is going on, or TC flows use the eswitch: remove them (Open vSwitch's too) and apply again"},
		{attrMode, unix.EINVAL, "another change of this eswitch is going on, or the PF's netdev is in another network namespace: move it back and apply again"},
		{attrMode, unix.EOPNOTSUPP, "IPsec SAs or policies, or devlink traps, are active on the PF, or the device has no eswitch: remove them (ip xfrm, devlink trap) and apply again"},
		{attrInline, unix.EOPNOTSUPP, "this device takes only inline-mode none: leave inline-mode unset"},
		{attrEncap, unix.EOPNOTSUPP, "flows or tunnel SAs use the eswitch, or the device cannot encapsulate: remove them, or leave encap-mode unset"},
		{attrSteering, unix.EOPNOTSUPP, "the device does not offer this steering, or its eswitch is not in legacy mode"},
		{paramMultiport, unix.EOPNOTSUPP, "it takes all ports of the card in switchdev mode, with the same settings, and a card with port selection by flow tables: set eswitch-mode: switchdev at both ports, or leave esw_multiport out"},
		{paramMultiport, unix.EINVAL, "the card has a LAG of a bond, which excludes it: take its ports out of the bond, or leave esw_multiport out"},
		{paramMultiport, unix.EAGAIN, "a port of the card is changing its mode: apply again"},
		{paramMetadata, unix.EBUSY, "it can be changed only while the port has no VFs and is in legacy mode: apply vfs: 0 and eswitch-mode: legacy first"},
		{attrVFs, unix.EBUSY, "the VFs of the PF are in use, by a virtual machine or by another tool: release them and apply again"},
		{attrVFs, unix.ENOSPC, "the PCI bridge has no room for so many VFs: lower vfs, or boot with pci=realloc"},
		{attrVFs, unix.ENOMEM, "the kernel or the card had no memory or no room for it (dmesg says which): apply again, lower vfs, or boot with pci=realloc"},
		{attrVFs, unix.ERANGE, "the device does not offer so many VFs: lower vfs"},
		{attrIPsecCrypto, unix.EBUSY, "the VF has a driver, or the PF has IPsec SAs of its own, which exclude each other: unbind the VF, or remove the SAs (ip xfrm), and apply again"},
		{attrIPsecPacket, unix.EBUSY, "the VF has a driver, or the PF has IPsec SAs of its own, which exclude each other: unbind the VF, or remove the SAs (ip xfrm), and apply again"},
		{attrIPsecCrypto, errors.ErrUnsupported, "it takes Linux 6.6, a driver built with MLX5_EN_IPSEC and a card with crypto: leave it unset"},
		{attrIPsecPacket, errors.ErrUnsupported, "it takes Linux 6.6, a driver built with MLX5_EN_IPSEC, a card with crypto, and flow_steering_mode dmfs: leave it unset"},
		{attrMAC, unix.EINVAL, "the driver does not take this address: it has to be a unicast address"},
		{attrVLAN, unix.EOPNOTSUPP, "the driver does not take a VLAN for a VF, or not in this eswitch mode: leave it unset"},
		{attrVLANProto, unix.EPROTONOSUPPORT, "the driver takes 802.1Q only"},
		{attrMinTxRate, unix.EINVAL, "the rate has to be between what the driver takes and max_tx_rate"},
		{attrMaxTxRate, unix.EINVAL, "the rate has to be at least min_tx_rate, and what the driver takes"},
		{attrMinTxRate, unix.EOPNOTSUPP, "the driver guarantees VFs no rate: leave it unset"},
		{attrSpoofChk, unix.EOPNOTSUPP, "the driver has it in legacy mode only, or not at all: leave it unset"},
		{attrTrust, unix.EOPNOTSUPP, "the driver has it in legacy mode only, or not at all: leave it unset"},
		{attrLinkState, unix.EOPNOTSUPP, "the driver has it in legacy mode only, or not at all: leave it unset"},
		{attrDriver, fs.ErrNotExist, "the driver is not loaded, or the VF is gone: load it (modprobe) and apply again"},
		{attrDriver, unix.ENODEV, "the driver does not take the VF: is it the driver for this device, and did it see an error (dmesg)?"},
		{attrDriver, unix.EBUSY, "another driver has the VF meanwhile, or its driver met an error (dmesg): apply again"},
		{AttrMTU, unix.EINVAL, "the device does not take this MTU: ip -d link shows its limits (minmtu, maxmtu)"},
		{attrRepMTU, unix.EINVAL, "the device does not take this MTU: ip -d link shows its limits (minmtu, maxmtu)"},
	}
	for _, r := range remedies {
		if r.attribute == attribute && errors.Is(err, r.errno) {
			return r.remedy
		}
	}
	name, mode, isParam := cutParam(attribute)
	switch {
	case isParam && mode == cmodeDriverInit && errors.Is(err, unix.EOPNOTSUPP):
		return "the driver refuses to be reloaded now, as mlx5 does while the card has a LAG over the port: take the port out of its bond, set esw_multiport to false, and apply again, or leave the param out"
	case isParam && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ERANGE)):
		return "the driver or the card does not take this value, or not as it is now (dmesg says more): change " + name + ", or leave it out"
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
