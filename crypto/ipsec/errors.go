// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ErrSoftware is what errors.Is finds where crypto offload was asked for, the
// kernel took the SA, and does it in software: it says so in no other way than
// by leaving the offload out of what it lists.
var ErrSoftware = errors.New("the kernel took the SA without its offload and would do it in software")

// ErrBond is what errors.Is finds where a bond was to offload and its mode is not
// active-backup. The kernel is not asked: what it answers there depends on the
// moment (ENODEV, or whatever the member's driver makes of it), and Debian's
// 6.12.117 hands the driver the bond in place of the member
// (drivers/net/bonding/bond_main.c, bond_ipsec_add_sa).
var ErrBond = errors.New("IPsec offload works through an active-backup bond only, not 802.3ad: name a netdev that is in no such bond")

// Error is something that the kernel refused. errors.Is finds the errno.
type Error struct {
	Op       string // what was being done, as in "adding the SA out (XFRM_MSG_NEWSA)"
	Resource string // to what, "" where it was asked of all
	Err      error  // the errno, or what else went wrong
	ExtAck   string // the kernel's extended ack, or ""
	Hint     string // what to do, or ""
}

// Error tells all of it on one line.
func (e *Error) Error() string {
	s := e.Op + ": "
	if e.Resource != "" {
		s = e.Resource + ": " + s
	}
	s += e.Err.Error()
	var errno syscall.Errno
	if errors.As(e.Err, &errno) {
		if name := unix.ErrnoName(errno); name != "" {
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

// Refused is what was being done, and the extended ack.
func (e *Error) Refused() (op, extack string) { return e.Op, e.ExtAck }

// attempt is what a hint depends on beside the kernel's answer.
type attempt struct {
	offload Offload
	ipv6    bool
	policy  bool
}

func newError(op, resource string, a attempt, err error) error {
	e := &Error{Op: op, Resource: resource, Err: err}
	var oe *netlink.OpError
	if errors.As(err, &oe) {
		e.Err, e.ExtAck = oe.Err, oe.Message
		var sys *os.SyscallError
		if errors.As(oe.Err, &sys) {
			e.Err = sys.Err
		}
	}
	e.Hint = hint(a, e.Err, e.ExtAck)
	return e
}

// said are extended acks, or what they have in common over kernels and drivers, and
// what to do. The first that fits counts.
var said = []struct{ ack, hint string }{
	// net/xfrm/xfrm_device.c
	{"Type doesn't support offload", "the module for it is not loaded: run `modprobe MODULE_offload` (CONFIG_INET_ESP_OFFLOAD, CONFIG_INET6_ESP_OFFLOAD)"},
	{"support offload with ESN", "the device cannot count in 64 bits: switch ESN off at both ends, or leave the offload out"},
	// mlx5/core/en_accel/ipsec.c, in order of mention
	{"Cannot offload ESN", "this card cannot count in 64 bits: switch ESN off at both ends, or leave the offload out"},
	{"Crypto offload is not supported", "this function has no IPsec: crypto is fused off on the card, or, on a VF, `devlink port function set ... ipsec_crypto enable` is missing before it is bound"},
	{"Packet offload is not supported for tunnel mode", "this card does packet offload in transport mode only: take that, or crypto offload"},
	{"disabled due to encap settings", "on a PF in switchdev, packet offload of tunnels wants encap-mode none (devlink dev eswitch set pci/... encap-mode none; in the profile, encap-mode: none) and a kernel before 6.18: use crypto offload, or a VF, on later ones"},
	{"Packet offload is not supported", "if this card has packet offload at all, mlx5 wants a legacy eswitch for it, or flow steering dmfs that was set before switchdev (in the profile, flow_steering_mode: dmfs); on a VF, `devlink port function set ... ipsec_packet enable` before it is bound; crypto offload wants none of these"},
	{"Unsupported replay window size", "in packet offload mlx5 takes replay windows of 32, 64, 128 and 256 packets"},
	{"byte limit", "in packet offload mlx5 takes a soft and a hard limit, the soft one below the hard one, or neither"},
	{"packet limit", "in packet offload mlx5 takes a soft and a hard limit, the soft one below the hard one, or neither"},
	{"Device does not support policy priority", "this card takes policies of priority 0 only"},
	// the same, for any driver: netdevsim says "Unsupported ipsec offload type"
	{"offload type", "this device does crypto offload only, if any"},
	{"No space for SA", "the device has no room for one more SA: remove others, or leave the offload out"},
	{"Policy offload is not supported", "the netdev's driver has no packet offload: use the card's own PF or VF"},
	// net/xfrm/xfrm_state.c, xfrm_user.c
	{"Requested type not found", "the kernel has no ESP: run `modprobe MODULE` (CONFIG_INET_ESP, CONFIG_INET6_ESP)"},
	{"AEAD algorithm not found", "the kernel finds no AES-GCM: run `modprobe -a gcm seqiv` (CONFIG_CRYPTO_GCM, CONFIG_CRYPTO_SEQIV)"},
}

// hint says what to do about an answer. The errnos are those of net/xfrm, of
// mlx5 (drivers/net/ethernet/mellanox/mlx5/core/en_accel/ipsec.c) and of bonds
// (drivers/net/bonding/bond_main.c).
func hint(a attempt, err error, ack string) string {
	module := "esp4"
	if a.ipv6 {
		module = "esp6"
	}
	for _, s := range said {
		if ack != "" && strings.Contains(ack, s.ack) {
			return strings.ReplaceAll(s.hint, "MODULE", module)
		}
	}
	is := func(errno syscall.Errno) bool { return errors.Is(err, errno) }
	offloaded := a.offload != None
	switch {
	case is(unix.EPERM), is(unix.EACCES):
		return "IPsec is shown and changed by root only (CAP_NET_ADMIN in this network namespace)"
	case is(unix.EBUSY) && offloaded:
		return "mlx5 has IPsec either on the PF or on VFs: SAs of the PF and a VF's ipsec_crypto or ipsec_packet exclude each other; and packet offload on an uplink excludes TC rules there (Open vSwitch's too): remove the other and try again"
	case is(unix.EEXIST) && a.policy:
		return "there is a policy for these addresses already, an IKE daemon's or what a killed run left: see `ip xfrm policy`"
	case is(unix.EEXIST):
		return "there is such an SA already: see `nicwright show ipsec`"
	case is(unix.ENODEV) && offloaded:
		return "the netdev is gone, or it is a bond that has no active member"
	case is(unix.EPROTONOSUPPORT) && ack == "":
		return "the kernel's IPsec is not loaded: run `modprobe -a xfrm_user " + module + "` (CONFIG_XFRM_USER, CONFIG_INET_ESP, CONFIG_INET6_ESP)"
	case is(unix.ENOSYS), is(unix.EPROTONOSUPPORT):
		return "the kernel lacks what this SA needs: run `modprobe -a " + module + " gcm seqiv`"
	case is(unix.EAFNOSUPPORT):
		return fmt.Sprintf("the kernel has no IPsec for this address family: run `modprobe %s`", module)
	case a.offload == Packet && (is(unix.EINVAL) || is(unix.EOPNOTSUPP)):
		return "the netdev's driver has no packet offload (it wants Linux 6.2; and there is none through a bond but active-backup): use crypto offload, or the card's own PF or VF"
	case is(unix.EOPNOTSUPP) && offloaded:
		return "the netdev's driver has no IPsec offload (for mlx5, CONFIG_MLX5_EN_IPSEC): use a kernel that has it, or no offload"
	case is(unix.ESRCH), is(unix.ENOENT):
		return "it was removed meanwhile; when a netdev goes down, the kernel removes what it offloads"
	case is(unix.EINVAL) && offloaded:
		return "the device refuses it: see the kernel's log (dmesg) for what its driver says"
	}
	return ""
}
