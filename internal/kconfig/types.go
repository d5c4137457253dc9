// SPDX-License-Identifier: Apache-2.0

package kconfig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/cilium/ebpf/btf"

	"github.com/nicwright/nicwright/internal/probe"
)

// types are the data types of the kernel and of modules that are loaded, as BTF
// has them (/sys/kernel/btf, CONFIG_DEBUG_INFO_BTF and _MODULES): all that is
// known of them is what the sources had that they were built from, whatever their
// version says. The kernel's own take a fifth of a second, and are read with the
// first module.
type types struct {
	root   string
	kernel func() (*btf.Spec, error)

	mu      sync.Mutex
	modules map[string]loadedSpec
}

type loadedSpec struct {
	spec *btf.Spec
	err  error
}

func newTypes(root string) *types {
	t := &types{root: root, modules: map[string]loadedSpec{}}
	t.kernel = sync.OnceValues(func() (*btf.Spec, error) { return t.load("vmlinux", nil) })
	return t
}

const btfDir = "/sys/kernel/btf"

func (t *types) load(name string, base *btf.Spec) (_ *btf.Spec, err error) {
	f, err := os.Open(filepath.Join(t.root, btfDir, name))
	if err != nil {
		return nil, err //nolint:wrapcheck // spec says what was being done
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if base == nil {
		return btf.LoadSpecFromReader(f)
	}
	return btf.LoadSplitSpecFromReader(f, base)
}

// spec has the types of a module; module "" is the kernel itself.
func (t *types) spec(module string) (*btf.Spec, error) {
	if module == "" {
		spec, err := t.kernel()
		return spec, typesError("vmlinux", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if l, ok := t.modules[module]; ok {
		return l.spec, l.err
	}
	l := loadedSpec{}
	// Whether it is there at all costs nothing; its types build on the kernel's.
	if _, l.err = os.Stat(filepath.Join(t.root, btfDir, module)); l.err == nil {
		var base *btf.Spec
		if base, l.err = t.kernel(); l.err == nil {
			l.spec, l.err = t.load(module, base)
		}
	}
	l.err = typesError(module, l.err)
	t.modules[module] = l
	return l.spec, l.err
}

func typesError(file string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the types in %s/%s: %w", btfDir, file, err)
}

// find has the types of a name, none if there is none.
func (t *types) find(module, name string) ([]btf.Type, error) {
	spec, err := t.spec(module)
	if err != nil {
		return nil, err
	}
	found, err := spec.AnyTypesByName(name)
	if err != nil && !errors.Is(err, btf.ErrNotFound) {
		return nil, typesError(module, err)
	}
	return found, nil
}

func of(module string) string {
	if module == "" {
		return "the kernel"
	}
	return "the " + module + " that is loaded"
}

// Field says whether a structure has a field. Not known: there is no such
// structure, or no BTF. module "" is the kernel itself.
func (k *Kernel) Field(module, structure, field string) probe.Answer {
	found, err := k.types.find(module, structure)
	if err != nil {
		return probe.Unknown(err.Error())
	}
	is := false
	for _, typ := range found {
		s, ok := typ.(*btf.Struct)
		if !ok {
			continue
		}
		is = true
		if slices.ContainsFunc(s.Members, func(m btf.Member) bool { return m.Name == field }) {
			return probe.Yesf("%s has %s.%s (BTF)", of(module), structure, field)
		}
	}
	if !is {
		return probe.Unknownf("%s has no struct %s (BTF)", of(module), structure)
	}
	return probe.Nof("%s has a struct %s without %s (BTF)", of(module), structure, field)
}

// EnumValue says whether an enumeration has a value. Not known: there is no such
// enumeration, or no BTF.
func (k *Kernel) EnumValue(module, enum, value string) probe.Answer {
	found, err := k.types.find(module, enum)
	if err != nil {
		return probe.Unknown(err.Error())
	}
	is := false
	for _, typ := range found {
		e, ok := typ.(*btf.Enum)
		if !ok {
			continue
		}
		is = true
		if slices.ContainsFunc(e.Values, func(v btf.EnumValue) bool { return v.Name == value }) {
			return probe.Yesf("%s has %s (BTF)", of(module), value)
		}
	}
	if !is {
		return probe.Unknownf("%s has no enum %s (BTF)", of(module), enum)
	}
	return probe.Nof("%s has an enum %s without %s (BTF)", of(module), enum, value)
}

// Type says whether there is a type. beside is one that every version has that
// could have it: without that, the answer is not known.
func (k *Kernel) Type(module, name, beside string) probe.Answer {
	found, err := k.types.find(module, name)
	if err != nil {
		return probe.Unknown(err.Error())
	}
	if len(found) > 0 {
		return probe.Yesf("%s has the type %s (BTF)", of(module), name)
	}
	if found, err = k.types.find(module, beside); err != nil || len(found) == 0 {
		return probe.Unknownf("%s has neither the type %s nor %s (BTF)", of(module), name, beside)
	}
	return probe.Nof("%s has the type %s and no %s (BTF)", of(module), beside, name)
}

// Parameters says whether a function takes a number of parameters or more. Not
// known: there is no such function, or no BTF.
func (k *Kernel) Parameters(module, function string, least int) probe.Answer {
	found, err := k.types.find(module, function)
	if err != nil {
		return probe.Unknown(err.Error())
	}
	for _, typ := range found {
		f, ok := typ.(*btf.Func)
		if !ok {
			continue
		}
		proto, ok := f.Type.(*btf.FuncProto)
		if !ok {
			continue
		}
		said := fmt.Sprintf("%s of %s takes %d parameters (BTF)", function, of(module), len(proto.Params))
		if len(proto.Params) >= least {
			return probe.Yes(said)
		}
		return probe.No(said)
	}
	return probe.Unknownf("%s has no function %s (BTF)", of(module), function)
}
