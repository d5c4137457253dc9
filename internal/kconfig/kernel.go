// SPDX-License-Identifier: Apache-2.0

package kconfig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/nicwright/nicwright/internal/probe"
)

// Kernel is the running kernel as it is asked: each source is read when a
// question first needs it, and once. It is safe for concurrent use.
type Kernel struct {
	host    Host
	config  func() (Config, error)
	symbols func() Symbols
	types   *types
}

// Ask is the host's kernel, to be asked. It reads nothing yet.
func (h Host) Ask() *Kernel {
	return &Kernel{host: h, config: sync.OnceValues(h.Config), symbols: sync.OnceValue(h.Symbols), types: newTypes(h.root)}
}

// Release is the kernel's release, as uname -r prints it; "" if uname(2) failed.
func (k *Kernel) Release() string {
	release, err := k.host.Release()
	if err != nil {
		return ""
	}
	return release
}

// Version is what the release says: for messages, and to say yes where nothing
// else answers. Vendors' kernels carry newer code than it tells, so that it never
// says no.
func (k *Kernel) Version() Version { return ParseVersion(k.Release()) }

// Since is yes for a kernel whose version is major.minor or later, else not known.
func (k *Kernel) Since(major, minor int) probe.Answer {
	v := k.Version()
	if v.Known() && !v.Before(major, minor) {
		return probe.Yesf("Linux has it from %d.%d on, and this is %s", major, minor, v)
	}
	return probe.Unknownf("mainline has it from Linux %d.%d on, and this is %s", major, minor, k.named())
}

func (k *Kernel) named() string {
	if r := k.Release(); r != "" {
		return r
	}
	return "of a release that is not known"
}

// Option says whether the kernel was built with an option; name is without CONFIG_.
func (k *Kernel) Option(name string) probe.Answer {
	c, err := k.config()
	if err != nil {
		return probe.Unknown(err.Error())
	}
	return c.Option(name)
}

// Symbol is Symbols.Has.
func (k *Kernel) Symbol(module, symbol string) probe.Answer { return k.symbols().Has(module, symbol) }

// Own says whether a module that is loaded is the kernel's own: not one from
// elsewhere, as DOCA-OFED's mlx5_core is.
func (k *Kernel) Own(module string) probe.Answer {
	file := filepath.Join("/sys/module", module, "taint")
	taint, err := os.ReadFile(filepath.Join(k.host.root, file))
	switch {
	case err != nil:
		return probe.Unknownf("whether %s is the kernel's own: %v", module, err)
	case strings.Contains(string(taint), "O"): // TAINT_OOT_MODULE, Documentation/admin-guide/tainted-kernels.rst
		return probe.Nof("the %s that is loaded is not the kernel's own (%s)", module, file)
	}
	return probe.Yes(fmt.Sprintf("the %s that is loaded is the kernel's own", module))
}

// ModuleOption says whether a module was built with an option of the kernel's
// configuration, which says nothing of modules from elsewhere.
func (k *Kernel) ModuleOption(module, name string) probe.Answer {
	if own := k.Own(module); !own.Yes {
		return probe.Unknown("the kernel's configuration says nothing of an " + module + " that is not the kernel's own, or not loaded")
	}
	return k.Option(name)
}

// Modules is Host.Modules.
func (k *Kernel) Modules(names ...string) (map[string]ModuleState, error) {
	return k.host.Modules(names...)
}

// Locked is Host.Locked.
func (k *Kernel) Locked() bool { return k.host.Locked() }
