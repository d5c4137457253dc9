// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/eswitch/bridge"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/vlans"
)

// The VLANs of a network at a bridge of the kernel, and as they are shown again.
func TestNetworkAtABridgeOfTheKernel(t *testing.T) {
	tag := 100
	for name, c := range map[string]struct {
		network  Network
		pvid     *int
		untagged vlans.List
		trunks   vlans.List
		shown    string
	}{
		"access":          {network: Network{Tag: &tag}, pvid: &tag, untagged: vlans.List{100}},
		"access, said so": {network: Network{Tag: &tag, VLANMode: "access"}, pvid: &tag, untagged: vlans.List{100}},
		"trunk":           {network: Network{Trunks: vlans.List{200, 300}}, trunks: vlans.List{200, 300}},
		"native-untagged": {
			network: Network{Tag: &tag, Trunks: vlans.List{100, 200}, VLANMode: "native-untagged"},
			pvid:    &tag, untagged: vlans.List{100}, trunks: vlans.List{200}, shown: "native-untagged",
		},
		"native-tagged": {
			network: Network{Tag: &tag, Trunks: vlans.List{200}, VLANMode: "native-tagged"},
			pvid:    &tag, trunks: vlans.List{100, 200}, shown: "native-tagged",
		},
		"no VLANs": {},
	} {
		port := c.network.KernelPort(pci.VF("0000:3b:00.0", 1), "x")
		want := bridge.Port{Name: "x", VF: "pci/0000:3b:00.0/vf/1", PVID: c.pvid, Untagged: c.untagged, Trunks: c.trunks}
		if port.Name != want.Name || port.VF != want.VF || cmp.Diff(want.PVID, port.PVID) != "" || cmp.Diff(want.Untagged, port.Untagged) != "" || cmp.Diff(want.Trunks, port.Trunks) != "" {
			t.Errorf("%s: %+v, want %+v", name, port, want)
		}
		if key, err := port.Check(); err != nil {
			t.Errorf("%s: %s %v", name, key, err)
		}
		is := bridge.PortState{Untagged: port.Untagged, Tagged: port.Trunks}
		if port.PVID != nil {
			is.PVID = *port.PVID
		}
		back, trunks, mode := is.AsSwitch()
		if cmp.Diff(c.network.Tag, back) != "" || mode != c.shown || c.network.Trunks != nil && len(trunks) < len(c.network.Trunks) {
			t.Errorf("%s is shown as %v, %v, %q", name, back, trunks, mode)
		}
	}
}
