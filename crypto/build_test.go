// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/kconfig/kconfigtest"
	"github.com/nicwright/nicwright/internal/probe"
)

const (
	rhel9    = "5.14.0-570.12.1.el9_6.x86_64"
	mainline = "7.3.0-amd64"
)

func TestBuild(t *testing.T) {
	const config, symbols, taint = "/boot/config-RELEASE", "/proc/kallsyms", "/sys/module/mlx5_core/taint"
	const debian = "CONFIG_TLS_DEVICE=y\nCONFIG_XFRM_OFFLOAD=y\n# CONFIG_MLX5_EN_TLS is not set\n"
	with := Device{Driver: mlx5, Netdev: "eth0", Features: map[string]Feature{featTLSTx: {Hardware: true}, featESP: {Active: true, Fixed: true}, featTC: {Hardware: true, Active: true}}}
	without := Device{Driver: mlx5, Netdev: "eth0", Features: map[string]Feature{featTLSTx: {Fixed: true}, featTLSRx: {Fixed: true}, featESP: {Fixed: true}, featTC: {Fixed: true}}}
	other := Device{Driver: "other", Netdev: "eth1", Features: with.Features}
	for _, tt := range []struct {
		name    string
		files   map[string]string
		devices []Device
		of      func(Build) probe.Fact
		known   bool
		yes     bool
		source  string
	}{
		{"a feature shows the driver's TLS", map[string]string{config: debian}, []Device{without, with}, func(b Build) probe.Fact { return b.DriverTLS }, true, true, "mlx5_core gives eth0 tls-hw-tx-offload"},
		{"and its IPsec", nil, []Device{with}, func(b Build) probe.Fact { return b.DriverIPsec }, true, true, "mlx5_core gives eth0 esp-hw-offload"},
		{"and its TC", nil, []Device{with}, func(b Build) probe.Fact { return b.DriverTC }, true, true, "mlx5_core gives eth0 hw-tc-offload"},
		{"another driver's feature shows nothing", nil, []Device{other}, func(b Build) probe.Fact { return b.DriverTLS }, false, false, "no netdev of mlx5_core has tls-hw-tx-offload or tls-hw-rx-offload"},
		{"a symbol shows it where the card has none", map[string]string{symbols: "0 t mlx5e_ktls_build_netdev\t[mlx5_core]\n", config: debian}, []Device{without}, func(b Build) probe.Fact { return b.DriverTLS }, true, true, "/proc/kallsyms"},
		{"an older driver's symbol", map[string]string{symbols: "0 t mlx5e_tls_build_netdev\t[mlx5_core]\n"}, []Device{without}, func(b Build) probe.Fact { return b.DriverTLS }, true, true, "mlx5e_tls_build_netdev"},
		{"no symbol, though the configuration has it", map[string]string{symbols: "0 t x\t[mlx5_core]\n", config: "CONFIG_MLX5_EN_TLS=y\n"}, []Device{without}, func(b Build) probe.Fact { return b.DriverTLS }, true, false, "no mlx5e_ktls_build_netdev"},
		{"without symbols, the configuration", map[string]string{config: debian, taint: "\n"}, []Device{without}, func(b Build) probe.Fact { return b.DriverTLS }, true, false, "CONFIG_MLX5_EN_TLS is not set in /boot/config-"},
		{"without symbols, a driver from elsewhere", map[string]string{config: debian, taint: "OE\n"}, []Device{without}, func(b Build) probe.Fact { return b.DriverTLS }, false, false, "not the kernel's own"},
		{"the kernel's TLS by its configuration", map[string]string{config: debian}, nil, func(b Build) probe.Fact { return b.TLSDevice }, true, true, "CONFIG_TLS_DEVICE=y"},
		{"and by a symbol", map[string]string{symbols: "0 t tls_set_device_offload\t[tls]\n"}, nil, func(b Build) probe.Fact { return b.TLSDevice }, true, true, "tls has tls_set_device_offload"},
		{"and by nothing", nil, nil, func(b Build) probe.Fact { return b.TLSDevice }, false, false, "no configuration of this kernel is readable"},
		{"the kernel's XFRM by a symbol", map[string]string{symbols: "0 T xfrm_dev_state_add\n"}, nil, func(b Build) probe.Fact { return b.XFRMOffload }, true, true, "the kernel has xfrm_dev_state_add built in"},
		{"and without it", map[string]string{symbols: "0 T start\n"}, nil, func(b Build) probe.Fact { return b.XFRMOffload }, true, false, "no xfrm_dev_state_add"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.of(NewBuild(kconfigtest.Host(t, "6.12.0-x", tt.files).Ask(), tt.devices)).Ask()
			if got.Known != tt.known || got.Yes != tt.yes || !strings.Contains(got.Source, tt.source) {
				t.Errorf("got %+v, want %v %v, %q", got, tt.known, tt.yes, tt.source)
			}
		})
	}
	k := kconfigtest.Host(t, "6.12.0-x", map[string]string{"/proc/modules": "tls 1 0 - Live 0x0\n", "/proc/sys/kernel/modules_disabled": "1\n"}).Ask()
	b := NewBuild(k, nil)
	if err := b.ReadModules(k); err != nil || b.Modules[modTLS] != kconfig.Loaded || !b.Locked || b.Release != "6.12.0-x" || (b.Kernel != kconfig.Version{Major: 6, Minor: 12}) {
		t.Errorf("%+v, %v", b, err)
	}
}

