// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/kconfig"
)

// build makes a root directory of a host and asks it.
func build(t *testing.T, files map[string]string, devices ...Device) Build {
	t.Helper()
	root := t.TempDir()
	release, err := kconfig.Host{}.Release()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(root, strings.ReplaceAll(name, "RELEASE", release))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := observeBuild(kconfig.At(root), filepath.Join(root, "sys"), devices)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

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
		of      func(Build) kconfig.Answer
		known   bool
		yes     bool
		source  string
	}{
		{"a feature shows the driver's TLS", map[string]string{config: debian}, []Device{without, with}, func(b Build) kconfig.Answer { return b.DriverTLS }, true, true, "mlx5_core gives eth0 tls-hw-tx-offload"},
		{"and its IPsec", nil, []Device{with}, func(b Build) kconfig.Answer { return b.DriverIPsec }, true, true, "mlx5_core gives eth0 esp-hw-offload"},
		{"and its TC", nil, []Device{with}, func(b Build) kconfig.Answer { return b.DriverTC }, true, true, "mlx5_core gives eth0 hw-tc-offload"},
		{"another driver's feature shows nothing", nil, []Device{other}, func(b Build) kconfig.Answer { return b.DriverTLS }, false, false, "no netdev of mlx5_core has tls-hw-tx-offload or tls-hw-rx-offload"},
		{"a symbol shows it where the card has none", map[string]string{symbols: "0 t mlx5e_ktls_build_netdev\t[mlx5_core]\n", config: debian}, []Device{without}, func(b Build) kconfig.Answer { return b.DriverTLS }, true, true, "/proc/kallsyms"},
		{"an older driver's symbol", map[string]string{symbols: "0 t mlx5e_tls_build_netdev\t[mlx5_core]\n"}, []Device{without}, func(b Build) kconfig.Answer { return b.DriverTLS }, true, true, "mlx5e_tls_build_netdev"},
		{"no symbol, though the configuration has it", map[string]string{symbols: "0 t x\t[mlx5_core]\n", config: "CONFIG_MLX5_EN_TLS=y\n"}, []Device{without}, func(b Build) kconfig.Answer { return b.DriverTLS }, true, false, "no mlx5e_ktls_build_netdev"},
		{"without symbols, the configuration", map[string]string{config: debian, taint: "\n"}, []Device{without}, func(b Build) kconfig.Answer { return b.DriverTLS }, true, false, "CONFIG_MLX5_EN_TLS is not set in /boot/config-"},
		{"without symbols, a driver from elsewhere", map[string]string{config: debian, taint: "OE\n"}, []Device{without}, func(b Build) kconfig.Answer { return b.DriverTLS }, false, false, "not the kernel's own"},
		{"the kernel's TLS by its configuration", map[string]string{config: debian}, nil, func(b Build) kconfig.Answer { return b.TLSDevice }, true, true, "CONFIG_TLS_DEVICE=y"},
		{"and by a symbol", map[string]string{symbols: "0 t tls_set_device_offload\t[tls]\n"}, nil, func(b Build) kconfig.Answer { return b.TLSDevice }, true, true, "tls has tls_set_device_offload"},
		{"and by nothing", nil, nil, func(b Build) kconfig.Answer { return b.TLSDevice }, false, false, "no configuration of this kernel is readable"},
		{"the kernel's XFRM by a symbol", map[string]string{symbols: "0 T xfrm_dev_state_add\n"}, nil, func(b Build) kconfig.Answer { return b.XFRMOffload }, true, true, "the kernel has xfrm_dev_state_add built in"},
		{"and without it", map[string]string{symbols: "0 T start\n"}, nil, func(b Build) kconfig.Answer { return b.XFRMOffload }, true, false, "no xfrm_dev_state_add"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.of(build(t, tt.files, tt.devices...))
			if got.Known != tt.known || got.Yes != tt.yes || !strings.Contains(got.Source, tt.source) {
				t.Errorf("got %+v, want %v %v, %q", got, tt.known, tt.yes, tt.source)
			}
		})
	}
	b := build(t, map[string]string{"/proc/modules": "tls 1 0 - Live 0x0\n", "/proc/sys/kernel/modules_disabled": "1\n"})
	if b.Modules[modTLS] != kconfig.Loaded || !b.Locked || !b.Kernel.Known() {
		t.Errorf("%+v", b)
	}
}
