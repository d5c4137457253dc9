// SPDX-License-Identifier: Apache-2.0

package rehearse

import (
	"errors"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/rehearsal"
	"github.com/nicwright/nicwright/provision/baseline"
)

// port are the facts of a PF of a ConnectX-6 Dx.
func port(change ...string) baseline.Facts {
	f := baseline.Facts{
		"vendor": "15b3", "device": "101d", "driver": "mlx5_core", "serial": "MT2034X01234", "sriov.total_vfs": "16",
		"firmware.running.fw.version": "22.39.1002", "firmware.fixed.fw.psid": "MT_0000000436",
	}
	for i := 0; i < len(change); i += 2 {
		f[change[i]] = change[i+1]
	}
	return f
}

func TestTwinOf(t *testing.T) {
	for name, c := range map[string]struct {
		ports map[string]baseline.Facts
		want  rehearsal.Card
		other []string // parts of what is not as on the host, in order
	}{
		"as it is": {
			map[string]baseline.Facts{"0000:5e:00.0": port(), "0000:5e:00.1": port(), "0000:01:00.0": port("vendor", "8086")},
			rehearsal.Card{Cards: 1, Ports: 2, VFs: 16, Bus: 0x5e, Serial: "MT2034X01234", Firmware: "22.39.1002", PSID: "MT_0000000436", Crypto: true},
			nil,
		},
		"one port": {
			map[string]baseline.Facts{"0002:0a:00.0": port()},
			rehearsal.Card{Cards: 1, Ports: 1, VFs: 16, Domain: 2, Bus: 0x0a, Serial: "MT2034X01234", Firmware: "22.39.1002", PSID: "MT_0000000436", Crypto: true},
			nil,
		},
		"another model, another place": {
			map[string]baseline.Facts{"0000:00:03.0": port("device", "1021", "sriov.total_vfs", "200", "serial", "a b", "firmware.running.fw.version", "")},
			rehearsal.Card{Cards: 1, Ports: 1, VFs: 127, Domain: 1, Bus: 0x3b, PSID: "MT_0000000436", Crypto: true},
			[]string{"VFs of a port: 127", "PCI address", "firmware version", "model", "serial number"},
		},
		"three cards": {
			map[string]baseline.Facts{"0000:5e:00.0": port(), "0000:86:00.0": port(), "0000:d8:00.0": port()},
			rehearsal.Card{Cards: 2, Ports: 1, VFs: 16, Bus: 0x5e, Serial: "MT2034X01234", Firmware: "22.39.1002", PSID: "MT_0000000436", Crypto: true},
			[]string{"1 card more", "address of another card: it is 0000:5f:00", "serial number of another card"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := TwinOf(c.ports)
			if err != nil {
				t.Fatal(err)
			}
			if got.Card != c.want {
				t.Errorf("card %+v,\nwant %+v", got.Card, c.want)
			}
			if len(got.Other) != len(c.other) {
				t.Fatalf("not as on the host: %q", got.Other)
			}
			for i, part := range c.other {
				if !strings.Contains(got.Other[i], part) {
					t.Errorf("%q does not say %q", got.Other[i], part)
				}
			}
		})
	}
	if _, err := TwinOf(map[string]baseline.Facts{"0000:01:00.0": port("vendor", "8086")}); !errors.Is(err, ErrNoCard) {
		t.Errorf("a host without a card: %v", err)
	}
}

func FuzzTwinOf(f *testing.F) {
	f.Add("0000:5e:00.0", "15b3", "16", "MT1", "22.39.1002")
	f.Add("auxiliary.", "15b3", "-1", "", "")
	f.Fuzz(func(t *testing.T, address, vendor, vfs, serial, firmware string) {
		got, err := TwinOf(map[string]baseline.Facts{address: {"vendor": vendor, "sriov.total_vfs": vfs, "serial": serial, "firmware.running.fw": firmware}})
		if err != nil {
			return
		}
		if got.Ports < 0 || got.Ports > mostPorts || got.VFs < 0 || got.VFs > mostVFs || got.Bus <= 0 || got.Bus > 0xff || strings.ContainsAny(got.Serial+got.Firmware, " =\n\"") {
			t.Errorf("%+v", got.Card)
		}
	})
}

func TestParseCard(t *testing.T) {
	got, err := ParseCard("ports=1,vfs=0")
	if err != nil || got.Ports != 1 || got.VFs != 0 || got.Cards != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, wrong := range []string{"", "ports=3", "vfs=128", "ports", "cards=0", "serial=1", "vfs=x"} {
		if _, err := ParseCard(wrong); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
}
