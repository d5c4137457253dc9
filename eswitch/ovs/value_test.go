// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"reflect"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/ovsdb"
)

func TestVLANText(t *testing.T) {
	for text, v := range map[string]vlan{
		"trunk":                              {},
		"trunk all":                          {mode: modeTrunk},
		"trunk 100,200":                      {mode: modeTrunk, trunks: []int{100, 200}},
		"trunk 100-102,200":                  {mode: modeTrunk, trunks: []int{100, 101, 102, 200}},
		"trunk 100 tag 5":                    {mode: modeTrunk, tag: ptr(5), trunks: []int{100}},
		"trunk all tag 5 cvlans 7":           {mode: modeTrunk, tag: ptr(5), cvlans: []int{7}},
		"tag 0":                              {tag: ptr(0)},
		"tag 10 trunks 10,100":               {tag: ptr(10), trunks: []int{10, 100}},
		"trunks 100,101":                     {trunks: []int{100, 101}},
		"cvlans 7":                           {cvlans: []int{7}},
		"access 100":                         {mode: modeAccess, tag: ptr(100)},
		"access":                             {mode: modeAccess},
		"native-untagged 10 trunks 10,100":   {mode: modeNativeUntagged, tag: ptr(10), trunks: []int{10, 100}},
		"native-tagged 10":                   {mode: modeNativeTagged, tag: ptr(10)},
		"dot1q-tunnel 300 cvlans 100,200":    {mode: modeTunnel, tag: ptr(300), cvlans: []int{100, 200}},
		"dot1q-tunnel 300 trunks 1 cvlans 2": {mode: modeTunnel, tag: ptr(300), trunks: []int{1}, cvlans: []int{2}},
		"native-untagged trunks 0,4093-4095": {mode: modeNativeUntagged, trunks: []int{0, 4093, 4094, 4095}},
	} {
		if got := v.text(); got != text {
			t.Errorf("%+v is %q, want %q", v, got, text)
		}
		if got, rest, err := parseVLAN(strings.Fields(text)); err != nil || rest != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%q is %+v, %v, %v", text, got, rest, err)
		}
	}
}

func TestVLANMeans(t *testing.T) {
	for _, c := range []struct {
		is   vlan
		want string
	}{
		{vlan{}, "trunk all"},
		{vlan{trunks: []int{7}}, "trunk 7"},
		{vlan{tag: ptr(7), trunks: []int{8}}, "access 7"},
		{vlan{mode: modeTrunk, tag: ptr(7), trunks: []int{8}}, "trunk 8"},
		{vlan{mode: modeNativeTagged, tag: ptr(7), trunks: []int{8}, cvlans: []int{9}}, "native-tagged 7 trunks 8"},
		{vlan{mode: modeTunnel, tag: ptr(7), trunks: []int{8}, cvlans: []int{9}}, "dot1q-tunnel 7 cvlans 9"},
	} {
		if got := c.is.means(); got != c.want {
			t.Errorf("%+v means %q, want %q", c.is, got, c.want)
		}
	}
}

func TestValueText(t *testing.T) {
	for _, v := range []value{
		{},
		{owner: "host1", ofport: 3, vlan: vlan{mode: modeAccess, tag: ptr(5)}},
		{owner: `two "words" owner with {`, vlan: vlan{trunks: []int{1, 2, 3}}},
		{vlan: vlan{mode: modeNativeUntagged, tag: ptr(10)}, rest: &Rest{
			Port:       ovsdb.Columns{"external_ids": ovsdb.Map(map[string]string{"a": " owner b with {} "})},
			Interfaces: []ovsdb.Columns{{"name": ovsdb.Atom("p0")}, {"name": ovsdb.Atom("p1")}}, Of: []string{"", "pci/0001:3b:00.0"},
		}},
	} {
		got, err := parseValue(v.text())
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%s is %+v, %v", v.text(), got, err)
		}
	}
	for _, bad := range []string{
		"", "sideways", "access 1,2", "access 1 access 2", "tag", "trunks", "trunks x", "trunk 5-3", "trunk 4096", "trunk 1 2",
		"trunk ofport", "trunk ofport -1", "trunk owner", "trunk owner a b", `trunk owner "a`, "trunk with {", `trunk with {"x":1}`, `trunk with {} {}`,
	} {
		if v, err := parseValue(bad); err == nil {
			t.Errorf("%q is %+v", bad, v)
		}
	}
}

func FuzzValue(f *testing.F) {
	f.Add("native-untagged 10 trunks 10,100,200 ofport 3 owner host1")
	f.Add("dot1q-tunnel 300 cvlans 100-199")
	f.Add(`trunk all tag 4 owner "x y" with {"port":{"qos":["uuid","a"]},"interfaces":[{"name":"p0"}],"of":[""]}`)
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseValue(text)
		if err != nil {
			return
		}
		again, err := parseValue(v.text())
		if err != nil || again.text() != v.text() {
			t.Errorf("%q is %q, which is %q, %v", text, v.text(), again.text(), err)
		}
	})
}
