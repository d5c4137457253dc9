// SPDX-License-Identifier: Apache-2.0

package pci

import "testing"

func TestFunctionsReadBack(t *testing.T) {
	for _, s := range []string{"pci/0000:3b:00.0", "pci/0001:3b:00.1/vf/126", "netdevsim/netdevsim10", "netdevsim/netdevsim10/vf/3"} {
		f, err := ParseFunction(s)
		if err != nil || f.String() != s {
			t.Errorf("%s: %v, %v", s, f, err)
		}
	}
	for _, s := range []string{"", "pci/netdev", "eth0", "pci/0000:3b:00.0/vf/127", "pci/0000:3b:00.0/vf/-1", "netdevsim/eth0", "netdevsim/netdevsim1/vf/x"} {
		if f, err := ParseFunction(s); err == nil {
			t.Errorf("%q is taken for %v", s, f)
		}
	}
	if a := Address("netdevsim/netdevsim10"); a.Bus() != "netdevsim" || a.Device() != "netdevsim10" {
		t.Errorf("%q is %q on %q", a, a.Device(), a.Bus())
	}
	if a := Address("0000:3b:00.0"); a.Bus() != "pci" || a.Device() != "0000:3b:00.0" {
		t.Errorf("%q is %q on %q", a, a.Device(), a.Bus())
	}
}
