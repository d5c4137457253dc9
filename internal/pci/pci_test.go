// SPDX-License-Identifier: Apache-2.0

package pci

import "testing"

func TestParseAddress(t *testing.T) {
	for in, want := range map[string]Address{
		"0001:3b:00.0": "0001:3b:00.0",
		"3B:00.1":      "0000:3b:00.1",
		"3b:00":        "",
		"3b:00.8":      "",
		"eth0":         "",
		"":             "",
	} {
		got, err := ParseAddress(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ParseAddress(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestFunctionNamesReadBack(t *testing.T) {
	for _, f := range []Function{PF("0001:3b:00.0"), VF("0001:3b:00.1", 0), VF("0001:3b:00.1", 126)} {
		got, err := ParseFunction(f.String())
		if err != nil || got != f {
			t.Errorf("ParseFunction(%q) = %v, %v", f, got, err)
		}
	}
	for _, s := range []string{"", "0001:3b:00.0", "pci/x", "pci/0001:3b:00.0/vf/", "pci/0001:3b:00.0/vf/127", "pci/0001:3b:00.0/vf/-1"} {
		if f, err := ParseFunction(s); err == nil {
			t.Errorf("ParseFunction(%q) = %v, want an error", s, f)
		}
	}
}