// What is there counts, whatever the kernel calls itself: RHEL 9's 5.14 has the
// driver of 6.6, and a 7.3 may have an old one from elsewhere.
func TestBuildGoesByNoVersion(t *testing.T) {
	const symbols, vmlinux, module = "/proc/kallsyms", "/sys/kernel/btf/vmlinux", "/sys/kernel/btf/mlx5_core"
	types := func(names ...string) string {
		s := kconfigtest.Struct("mlx5e_ktls_offload_context_tx", "crypto_info")
		if len(names) > 0 {
			return kconfigtest.ModuleBTF(t, s, kconfigtest.Union(names[0], "crypto_info"))
		}
		return kconfigtest.ModuleBTF(t, s)
	}
	none := kconfigtest.BTF(t)
	driver := "0 T start\n0 t mlx5_load\t[mlx5_core]\n"
	aes := func(b Build) probe.Fact { return b.AES256 }
	packet := func(b Build) probe.Fact { return b.PacketOffload }
	for _, tt := range []struct {
		name, release string
		files         map[string]string
		devices       []Device
		of            func(Build) probe.Fact
		known         bool
		yes           bool
		source        string
	}{
		{"AES-256 on 5.14, by a function", rhel9, map[string]string{symbols: driver + "0 t mlx5_crypto_dek_pool_create\t[mlx5_core]\n"}, nil, aes, true, true, "mlx5_core has mlx5_crypto_dek_pool_create"},
		{"AES-256 on 5.14, by a type", rhel9, map[string]string{symbols: driver, vmlinux: none, module: types("mlx5e_crypto_info")}, nil, aes, true, true, "has the type mlx5e_crypto_info (BTF)"},
		{"no AES-256 on 7.3", mainline, map[string]string{symbols: driver, vmlinux: none, module: types()}, nil, aes, true, false, "and no mlx5e_crypto_info (BTF)"},
		{"nothing shows AES-256 on 5.14", rhel9, map[string]string{symbols: driver}, nil, aes, false, false, "mainline has it from Linux 6.1 on, and this is 5.14.0-570"},
		{"nothing shows AES-256 on 7.3", mainline, nil, nil, aes, true, true, "from 6.1 on, and this is 7.3"},
		{"packet mode on 5.14", rhel9, map[string]string{symbols: driver + "0 T xfrm_dev_policy_add\n"}, nil, packet, true, true, "the kernel has xfrm_dev_policy_add"},
		{"packet mode on 5.14, in use", rhel9, nil, []Device{{Netdev: "eth0"}, {Netdev: "eth1", Packet: 2}}, packet, true, true, "2 states in packet mode are on eth1"},
		{"no packet mode on 7.3", mainline, map[string]string{symbols: driver}, nil, packet, true, false, "the kernel has no xfrm_dev_policy_add"},
		{"nothing shows packet mode on 5.14", rhel9, nil, nil, packet, false, false, "mainline has it from Linux 6.2 on"},
		{"nothing shows packet mode on 7.3", mainline, nil, nil, packet, true, true, "from 6.2 on"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.of(NewBuild(kconfigtest.Host(t, tt.release, tt.files).Ask(), tt.devices)).Ask()
			if got.Known != tt.known || got.Yes != tt.yes || !strings.Contains(got.Source, tt.source) {
				t.Errorf("got %+v, want %v %v, %q", got, tt.known, tt.yes, tt.source)
			}
		})
	}
}
