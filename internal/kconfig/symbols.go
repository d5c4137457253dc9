// SPDX-License-Identifier: Apache-2.0

package kconfig

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Symbols are functions of the kernel and of the modules that are loaded
// (/proc/kallsyms, CONFIG_KALLSYMS). Their names are readable by everybody, also
// where their addresses are not.
type Symbols struct {
	failed  string              // why there are none
	found   map[string]string   // symbol -> module, "" for the kernel itself
	modules map[string]struct{} // that have symbols
}

// Symbols looks for names; it reads some 10 MB, which takes a tenth of a second.
func (h Host) Symbols(names ...string) (_ Symbols, err error) {
	file := filepath.Join(h.root, "/proc/kallsyms")
	f, err := os.Open(file)
	if err != nil {
		return Symbols{failed: err.Error()}, nil //nolint:nilerr // what cannot be read is unknown
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return parseSymbols(f, names)
}

// parseSymbols reads lines "ADDRESS TYPE NAME[\t[MODULE]]".
func parseSymbols(r io.Reader, names []string) (Symbols, error) {
	s := Symbols{found: map[string]string{}, modules: map[string]struct{}{}}
	wanted := map[string]bool{}
	for _, n := range names {
		wanted[n] = true
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 1<<18), 1<<18)
	last := "none"
	for lines.Scan() {
		// Cut and not Fields: there are 200,000 lines.
		_, rest, _ := strings.Cut(lines.Text(), " ")
		_, name, _ := strings.Cut(rest, " ")
		name, module, _ := strings.Cut(name, "\t")
		module = strings.Trim(module, "[]")
		if module != last {
			s.modules[module], last = struct{}{}, module
		}
		if wanted[name] {
			s.found[name] = module
		}
	}
	if err := lines.Err(); err != nil {
		return Symbols{}, fmt.Errorf("reading the kernel's symbols (/proc/kallsyms): %w", err)
	}
	return s, nil
}

// Has says whether a module that is loaded has a function that is in it with a
// certain option only; module "" is the kernel itself. The function must not be static, or it may be inlined.
// Not known: the module is not loaded, or has no symbols.
func (s Symbols) Has(module, symbol string) Answer {
	if s.failed != "" {
		return Unknown("the kernel's symbols: " + s.failed)
	}
	switch m, ok := s.found[symbol]; {
	case ok && m == "":
		return Yes("the kernel has " + symbol + " built in (/proc/kallsyms)")
	case ok && m == module:
		return Yes(module + " has " + symbol + " (/proc/kallsyms)")
	}
	if _, ok := s.modules[module]; !ok {
		return Unknown(module + " is not loaded, or has no symbols in /proc/kallsyms")
	}
	if module == "" {
		return No("the kernel has no " + symbol + " (/proc/kallsyms)")
	}
	return No("the " + module + " that is loaded has no " + symbol + " (/proc/kallsyms)")
}
