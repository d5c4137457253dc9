// SPDX-License-Identifier: Apache-2.0

package kconfig

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/nicwright/nicwright/internal/probe"
)

// Symbols are functions of the kernel and of the modules that are loaded
// (/proc/kallsyms, CONFIG_KALLSYMS). Their names are readable by everybody, also
// where their addresses are not.
type Symbols struct {
	failed string // why there are none
	text   []byte // lines "ADDRESS TYPE NAME[\t[MODULE]]", each with its end
}

// Symbols reads them: some 10 MB, which the kernel takes a tenth of a second for.
func (h Host) Symbols() Symbols {
	text, err := os.ReadFile(filepath.Join(h.root, "/proc/kallsyms"))
	if err != nil {
		return Symbols{failed: err.Error()}
	}
	return parseSymbols(text)
}

func parseSymbols(text []byte) Symbols {
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	return Symbols{text: text}
}

// Has says whether a module that is loaded has a function that is in it with a
// certain option only; module "" is the kernel itself. The function must not be static, or it may be inlined.
// Not known: the module is not loaded, or has no symbols.
func (s Symbols) Has(module, symbol string) probe.Answer {
	has := func(line string) bool { return bytes.Contains(s.text, []byte(line)) }
	first, _, _ := bytes.Cut(s.text, []byte("\n")) // the kernel's own are before those of modules
	switch {
	case s.failed != "":
		return probe.Unknown("the kernel's symbols: " + s.failed)
	case has(" " + symbol + "\n"):
		return probe.Yes("the kernel has " + symbol + " built in (/proc/kallsyms)")
	case module == "" && len(first) > 0 && !bytes.ContainsRune(first, '\t'):
		return probe.No("the kernel has no " + symbol + " (/proc/kallsyms)")
	case module == "":
		return probe.Unknown("the kernel itself has no symbols in /proc/kallsyms")
	case has(" " + symbol + "\t[" + module + "]\n"):
		return probe.Yes(module + " has " + symbol + " (/proc/kallsyms)")
	case has("\t[" + module + "]\n"):
		return probe.No("the " + module + " that is loaded has no " + symbol + " (/proc/kallsyms)")
	}
	return probe.Unknown(module + " is not loaded, or has no symbols in /proc/kallsyms")
}
