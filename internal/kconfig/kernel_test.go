// SPDX-License-Identifier: Apache-2.0

package kconfig_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/kconfig/kconfigtest"
	"github.com/nicwright/nicwright/internal/probe"
)

// A version says yes, or nothing.
func TestSinceNeverSaysNo(t *testing.T) {
	for release, want := range map[string]probe.Answer{
		"5.14.0-570.el9": probe.Unknown("mainline has it from Linux 6.6 on, and this is 5.14.0-570.el9"),
		"6.6.1":          probe.Yes("Linux has it from 6.6 on, and this is 6.6"),
		"7.0.0":          probe.Yes("Linux has it from 6.6 on, and this is 7.0"),
		"mine":           probe.Unknown("mainline has it from Linux 6.6 on, and this is mine"),
	} {
		if got := kconfigtest.Host(t, release, nil).Ask().Since(6, 6); got != want {
			t.Errorf("%s: got %+v, want %+v", release, got, want)
		}
	}
}

func TestModuleOption(t *testing.T) {
	const config = "CONFIG_MLX5_EN_TLS=y\n"
	for name, tt := range map[string]struct {
		files map[string]string
		want  string
		known bool
	}{
		"the kernel's own": {map[string]string{"/boot/config-6.12.1-x": config, "/sys/module/m/taint": "\n"}, "CONFIG_MLX5_EN_TLS=y", true},
		"from elsewhere":   {map[string]string{"/boot/config-6.12.1-x": config, "/sys/module/m/taint": "OE\n"}, "not the kernel's own", false},
		"not loaded":       {map[string]string{"/boot/config-6.12.1-x": config}, "or not loaded", false},
	} {
		if got := host(t, tt.files).Ask().ModuleOption("m", "MLX5_EN_TLS"); got.Known != tt.known || !strings.Contains(got.Source, tt.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Each source is read once: what changes after that is not seen.
func TestKernelReadsOnce(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("/proc/sys/kernel/osrelease", "6.12.1-x\n")
	write("/proc/config.gz", "not packed, and passed over")
	write("/boot/config-6.12.1-x", "CONFIG_TLS=m\n")
	write("/proc/kallsyms", "0 T start")
	k := kconfig.At(root).Ask()
	for range 2 {
		if !k.Option("TLS").Yes || !k.Symbol("", "start").Yes {
			t.Error("it is not read, or again")
		}
		write("/boot/config-6.12.1-x", "CONFIG_X=y\n")
		write("/proc/kallsyms", "0 T stop\n")
	}
	if k.Release() != "6.12.1-x" || (k.Version() != kconfig.Version{Major: 6, Minor: 12}) {
		t.Errorf("%s, %s", k.Release(), k.Version())
	}
	none := kconfig.At(t.TempDir()).Ask()
	if a := none.Since(1, 0); none.Release() != "" || none.Version().Known() || a.Known || none.Option("TLS").Known {
		t.Errorf("a kernel without a release: %+v", a)
	}
}
