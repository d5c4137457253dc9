// SPDX-License-Identifier: Apache-2.0

package kconfig_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/kconfig/kconfigtest"
	"github.com/nicwright/nicwright/internal/probe"
)

const release = "6.12.1-x"

// host is a kernel 6.12.1-x with these files.
func host(t *testing.T, files map[string]string) kconfig.Host {
	t.Helper()
	return kconfigtest.Host(t, release, files)
}

func packed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestConfig(t *testing.T) {
	const text = "# Automatically generated\nCONFIG_TLS=m\nCONFIG_TLS_DEVICE=y\n# CONFIG_MLX5_EN_TLS is not set\nCONFIG_CMDLINE=\"a=b\"\n"
	for _, tt := range []struct {
		name   string
		files  map[string]string
		option string
		want   probe.Answer
	}{
		{"built in", map[string]string{"/boot/config-6.12.1-x": text}, "TLS_DEVICE", probe.Yes("CONFIG_TLS_DEVICE=y in /boot/config-6.12.1-x")},
		{"a module", map[string]string{"/lib/modules/6.12.1-x/config": text}, "TLS", probe.Yes("CONFIG_TLS=m in /lib/modules/6.12.1-x/config")},
		{"not set", map[string]string{"/lib/modules/6.12.1-x/build/.config": text}, "MLX5_EN_TLS", probe.No("CONFIG_MLX5_EN_TLS is not set in /lib/modules/6.12.1-x/build/.config")},
		{"not named", map[string]string{"/boot/config-6.12.1-x": text}, "XFRM_OFFLOAD", probe.No("CONFIG_XFRM_OFFLOAD is not set in /boot/config-6.12.1-x")},
		{"a string", map[string]string{"/boot/config-6.12.1-x": text}, "CMDLINE", probe.No("CONFIG_CMDLINE is not set in /boot/config-6.12.1-x")},
		{"packed, and before the others", map[string]string{"/proc/config.gz": packed(t, "CONFIG_TLS_DEVICE=y\n"), "/boot/config-6.12.1-x": "CONFIG_A=y\n"}, "TLS_DEVICE", probe.Yes("CONFIG_TLS_DEVICE=y in /proc/config.gz")},
		{"of another kernel", map[string]string{"/boot/config-6.13": text}, "TLS", probe.Unknown("no configuration of this kernel is readable: /proc/config.gz, /boot/config-6.12.1-x, /lib/modules/6.12.1-x/config, /lib/modules/6.12.1-x/build/.config, /usr/src/linux-headers-6.12.1-x/.config")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := host(t, tt.files).Config()
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Option(tt.option); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// What is there and is no configuration is passed over, and said to be so.
func TestConfigBroken(t *testing.T) {
	c, err := host(t, map[string]string{"/proc/config.gz": "not packed", "/boot/config-6.12.1-x": "nothing\n"}).Config()
	if err != nil {
		t.Fatal(err)
	}
	got := c.Option("TLS")
	for _, want := range []string{"/proc/config.gz (unpacking it: ", "/boot/config-6.12.1-x (it has no CONFIG_ lines)"} {
		if got.Known || !strings.Contains(got.Source, want) {
			t.Errorf("%q is not in %+v", want, got)
		}
	}
}

func TestSymbols(t *testing.T) {
	const text = "0000000000000000 T start\n0000000000000000 T xfrm_dev_state_add\n0000000000000000 t a\t[mlx5_core]\n0000000000000000 t mlx5e_ktls_build_netdev\t[mlx5_core]\n0000000000000000 t a\t[tls]\n"
	h := host(t, map[string]string{"/proc/kallsyms": text})
	s := h.Symbols()
	for _, tt := range []struct {
		module, symbol string
		want           probe.Answer
	}{
		{"mlx5_core", "mlx5e_ktls_build_netdev", probe.Yes("mlx5_core has mlx5e_ktls_build_netdev (/proc/kallsyms)")},
		{"mlx5_core", "mlx5e_ipsec_build_netdev", probe.No("the mlx5_core that is loaded has no mlx5e_ipsec_build_netdev (/proc/kallsyms)")},
		{"igb", "mlx5e_ipsec_build_netdev", probe.Unknown("igb is not loaded, or has no symbols in /proc/kallsyms")},
		{"", "xfrm_dev_state_add", probe.Yes("the kernel has xfrm_dev_state_add built in (/proc/kallsyms)")},
		{"", "xfrm_dev_state", probe.No("the kernel has no xfrm_dev_state (/proc/kallsyms)")},
		{"tls", "a", probe.Yes("tls has a (/proc/kallsyms)")},
		{"mlx5_core", "xfrm_dev_state_add", probe.Yes("the kernel has xfrm_dev_state_add built in (/proc/kallsyms)")},
	} {
		if got := s.Has(tt.module, tt.symbol); got != tt.want {
			t.Errorf("%s %s: got %+v, want %+v", tt.module, tt.symbol, got, tt.want)
		}
	}
	if s = host(t, nil).Symbols(); s.Has("tls", "a").Known {
		t.Errorf("without /proc/kallsyms: %v", s)
	}
}

func TestModule(t *testing.T) {
	h := host(t, map[string]string{
		"/proc/modules":                         "tls 155648 1 mlx5_core, Live 0x0000000000000000\n",
		"/lib/modules/6.12.1-x/modules.dep":     "kernel/net/ipv4/esp4_offload.ko.xz: kernel/net/ipv4/esp4.ko.xz\nkernel/x/a-b.ko:\n",
		"/lib/modules/6.12.1-x/modules.builtin": "kernel/net/ipv6/esp6_offload.ko\n",
	})
	for name, want := range map[string]kconfig.ModuleState{
		"tls": kconfig.Loaded, "esp4_offload": kconfig.Available, "a_b": kconfig.Available, "esp6_offload": kconfig.Loaded, "esp4": kconfig.Missing, "mlx5_core": kconfig.Missing,
	} {
		if got, err := h.Modules(name); got[name] != want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, want)
		}
	}
	if got, err := host(t, nil).Modules("tls"); got["tls"] != kconfig.Uncertain || err != nil {
		t.Errorf("without lists: %s, %v", got, err)
	}
	if h.Locked() || !host(t, map[string]string{"/proc/sys/kernel/modules_disabled": "1\n"}).Locked() {
		t.Error("modules_disabled is misread")
	}
}

func TestVersion(t *testing.T) {
	for release, want := range map[string]kconfig.Version{
		"6.12.117+deb13-amd64": {6, 12}, "7.3": {7, 3}, "6.1-rc1": {6, 1}, "": {}, "six": {}, "6": {}, "6.x": {}, "99999.1": {},
	} {
		if got := kconfig.ParseVersion(release); got != want {
			t.Errorf("%q: %v, want %v", release, got, want)
		}
	}
	if (kconfig.Version{}).Before(6, 1) || !(kconfig.Version{5, 19}).Before(6, 0) || !(kconfig.Version{6, 1}).Before(6, 2) || (kconfig.Version{6, 2}).Before(6, 2) || (kconfig.Version{7, 0}).Before(6, 9) {
		t.Error("Before is wrong")
	}
}
