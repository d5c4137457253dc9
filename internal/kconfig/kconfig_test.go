// SPDX-License-Identifier: Apache-2.0

package kconfig

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// host makes a root directory with these files.
func host(t *testing.T, files map[string]string) Host {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Host{root: root, release: "6.12.1-x"}
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
		want   Answer
	}{
		{"built in", map[string]string{"/boot/config-6.12.1-x": text}, "TLS_DEVICE", Yes("CONFIG_TLS_DEVICE=y in /boot/config-6.12.1-x")},
		{"a module", map[string]string{"/lib/modules/6.12.1-x/config": text}, "TLS", Yes("CONFIG_TLS=m in /lib/modules/6.12.1-x/config")},
		{"not set", map[string]string{"/lib/modules/6.12.1-x/build/.config": text}, "MLX5_EN_TLS", No("CONFIG_MLX5_EN_TLS is not set in /lib/modules/6.12.1-x/build/.config")},
		{"not named", map[string]string{"/boot/config-6.12.1-x": text}, "XFRM_OFFLOAD", No("CONFIG_XFRM_OFFLOAD is not set in /boot/config-6.12.1-x")},
		{"a string", map[string]string{"/boot/config-6.12.1-x": text}, "CMDLINE", No("CONFIG_CMDLINE is not set in /boot/config-6.12.1-x")},
		{"packed, and before the others", map[string]string{"/proc/config.gz": packed(t, "CONFIG_TLS_DEVICE=y\n"), "/boot/config-6.12.1-x": "CONFIG_A=y\n"}, "TLS_DEVICE", Yes("CONFIG_TLS_DEVICE=y in /proc/config.gz")},
		{"of another kernel", map[string]string{"/boot/config-6.13": text}, "TLS", Unknown("no configuration of this kernel is readable: /proc/config.gz, /boot/config-6.12.1-x, /lib/modules/6.12.1-x/config, /lib/modules/6.12.1-x/build/.config, /usr/src/linux-headers-6.12.1-x/.config")},
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
	s, err := h.Symbols("mlx5e_ktls_build_netdev", "mlx5e_ipsec_build_netdev", "xfrm_dev_state_add")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		module, symbol string
		want           Answer
	}{
		{"mlx5_core", "mlx5e_ktls_build_netdev", Yes("mlx5_core has mlx5e_ktls_build_netdev (/proc/kallsyms)")},
		{"mlx5_core", "mlx5e_ipsec_build_netdev", No("the mlx5_core that is loaded has no mlx5e_ipsec_build_netdev (/proc/kallsyms)")},
		{"igb", "mlx5e_ipsec_build_netdev", Unknown("igb is not loaded, or has no symbols in /proc/kallsyms")},
		{"mlx5_core", "xfrm_dev_state_add", Yes("the kernel has xfrm_dev_state_add built in (/proc/kallsyms)")},
	} {
		if got := s.Has(tt.module, tt.symbol); got != tt.want {
			t.Errorf("%s %s: got %+v, want %+v", tt.module, tt.symbol, got, tt.want)
		}
	}
	if s, err = host(t, nil).Symbols("a"); err != nil || s.Has("tls", "a").Known {
		t.Errorf("without /proc/kallsyms: %v, %v", s, err)
	}
}

func TestModule(t *testing.T) {
	h := host(t, map[string]string{
		"/proc/modules":                         "tls 155648 1 mlx5_core, Live 0x0000000000000000\n",
		"/lib/modules/6.12.1-x/modules.dep":     "kernel/net/ipv4/esp4_offload.ko.xz: kernel/net/ipv4/esp4.ko.xz\nkernel/x/a-b.ko:\n",
		"/lib/modules/6.12.1-x/modules.builtin": "kernel/net/ipv6/esp6_offload.ko\n",
	})
	for name, want := range map[string]ModuleState{
		"tls": Loaded, "esp4_offload": Available, "a_b": Available, "esp6_offload": Loaded, "esp4": Missing, "mlx5_core": Missing,
	} {
		if got, err := h.Modules(name); got[name] != want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, want)
		}
	}
	if got, err := host(t, nil).Modules("tls"); got["tls"] != Uncertain || err != nil {
		t.Errorf("without lists: %s, %v", got, err)
	}
	if h.Locked() || !host(t, map[string]string{"/proc/sys/kernel/modules_disabled": "1\n"}).Locked() {
		t.Error("modules_disabled is misread")
	}
}

func TestVersion(t *testing.T) {
	for release, want := range map[string]Version{
		"6.12.117+deb13-amd64": {6, 12}, "7.3": {7, 3}, "6.1-rc1": {6, 1}, "": {}, "six": {}, "6": {}, "6.x": {}, "99999.1": {},
	} {
		if got := ParseVersion(release); got != want {
			t.Errorf("%q: %v, want %v", release, got, want)
		}
	}
	if (Version{}).Before(6, 1) || !(Version{5, 19}).Before(6, 0) || !(Version{6, 1}).Before(6, 2) || (Version{6, 2}).Before(6, 2) || (Version{7, 0}).Before(6, 9) {
		t.Error("Before is wrong")
	}
}

// Whatever a file has in it: an answer.
func FuzzConfig(f *testing.F) {
	f.Add([]byte("CONFIG_A=y\n# CONFIG_B is not set\n"), []byte("0 T a\n0 t b\t[m]\n"), "6.12.1")
	f.Fuzz(func(t *testing.T, config, symbols []byte, release string) {
		options, err := parseConfig(bytes.NewReader(config))
		if err == nil && len(options) == 0 {
			t.Error("no options and no error")
		}
		s, err := parseSymbols(bytes.NewReader(symbols), []string{"a", "b"})
		if err == nil && s.Has("m", "b").Known && s.Has("m", "b").Yes && !bytes.Contains(symbols, []byte("b")) {
			t.Error("a symbol that is not there")
		}
		if v := ParseVersion(release); v.Known() && v.Major == 0 && v.Minor == 0 {
			t.Error("a version 0.0")
		}
	})
}
