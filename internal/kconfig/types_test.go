// SPDX-License-Identifier: Apache-2.0

package kconfig_test

import (
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/kconfig/kconfigtest"
	"github.com/nicwright/nicwright/internal/probe"
)

func TestTypes(t *testing.T) {
	ops := kconfigtest.Struct("ops", "get", "set")
	mode := kconfigtest.Enum("mode", "MODE_A", "MODE_B")
	fn := kconfigtest.Func("block", "dev", "from")
	kernel := map[string]string{"/sys/kernel/btf/vmlinux": kconfigtest.BTF(t, ops)}
	module := map[string]string{"/sys/kernel/btf/vmlinux": kconfigtest.BTF(t), "/sys/kernel/btf/m": kconfigtest.ModuleBTF(t, ops, mode, fn, kconfigtest.Union("info", "a"))}
	for _, tt := range []struct {
		name  string
		files map[string]string
		ask   func(*kconfig.Kernel) probe.Answer
		want  probe.Answer
	}{
		{"a field of the kernel's", kernel, func(k *kconfig.Kernel) probe.Answer { return k.Field("", "ops", "set") }, probe.Yes("the kernel has ops.set (BTF)")},
		{"no such field", kernel, func(k *kconfig.Kernel) probe.Answer { return k.Field("", "ops", "del") }, probe.No("the kernel has a struct ops without del (BTF)")},
		{"no such structure", kernel, func(k *kconfig.Kernel) probe.Answer { return k.Field("", "more", "set") }, probe.Unknown("the kernel has no struct more (BTF)")},
		{"a field of a module's", module, func(k *kconfig.Kernel) probe.Answer { return k.Field("m", "ops", "get") }, probe.Yes("the m that is loaded has ops.get (BTF)")},
		{"a value", module, func(k *kconfig.Kernel) probe.Answer { return k.EnumValue("m", "mode", "MODE_B") }, probe.Yes("the m that is loaded has MODE_B (BTF)")},
		{"no such value", module, func(k *kconfig.Kernel) probe.Answer { return k.EnumValue("m", "mode", "MODE_C") }, probe.No("the m that is loaded has an enum mode without MODE_C (BTF)")},
		{"no such enumeration", module, func(k *kconfig.Kernel) probe.Answer { return k.EnumValue("m", "ops", "MODE_C") }, probe.Unknown("the m that is loaded has no enum ops (BTF)")},
		{"a type", module, func(k *kconfig.Kernel) probe.Answer { return k.Type("m", "info", "ops") }, probe.Yes("the m that is loaded has the type info (BTF)")},
		{"no such type", module, func(k *kconfig.Kernel) probe.Answer { return k.Type("m", "more", "ops") }, probe.No("the m that is loaded has the type ops and no more (BTF)")},
		{"no such types", module, func(k *kconfig.Kernel) probe.Answer { return k.Type("m", "more", "most") }, probe.Unknown("the m that is loaded has neither the type more nor most (BTF)")},
		{"parameters enough", module, func(k *kconfig.Kernel) probe.Answer { return k.Parameters("m", "block", 2) }, probe.Yes("block of the m that is loaded takes 2 parameters (BTF)")},
		{"parameters too few", module, func(k *kconfig.Kernel) probe.Answer { return k.Parameters("m", "block", 3) }, probe.No("block of the m that is loaded takes 2 parameters (BTF)")},
		{"no such function", module, func(k *kconfig.Kernel) probe.Answer { return k.Parameters("m", "mode", 0) }, probe.Unknown("the m that is loaded has no function mode (BTF)")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.ask(host(t, tt.files).Ask()); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// What has no BTF, or one that cannot be read, is not known, and says why.
func TestTypesThatAreNotThere(t *testing.T) {
	for name, tt := range map[string]struct {
		files  map[string]string
		module string
		source string
	}{
		"no BTF at all":        {nil, "", "the types in /sys/kernel/btf/vmlinux: open "},
		"none of the module":   {map[string]string{"/sys/kernel/btf/vmlinux": kconfigtest.BTF(t)}, "m", "the types in /sys/kernel/btf/m: stat "},
		"none of the kernel":   {map[string]string{"/sys/kernel/btf/m": kconfigtest.BTF(t)}, "m", "the types in /sys/kernel/btf/m: open "},
		"what is none":         {map[string]string{"/sys/kernel/btf/vmlinux": "ELF"}, "", "the types in /sys/kernel/btf/vmlinux: "},
		"a module's is broken": {map[string]string{"/sys/kernel/btf/vmlinux": kconfigtest.BTF(t), "/sys/kernel/btf/m": "\x9f\xeb\x01"}, "m", "the types in /sys/kernel/btf/m: "},
	} {
		k := host(t, tt.files).Ask()
		for range 2 { // what failed once fails in the same words
			for _, got := range []probe.Answer{k.Field(tt.module, "a", "b"), k.EnumValue(tt.module, "a", "b"), k.Type(tt.module, "a", "b"), k.Parameters(tt.module, "a", 1)} {
				if got.Known || !strings.HasPrefix(got.Source, tt.source) {
					t.Errorf("%s: %+v", name, got)
				}
			}
		}
	}
}
