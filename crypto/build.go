// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"fmt"
	"strings"

	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/probe"
)

// mlx5 is the driver whose build options and limits are known here.
const mlx5 = "mlx5_core"

// Build is what decides about offload before any card does: what the running
// kernel and the driver that is loaded have, as they are asked when a rule or a
// chain first wants to know.
type Build struct {
	Release string          // as uname -r prints it
	Kernel  kconfig.Version // for messages
	// TLSDevice and XFRMOffload are the kernel's options of these names; PacketOffload is IPsec's packet
	// mode in the kernel.
	TLSDevice, XFRMOffload, PacketOffload probe.Fact
	// What the mlx5_core that is loaded was built with: MLX5_EN_TLS, MLX5_EN_IPSEC, MLX5_CLS_ACT (which needs NET_TC_SKB_EXT).
	DriverTLS, DriverIPsec, DriverTC probe.Fact
	// AES256 is whether the driver gives TLS with AES-256-GCM to the card.
	AES256 probe.Fact
	// Modules, by name: tls, esp4_offload, esp6_offload. Locked: the kernel loads no modules any more
	// (kernel.modules_disabled). Both are ReadModules'.
	Modules map[string]kconfig.ModuleState
	Locked  bool
}

// Functions that are in mlx5_core with an option only, and static in no version:
// drivers/net/ethernet/mellanox/mlx5/core/en_accel/ktls.h, ipsec.h, en_tc.h.
// Before Linux 5.18 TLS had another (en_accel/tls.h).
const (
	symTLS    = "mlx5e_ktls_build_netdev"
	symOldTLS = "mlx5e_tls_build_netdev"
	symIPsec  = "mlx5e_ipsec_build_netdev"
	symTC     = "mlx5e_configure_flower"
	// In the driver since 6.3 (lib/crypto.c), which is newer than AES-256: where it is, that is as well.
	symKeyPool = "mlx5_crypto_dek_pool_create"
	// In the kernel with XFRM_OFFLOAD (net/xfrm/xfrm_device.c), the second since it has packet mode, and in
	// tls with TLS_DEVICE (net/tls/tls_device.c).
	symXFRM      = "xfrm_dev_state_add"
	symPacket    = "xfrm_dev_policy_add"
	symTLSDevice = "tls_set_device_offload"
)

const (
	modTLS  = "tls"
	modESP4 = "esp4_offload"
	modESP6 = "esp6_offload"
)

// NewBuild asks k, and nothing yet. What the driver has is seen by the devices'
// features, where one has them; only where none has it the symbols in
// /proc/kallsyms are read, which takes a tenth of a second, and the driver's types,
// which take two.
func NewBuild(k *kconfig.Kernel, devices []Device) Build {
	symbol := func(module, name string) func() probe.Answer {
		return func() probe.Answer { return k.Symbol(module, name) }
	}
	option := func(name string) func() probe.Answer { return func() probe.Answer { return k.Option(name) } }
	own := func(name string) func() probe.Answer {
		return func() probe.Answer { return k.ModuleOption(mlx5, name) }
	}
	given := func(features ...string) func() probe.Answer {
		return func() probe.Answer { return offers(devices, features...) }
	}
	lazy := func(asks ...func() probe.Answer) probe.Fact {
		return probe.Lazy(func() probe.Answer { return probe.First(asks...) })
	}
	return Build{
		Release: k.Release(), Kernel: k.Version(),
		TLSDevice:   lazy(option("TLS_DEVICE"), symbol(modTLS, symTLSDevice)),
		XFRMOffload: lazy(option("XFRM_OFFLOAD"), symbol("", symXFRM)),
		PacketOffload: lazy(func() probe.Answer { return inPacketMode(devices) }, symbol("", symPacket),
			func() probe.Answer { return k.Since(6, 2) }),
		DriverTLS: lazy(given(featTLSTx, featTLSRx), func() probe.Answer {
			if old := k.Symbol(mlx5, symOldTLS); old.Yes {
				return old
			}
			return k.Symbol(mlx5, symTLS)
		}, own("MLX5_EN_TLS")),
		DriverIPsec: lazy(given(featESP), symbol(mlx5, symIPsec), own("MLX5_EN_IPSEC")),
		DriverTC:    lazy(given(featTC), symbol(mlx5, symTC), own("MLX5_CLS_ACT")),
		AES256:      probe.Lazy(func() probe.Answer { return aes256(k) }),
	}
}

// aes256: the key of a connection has a place for 256 bits in the driver since it
// gives them to the card (m5/en_accel/ktls_utils.h, union mlx5e_crypto_info; Linux
// 6.1). Whether this card takes them, a connection shows (m5/en_accel/ktls.h,
// mlx5e_ktls_type_check).
func aes256(k *kconfig.Kernel) probe.Answer {
	return probe.First(
		func() probe.Answer {
			a := k.Symbol(mlx5, symKeyPool)
			if a.Denied() {
				return probe.Answer{} // it may be a driver between the two
			}
			return a
		},
		func() probe.Answer { return k.Type(mlx5, "mlx5e_crypto_info", "mlx5e_ktls_offload_context_tx") },
		func() probe.Answer { return k.Since(6, 1) })
}

func inPacketMode(devices []Device) probe.Answer {
	for _, d := range devices {
		if d.Packet > 0 {
			return probe.Yesf("%d states in packet mode are on %s", d.Packet, d.Netdev)
		}
	}
	return probe.Answer{}
}

// ReadModules looks for the modules of TLS and ESP.
func (b *Build) ReadModules(k *kconfig.Kernel) (err error) {
	b.Locked = k.Locked()
	b.Modules, err = k.Modules(modTLS, modESP4, modESP6)
	return err
}

// offers is yes where mlx5_core gives any of its netdevs one of the features: it
// has what the feature takes. Where it gives none, the card may be the reason.
func offers(devices []Device, features ...string) probe.Answer {
	for _, d := range devices {
		for _, name := range features {
			if f := d.Features[name]; d.Driver == mlx5 && (f.Active || !f.Fixed && f.Hardware) {
				return probe.Yesf("mlx5_core gives %s %s", d.Netdev, name)
			}
		}
	}
	return probe.Unknown("no netdev of mlx5_core has " + strings.Join(features, " or "))
}

// String is the kernel in an error: "the running kernel (6.12.0-amd64)".
func (b Build) String() string { return fmt.Sprintf("the running kernel (%s)", b.Release) }
