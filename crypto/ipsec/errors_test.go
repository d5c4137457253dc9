// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

func TestRefusalsAreExplained(t *testing.T) {
	crypto, packet := attempt{offload: Crypto}, attempt{offload: Packet}
	for _, c := range []struct {
		a     attempt
		errno syscall.Errno
		ack   string
		want  string
	}{
		{crypto, unix.EBUSY, "mlx5_core: Device failed to offload this state", "exclude each other"},
		{packet, unix.EBUSY, "", "TC rules"},
		{crypto, unix.ENODEV, "", "no active member"},
		{packet, unix.EINVAL, "mlx5_core: Packet offload is not supported", "dmfs"},
		{packet, unix.EINVAL, "mlx5_core: Packet offload is not supported for tunnel mode", "transport mode only"},
		{packet, unix.EINVAL, "mlx5_core: Packet offload tunnel mode is disabled due to encap settings", "encap-mode none"},
		{packet, unix.EINVAL, "mlx5_core: Unsupported replay window size", "32, 64, 128 and 256"},
		{packet, unix.EINVAL, "mlx5_core: Hard packet limit must be greater than soft one", "or neither"},
		{packet, unix.EINVAL, "mlx5_core: Soft/hard byte limits can't be 0", "or neither"},
		{packet, unix.EINVAL, "netdevsim: Unsupported ipsec offload type", "crypto offload only"},
		{packet, unix.EINVAL, "", "no packet offload"},
		{attempt{offload: Packet, policy: true}, unix.EOPNOTSUPP, "mlx5_core: Device doesn't support IPsec packet offload", "no packet offload"},
		{attempt{offload: Packet, policy: true}, unix.EINVAL, "Policy offload is not supported", "PF or VF"},
		{attempt{offload: Packet, policy: true}, unix.EINVAL, "mlx5_core: Device does not support policy priority", "priority 0"},
		{crypto, unix.EINVAL, "mlx5_core: Crypto offload is not supported", "ipsec_crypto enable"},
		{crypto, unix.EINVAL, "Device doesn't support offload with ESN", "switch ESN off"},
		{crypto, unix.EINVAL, "mlx5_core: Cannot offload ESN xfrm states", "switch ESN off"},
		{crypto, unix.EINVAL, "Type doesn't support offload", "modprobe esp4_offload"},
		{attempt{offload: Crypto, ipv6: true}, unix.EINVAL, "Type doesn't support offload", "modprobe esp6_offload"},
		{crypto, unix.EINVAL, "something new", "dmesg"},
		{crypto, unix.EOPNOTSUPP, "", "CONFIG_MLX5_EN_IPSEC"},
		{crypto, unix.ENOSPC, "netdevsim: No space for SA in Rx table!", "no room"},
		{attempt{ipv6: true}, unix.EPROTONOSUPPORT, "Requested type not found", "modprobe esp6"},
		{attempt{}, unix.ENOSYS, "Requested AEAD algorithm not found", "gcm seqiv"},
		{attempt{}, unix.ENOSYS, "", "gcm seqiv"},
		{attempt{}, unix.EPROTONOSUPPORT, "", "xfrm_user"},
		{attempt{ipv6: true}, unix.EAFNOSUPPORT, "", "modprobe esp6"},
		{attempt{}, unix.EPERM, "", "root"},
		{attempt{}, unix.EEXIST, "", "show ipsec"},
		{attempt{policy: true}, unix.EEXIST, "", "ip xfrm policy"},
		{attempt{}, unix.ESRCH, "", "goes down"},
	} {
		err := newError("adding the SA out", "esp a -> b", c.a, &netlink.OpError{Op: "receive", Err: c.errno, Message: c.ack})
		for _, part := range []string{"adding the SA out", "esp a -> b", unix.ErrnoName(c.errno), c.ack, c.want} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q lacks %q", err, part)
			}
		}
		if !errors.Is(err, c.errno) {
			t.Errorf("%q is not %v", err, c.errno)
		}
	}
	err := newError("opening a socket", "", attempt{}, &netlink.OpError{Op: "socket", Err: os.NewSyscallError("socket", unix.EPROTONOSUPPORT)})
	if !errors.Is(err, unix.EPROTONOSUPPORT) || !strings.Contains(err.Error(), "(EPROTONOSUPPORT): the kernel's IPsec is not loaded: run `modprobe") {
		t.Error(err)
	}
	if err := newError("reading", "x", attempt{}, io.EOF); !errors.Is(err, io.EOF) || err.Error() != "x: reading: EOF" {
		t.Error(err)
	}
}
