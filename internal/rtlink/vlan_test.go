// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"bytes"
	"testing"

	"github.com/vishvananda/netlink/nl"
)

func TestVLANDataKeepsWhatElseThereWas(t *testing.T) {
	had := VLANData(7, VLAN8021Q, nl.NewRtAttr(4, []byte{1, 2, 3, 4}).Serialize())
	data := VLANData(100, VLAN8021AD, had)
	if id, protocol := VLANOf(data); id != 100 || protocol != VLAN8021AD {
		t.Errorf("it is %d, %#x", id, protocol)
	}
	if !bytes.Contains(data, []byte{1, 2, 3, 4}) {
		t.Errorf("% x is without what was there", data)
	}
	if id, protocol := VLANOf(nil); id != 0 || protocol != VLAN8021Q {
		t.Errorf("of nothing it is %d, %#x", id, protocol)
	}
}

func FuzzVLANOf(f *testing.F) {
	f.Add(VLANData(100, VLAN8021AD, nil))
	f.Add([]byte{6, 0, 1, 0, 100, 0, 0, 0, 3, 0, 5, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		id, protocol := VLANOf(data)
		if i, p := VLANOf(VLANData(id, protocol, data)); i != id || p != protocol {
			t.Errorf("%d, %#x reads as %d, %#x", id, protocol, i, p)
		}
	})
}
