// SPDX-License-Identifier: Apache-2.0

package devlink

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
)

// of puts the device into a message about something of it.
func of(dev Device, f func(*netlink.AttributeEncoder)) func(*netlink.AttributeEncoder) {
	return func(ae *netlink.AttributeEncoder) {
		ae.String(attrBusName, dev.Bus)
		ae.String(attrDevName, dev.Name)
		f(ae)
	}
}

func TestParamsOfADeviceWithTheirDefaults(t *testing.T) {
	vf := Device{"pci", "0000:3b:00.2"}
	asked := Device{}
	c := client(t, func(greq genetlink.Message, nreq netlink.Message) ([]genetlink.Message, error) {
		if greq.Header.Command != cmdParamGet || nreq.Header.Flags&netlink.Dump == 0 {
			t.Errorf("asked with command %d, flags %v", greq.Header.Command, nreq.Header.Flags)
		}
		dev, err := parseDevice(greq)
		asked = dev
		return []genetlink.Message{
			encode(t, of(pf, param(paramTypeU32, func(ae *netlink.AttributeEncoder) {
				ae.Uint8(attrParamValueCmode, uint8(DriverInit))
				ae.Uint32(attrParamValueData, 20)
				ae.Uint32(attrParamValueDefault, 15)
			}))),
			encode(t, of(pf, param(paramTypeFlag, func(ae *netlink.AttributeEncoder) {
				ae.Uint8(attrParamValueCmode, uint8(Permanent))
				ae.Uint8(attrParamValueDefault, 1)
			}))),
			encode(t, of(vf, param(paramTypeU64, func(ae *netlink.AttributeEncoder) {
				ae.Uint8(attrParamValueCmode, uint8(Runtime))
				ae.Uint64(attrParamValueData, 1<<40)
			}))),
		}, err
	})
	got, err := c.ParamsOf(context.Background(), pf)
	if err != nil || asked != pf {
		t.Fatalf("asked of %s: %v", asked, err)
	}
	want := map[Device][]Param{
		pf: {
			{Name: "p", Values: map[Cmode]string{DriverInit: "20"}, Defaults: map[Cmode]string{DriverInit: "15"}, kind: paramTypeU32},
			{Name: "p", Values: map[Cmode]string{Permanent: "false"}, Defaults: map[Cmode]string{Permanent: "true"}, kind: paramTypeFlag},
		},
		vf: {{Name: "p", Values: map[Cmode]string{Runtime: "1099511627776"}, kind: paramTypeU64}},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(Param{})); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestCanonicalParam(t *testing.T) {
	for _, c := range []struct{ kind, value, want string }{
		{"u32", "0x10", "16"},
		{"u8", "255", "255"},
		{"u8", "256", ""},
		{"u16", "true", ""},
		{"u64", "18446744073709551615", "18446744073709551615"},
		{"bool", "true", "true"},
		{"bool", "1", ""},
		{"string", "smfs", "smfs"},
	} {
		got, err := CanonicalParam(c.kind, c.value)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%s %q: %q, %v", c.kind, c.value, got, err)
		}
	}
}

func TestReload(t *testing.T) {
	sent := map[uint16][]byte{}
	c := client(t, func(greq genetlink.Message, nreq netlink.Message) ([]genetlink.Message, error) {
		if greq.Header.Command != cmdReload || nreq.Header.Flags&netlink.Acknowledge == 0 {
			t.Errorf("asked with command %d, flags %v", greq.Header.Command, nreq.Header.Flags)
		}
		ad, err := netlink.NewAttributeDecoder(greq.Data)
		if err != nil {
			return nil, err
		}
		for ad.Next() {
			sent[ad.Type()] = ad.Bytes()
		}
		return []genetlink.Message{{}}, ad.Err()
	})
	if err := c.Reload(context.Background(), pf); err != nil {
		t.Fatal(err)
	}
	want := map[uint16][]byte{attrBusName: []byte("pci\x00"), attrDevName: []byte("0000:3b:00.0\x00"), attrReloadAction: {reinit}}
	if d := cmp.Diff(want, sent); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
