// SPDX-License-Identifier: Apache-2.0

package kconfig

import (
	"bytes"
	"testing"
)

// Whatever a file has in it: an answer.
func FuzzConfig(f *testing.F) {
	f.Add([]byte("CONFIG_A=y\n# CONFIG_B is not set\n"), []byte("0 T a\n0 t b\t[m]\n"), "6.12.1")
	f.Fuzz(func(t *testing.T, config, symbols []byte, release string) {
		options, err := parseConfig(bytes.NewReader(config))
		if err == nil && len(options) == 0 {
			t.Error("no options and no error")
		}
		s := parseSymbols(symbols)
		if s.Has("m", "b").Yes && !bytes.Contains(symbols, []byte("b")) {
			t.Error("a symbol that is not there")
		}
		if v := ParseVersion(release); v.Known() && v.Major == 0 && v.Minor == 0 {
			t.Error("a version 0.0")
		}
	})
}
