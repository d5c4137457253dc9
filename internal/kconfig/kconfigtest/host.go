// SPDX-License-Identifier: Apache-2.0

// Package kconfigtest makes kernels to be asked in tests: directories with the
// files that a kernel of some release, with some driver, would show.
package kconfigtest

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/nicwright/nicwright/internal/kconfig"
)

// Host is a kernel that calls itself release, with these files; in their names
// RELEASE stands for it.
func Host(t testing.TB, release string, files map[string]string) kconfig.Host {
	t.Helper()
	root := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(root, strings.ReplaceAll(name, "RELEASE", release))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("/proc/sys/kernel/osrelease", release+"\n")
	for name, text := range files {
		write(name, text)
	}
	return kconfig.At(root)
}

// BTF is a file of /sys/kernel/btf that has these types.
func BTF(t testing.TB, types ...btf.Type) string {
	t.Helper()
	b, err := btf.NewBuilder(types, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, &btf.MarshalOptions{Order: binary.NativeEndian})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// ModuleBTF is BTF as a module has it, on top of a kernel without types (BTF(t)):
// its strings go on where those of the kernel, the empty one alone, end
// (include/uapi/linux/btf.h, struct btf_header).
func ModuleBTF(t testing.TB, types ...btf.Type) string {
	t.Helper()
	const hdrLen, strOff, strLen = 4, 16, 20
	raw := []byte(BTF(t, types...))
	at := binary.NativeEndian.Uint32(raw[hdrLen:]) + binary.NativeEndian.Uint32(raw[strOff:])
	binary.NativeEndian.PutUint32(raw[strLen:], binary.NativeEndian.Uint32(raw[strLen:])-1)
	return string(raw[:at]) + string(raw[at+1:])
}

// Struct is a structure with fields of these names.
func Struct(name string, fields ...string) btf.Type {
	s := &btf.Struct{Name: name, Size: uint32(4 * len(fields))}
	for i, f := range fields {
		s.Members = append(s.Members, btf.Member{Name: f, Type: word(), Offset: btf.Bits(32 * i)})
	}
	return s
}

// Union is a union with fields of these names.
func Union(name string, fields ...string) btf.Type {
	u := &btf.Union{Name: name, Size: 4}
	for _, f := range fields {
		u.Members = append(u.Members, btf.Member{Name: f, Type: word()})
	}
	return u
}

// Enum is an enumeration with these values.
func Enum(name string, values ...string) btf.Type {
	e := &btf.Enum{Name: name, Size: 4}
	for i, v := range values {
		e.Values = append(e.Values, btf.EnumValue{Name: v, Value: uint64(i)})
	}
	return e
}

// Func is a function with parameters of these names.
func Func(name string, parameters ...string) btf.Type {
	p := &btf.FuncProto{Return: word()}
	for _, n := range parameters {
		p.Params = append(p.Params, btf.FuncParam{Name: n, Type: word()})
	}
	return &btf.Func{Name: name, Type: p}
}

func word() btf.Type { return &btf.Int{Name: "int", Size: 4} }
