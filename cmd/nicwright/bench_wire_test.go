// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/report"
)

// Where the server is, and as whom, flags say, else the profile; who says neither is asked.
func TestBenchOverTheWireIsPlaced(t *testing.T) {
	want := &profiles.Want{
		Verify: &profiles.VerifySpec{Peers: []profiles.PeerSpec{
			{VF: "pci/0000:3b:00.0/vf/2", Address: "192.0.2.10/24", Peer: "192.0.2.20:4711"},
			{VF: "pci/0000:3b:00.1/vf/3", Address: "2001:db8::10/64", Peer: "[2001:db8::20]:4711"},
		}},
		Bench: &profiles.BenchSpec{Between: []string{"pci/0000:3b:00.0/vf/4", "pci/0000:3b:00.0/vf/5"}},
	}
	for _, c := range []struct{ args, vf, as, at, refused string }{
		{args: "--peer 192.0.2.20", vf: "pci/0000:3b:00.0/vf/2", as: "192.0.2.10/24", at: "192.0.2.20:4711"},
		{args: "--peer 192.0.2.20:99 --address 192.0.2.11/24", vf: "pci/0000:3b:00.0/vf/2", as: "192.0.2.11/24", at: "192.0.2.20:99"},
		{args: "--peer [2001:db8::20]:99", vf: "pci/0000:3b:00.1/vf/3", as: "2001:db8::10/64", at: "[2001:db8::20]:99"},
		{args: "--peer 192.0.2.20 --between pci/0000:3b:00.0/vf/7 --address 192.0.2.9/24", vf: "pci/0000:3b:00.0/vf/7", as: "192.0.2.9/24", at: "192.0.2.20:4711"},
		{args: "--peer 192.0.2.99 --address 192.0.2.9/24", vf: "pci/0000:3b:00.0/vf/4", as: "192.0.2.9/24", at: "192.0.2.99:4711"},
		{args: "--peer 192.0.2.20 --between pci/0000:3b:00.0/vf/7", refused: "which address pci/0000:3b:00.0/vf/7 is to have"},
		{args: "--peer 192.0.2.20 --address 198.51.100.1/24", refused: "not another address of the network 198.51.100.0/24"},
		{args: "--peer 192.0.2.20 --address 192.0.2.9/24 --between eth0", refused: "--between"},
	} {
		var f httpsFlags
		parsed(t, f.command(nil), c.args)
		f.want = func(context.Context, *provision.Road) (*profiles.Want, error) { return want, nil }
		err := f.read()
		if err == nil {
			err = f.placeWire(t.Context(), nil, report.Host{})
		}
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s: %v, want %q", c.args, err, c.refused)
			}
			continue
		}
		if p := f.wire.of(); err != nil || f.server.String() != c.vf || p.As.String() != c.as || p.At.String() != c.at || f.header.Path != "wire" {
			t.Errorf("%s: %s, %+v, %v", c.args, f.server, p, err)
		}
	}
	var f httpsFlags
	parsed(t, f.command(nil), "--peer 192.0.2.20 --address 192.0.2.9/24")
	f.want = func(context.Context, *provision.Road) (*profiles.Want, error) { return &profiles.Want{}, nil }
	if err := f.read(); err != nil {
		t.Fatal(err)
	}
	if err := f.placeWire(t.Context(), nil, report.Host{}); err == nil || !strings.Contains(err.Error(), "which VF is the server's") {
		t.Errorf("%v", err)
	}
}
