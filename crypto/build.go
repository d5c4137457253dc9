// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/kconfig"
)

// mlx5 is the driver whose build options and limits are known here.
const mlx5 = "mlx5_core"

// Build is what decides about offload before any card does: how the running
// kernel and the driver that is loaded were built, and the modules of TLS and
// ESP.
type Build struct {
	Release string          `json:"release"` // as uname -r prints it
	Kernel  kconfig.Version `json:"kernel"`
	// TLSDevice and XFRMOffload are the kernel's options of these names.
	TLSDevice   kconfig.Answer `json:"tls_device"`
	XFRMOffload kconfig.Answer `json:"xfrm_offload"`
	// What the mlx5_core that is loaded was built with: MLX5_EN_TLS, MLX5_EN_IPSEC, MLX5_CLS_ACT (which needs NET_TC_SKB_EXT).
	DriverTLS   kconfig.Answer `json:"mlx5_en_tls"`
	DriverIPsec kconfig.Answer `json:"mlx5_en_ipsec"`
	DriverTC    kconfig.Answer `json:"mlx5_cls_act"`
	// Modules, by name: tls, esp4_offload, esp6_offload.
	Modules map[string]kconfig.ModuleState `json:"modules"`
	// Locked: the kernel loads no modules any more (kernel.modules_disabled).
	Locked bool `json:"modules_disabled"`
}

// Functions that are in mlx5_core with an option only, and static in no version:
// drivers/net/ethernet/mellanox/mlx5/core/en_accel/ktls.h, ipsec.h, en_tc.h.
// Before Linux 5.18 TLS had another (en_accel/tls.h).
const (
	symTLS    = "mlx5e_ktls_build_netdev"
	symOldTLS = "mlx5e_tls_build_netdev"
	symIPsec  = "mlx5e_ipsec_build_netdev"
	symTC     = "mlx5e_configure_flower"
	// In the kernel with XFRM_OFFLOAD (net/xfrm/xfrm_device.c), and in tls with TLS_DEVICE (net/tls/tls_device.c).
	symXFRM      = "xfrm_dev_state_add"
	symTLSDevice = "tls_set_device_offload"
)

const (
	modTLS  = "tls"
	modESP4 = "esp4_offload"
	modESP6 = "esp6_offload"
)

// ObserveBuild asks the running kernel. What the driver has it sees by the
// devices' features, where one has them; only where none has it reads
// /proc/kallsyms, which takes a tenth of a second.
func ObserveBuild(devices []Device) (Build, error) {
	return observeBuild(kconfig.Host{}, "/sys", devices)
}

func observeBuild(h kconfig.Host, sys string, devices []Device) (Build, error) {
	release, err := h.Release()
	if err != nil {
		return Build{}, err
	}
	b := Build{Release: release, Kernel: kconfig.ParseVersion(release), Locked: h.Locked()}
	config, err := h.Config()
	if err != nil {
		return Build{}, err
	}
	if b.Modules, err = h.Modules(modTLS, modESP4, modESP6); err != nil {
		return Build{}, err
	}
	b.TLSDevice, b.XFRMOffload = config.Option("TLS_DEVICE"), config.Option("XFRM_OFFLOAD")
	b.DriverTLS, b.DriverIPsec, b.DriverTC = offers(devices, featTLSTx, featTLSRx), offers(devices, featESP), offers(devices, featTC)
	unknown := func(a kconfig.Answer) bool { return !a.Known }
	if !slices.ContainsFunc([]kconfig.Answer{b.TLSDevice, b.XFRMOffload, b.DriverTLS, b.DriverIPsec, b.DriverTC}, unknown) {
		return b, nil
	}
	symbols, err := h.Symbols(symTLS, symOldTLS, symIPsec, symTC, symXFRM, symTLSDevice)
	if err != nil {
		return Build{}, err
	}
	// A driver from elsewhere than the kernel's own tree is not what the kernel's configuration says.
	own := func(option string) kconfig.Answer {
		if taint, err := os.ReadFile(sys + "/module/" + mlx5 + "/taint"); err != nil || strings.Contains(string(taint), "O") {
			return kconfig.Unknown("the kernel's configuration says nothing of an mlx5_core that is not the kernel's own, or not loaded")
		}
		return config.Option(option)
	}
	tls := symbols.Has(mlx5, symTLS)
	if old := symbols.Has(mlx5, symOldTLS); old.Yes {
		tls = old
	}
	b.TLSDevice = first(b.TLSDevice, symbols.Has(modTLS, symTLSDevice))
	b.XFRMOffload = first(b.XFRMOffload, symbols.Has("", symXFRM))
	b.DriverTLS = first(b.DriverTLS, tls, own("MLX5_EN_TLS"))
	b.DriverIPsec = first(b.DriverIPsec, symbols.Has(mlx5, symIPsec), own("MLX5_EN_IPSEC"))
	b.DriverTC = first(b.DriverTC, symbols.Has(mlx5, symTC), own("MLX5_CLS_ACT"))
	return b, nil
}

// offers is yes where mlx5_core gives any of its netdevs one of the features: it
// has what the feature takes. Where it gives none, the card may be the reason.
func offers(devices []Device, features ...string) kconfig.Answer {
	for _, d := range devices {
		for _, name := range features {
			if f := d.Features[name]; d.Driver == mlx5 && (f.Active || !f.Fixed && f.Hardware) {
				return kconfig.Yes("mlx5_core gives " + d.Netdev + " " + name)
			}
		}
	}
	return kconfig.Unknown("no netdev of mlx5_core has " + strings.Join(features, " or "))
}

// first is the first answer that is known, or what all of them tried.
func first(answers ...kconfig.Answer) kconfig.Answer {
	var tried []string
	for _, a := range answers {
		if a.Known {
			return a
		}
		tried = append(tried, a.Source)
	}
	return kconfig.Unknown(strings.Join(tried, "; "))
}

// String is the kernel in an error: "the running kernel (6.12.0-amd64)".
func (b Build) String() string { return fmt.Sprintf("the running kernel (%s)", b.Release) }
