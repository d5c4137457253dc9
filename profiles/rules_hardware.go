// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"slices"
)

// hardwareRules are what is known of the hardware and the drivers, beside
// those in fatalRules.
func hardwareRules() []rule {
	return []rule{
		{
			"NW104", "a bond hands IPsec to the card only in mode active-backup; use IPsec on the VFs, or change the mode",
			"drivers/net/bonding/bond_main.c, bond_ipsec_dev", checkBondESP,
		},
		{
			"NW105", "a proof that has to be offloaded needs TLS on at its VFs: tls-hw-tx-offload and tls-hw-rx-offload of vf.offload cannot be false",
			"drivers/net/ethernet/mellanox/mlx5/core/en_accel/ktls.c, mlx5e_ktls_build_netdev", checkProofSwitches,
		},
		{
			"NW106", "no mainline kernel up to 7.3 offloads TLS 1.3, and mlx5 none but AES-GCM; require offloaded of TLS 1.2 with AES-GCM",
			"net/tls/tls_device.c; drivers/net/ethernet/mellanox/mlx5/core/en_accel/ktls.h, mlx5e_ktls_type_check", checkNeverOffloaded,
		},
		{
			"NW107", "in switchdev a VF has IPsec in the card only by its port function attribute; set ipsec_crypto (and ipsec_packet) of vf to true",
			"drivers/net/ethernet/mellanox/mlx5/core/esw/ipsec.c", checkVFIPsec,
		},
		{
			"NW111", "a VF LAG is of a bond in mode active-backup, 802.3ad or balance-xor",
			"drivers/net/ethernet/mellanox/mlx5/core/lag/lag.c, mlx5_lag_check_prereq", checkLAGMode,
		},
		{
			"NW113", "Open vSwitch offloads through TC: with hw-offload, hw-tc-offload of the ports below it cannot be false",
			"lib/netdev-offload-tc.c of Open vSwitch; net/core/dev.c, NETIF_F_HW_TC", checkTC,
		},
		{
			"NW116", "the offload switches of a VF, its MTU and what else its netdev is told are on that netdev, which it has while it is bound to mlx5_core only; who has a VF of vfio-pci sets them in the machine",
			"drivers/net/ethernet/mellanox/mlx5/core/en_main.c, mlx5e_probe", checkVFOffloadDriver,
		},
		{
			"NW117", "the VFs of a proof are bound to mlx5_core, for they have to have netdevs here",
			"", checkProofDriver,
		},
	}
}

// warningRules break nothing by themselves.
func warningRules() []rule {
	return []rule{
		{"NW031", "a gateway is in the network of an address of the same netdev: the kernel refuses others as unreachable, unless the host has such an address besides", "net/ipv4/fib_semantics.c, fib_check_nh", checkGateways},
		{
			"NW103", "esp-hw-offload of mlx5 is always on, or not there: it can be required (true) and not be turned off; leave it out",
			"drivers/net/ethernet/mellanox/mlx5/core/en_accel/ipsec.c, mlx5e_ipsec_build_netdev", checkESPOff,
		},
		{
			"NW112", "mode 802.3ad has no ARP monitor: without miimon nobody sees a link that is down; set miimon, to 100 for example",
			"Documentation/networking/bonding.rst, arp_interval", checkMiimon,
		},
		{
			"NW114", "Open vSwitch puts flows into the card in switchdev only: those of a port in legacy mode stay in software",
			"lib/netdev-offload-tc.c of Open vSwitch", checkLegacyFlows,
		},
		{
			"NW115", "uplinks of one card that are ports of a bridge each make a loop and no VF LAG; put them into a kernel bond, and the bond into the bridge",
			"drivers/net/ethernet/mellanox/mlx5/core/lag/lag.c, mlx5_handle_changeupper_event", checkUplinksBridged,
		},
		{
			"NW109", "a proof that has to be offloaded needs TLS receive on at its VFs, which is off by default; set tls-hw-rx-offload of vf.offload to true",
			"drivers/net/ethernet/mellanox/mlx5/core/en_accel/ktls.c, mlx5e_ktls_build_netdev", checkProofReceive,
		},
		{
			"NW110", "IPsec in packet mode on a PF in switchdev takes flow_steering_mode dmfs and, for tunnels, encap-mode none, both set before switchdev; set them, or use crypto mode",
			"drivers/net/ethernet/mellanox/mlx5/core/en_accel/ipsec_offload.c, mlx5_ipsec_device_caps", checkPacketOnPF,
		},
		{
			"NW120", "what a VF sends and its port or its representor does not take is dropped; give those at least the mtu of the VF's netdev",
			"drivers/net/ethernet/mellanox/mlx5/core/en_main.c, mlx5e_set_mtu", checkVFMTU,
		},
		{
			"NW121", "the rate of a VF is one thing in the card, and max_tx_rate and, with hw-offload, ingress_policing_rate of its port both set it: the one that is set last holds; write one of them",
			"drivers/net/ethernet/mellanox/mlx5/core/esw/qos.c, mlx5_esw_qos_modify_vport_rate", checkTwoRates,
		},
		{
			"NW118", "ConnectX-5 and later take no inline-mode but none; leave it out",
			"drivers/net/ethernet/mellanox/mlx5/core/eswitch_offloads.c, mlx5_devlink_eswitch_inline_mode_set", checkInline,
		},
	}
}

// eachPort goes over all ports of all cards; at is where something of the port was written.
func (p *Profile) eachPort(do func(ref portRef, port *Port, at func(path ...any) Position)) {
	p.eachPortNode(func(ref portRef, port *Port, at func(...any) Position, _ func(...any) bool) { do(ref, port, at) })
}

// eachPortNode is eachPort; written tells whether something of the port was written.
func (p *Profile) eachPortNode(do func(ref portRef, port *Port, at func(path ...any) Position, written func(path ...any) bool)) {
	for i := range p.Cards {
		for j := range p.Cards[i].Ports {
			port := &p.Cards[i].Ports[j]
			in := func(path []any) []any { return append([]any{"cards", i, "ports", j}, path...) }
			do(portRef{p.Cards[i].Name, port.Name}, port,
				func(path ...any) Position { return p.At(in(path)...) },
				func(path ...any) bool { _, found := p.lookup(in(path)); return found })
		}
	}
}

// bondOf is the bond that has a port as its member, with its index, or nil.
func (p *Profile) bondOf(ref portRef) (int, *Bond) {
	for i := range p.Bonds {
		if slices.Contains(p.Bonds[i].Members, ref.String()) {
			return i, &p.Bonds[i]
		}
	}
	return 0, nil
}

func isTrue(b *bool) bool  { return b != nil && *b }
func isFalse(b *bool) bool { return b != nil && !*b }

func checkESPOff(p *Profile, report report) {
	report = once(report)
	p.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		if isFalse(port.Offload.ESP) {
			report(at("offload", "esp-hw-offload"), "esp-hw-offload is to be off on %s", ref)
		}
	})
	p.eachGroup(func(_ portRef, g group) {
		if isFalse(g.spec.Offload.ESP) {
			report(g.at("offload", "esp-hw-offload"), "esp-hw-offload is to be off on %s", g)
		}
	})
}

func checkBondESP(p *Profile, report report) {
	p.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		if _, b := p.bondOf(ref); isTrue(port.Offload.ESP) && b != nil && b.Mode != nil && *b.Mode != "active-backup" {
			report(at("offload", "esp-hw-offload"), "esp-hw-offload is required of %s, which is in %s, whose mode is %s", ref, b.Name, *b.Mode)
		}
	})
}

func checkLAGMode(p *Profile, report report) {
	for i, b := range p.Bonds {
		if isTrue(b.LAG) && b.Mode != nil && !slices.Contains([]string{"active-backup", "802.3ad", "balance-xor"}, *b.Mode) {
			report(p.At("bonds", i, "mode"), "lag is wanted of %s, whose mode is %s", b.Name, *b.Mode)
		}
	}
}

func checkMiimon(p *Profile, report report) {
	for i, b := range p.Bonds {
		if isSet(b.Mode, "802.3ad") && b.Miimon != nil && *b.Miimon == 0 {
			report(p.At("bonds", i, "miimon"), "miimon of %s is 0, and its mode is 802.3ad", b.Name)
		}
	}
}

// switched are the ports of the profile that a bridge of Open vSwitch reaches: by their uplink,
// their bond, or a VF.
func (p *Profile) switched() map[portRef]string {
	out := map[portRef]string{}
	eachSwitchPort(p, func(sp switchPort) {
		if sp.kernel != nil {
			return
		}
		var refs []string
		for _, b := range p.Bonds {
			if sp.Bond != "" && b.Name == sp.Bond {
				refs = b.Members
			}
		}
		if sp.Uplink != "" {
			refs = append(refs, sp.Uplink)
		}
		if r, err := parseVFRef(sp.VF); err == nil {
			refs = append(refs, r.portRef.String())
		}
		for _, s := range refs {
			if ref, err := parsePortRef(s); err == nil && out[ref] == "" {
				out[ref] = sp.bridge
			}
		}
	})
	return out
}

func (p *Profile) offloadsFlows() bool { return p.OVS != nil && isTrue(p.OVS.HWOffload) }

func checkTC(p *Profile, report report) {
	if !p.offloadsFlows() {
		return
	}
	under := p.switched()
	p.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		if bridge := under[ref]; bridge != "" && isFalse(port.Offload.TC) {
			report(at("offload", "hw-tc-offload"), "hw-tc-offload is to be off on %s, which is below %s, whose flows are to be offloaded", ref, bridge)
		}
	})
}

func checkLegacyFlows(p *Profile, report report) {
	if !p.offloadsFlows() {
		return
	}
	under := p.switched()
	p.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		if bridge := under[ref]; bridge != "" && isSet(port.Mode, "legacy") {
			report(at("eswitch-mode"), "%s is below %s, whose flows are to be offloaded, and its eswitch-mode is legacy", ref, bridge)
		}
	})
}

func checkUplinksBridged(p *Profile, report report) {
	first := map[string]string{} // by bridge and card
	eachSwitchPort(p, func(sp switchPort) {
		ref, err := parsePortRef(sp.Uplink)
		if sp.Uplink == "" || err != nil {
			return
		}
		key := sp.bridge + "/" + ref.card
		if before := first[key]; before != "" && before != sp.Uplink {
			report(sp.at("uplink"), "%s and %s are ports of %s", before, sp.Uplink, sp.bridge)
			return
		}
		first[key] = sp.Uplink
	})
}

func checkVFOffloadDriver(p *Profile, report report) {
	report = once(report)
	p.eachGroup(func(_ portRef, g group) {
		if d := g.spec.Driver; d != nil && *d != driverWithNetdev && !g.spec.Offload.IsZero() {
			report(g.at("offload"), "offload switches are set for %s, whose driver is to be %s", g, *d)
		}
	})
	p.eachTold(func(t told) {
		if t.group == nil || t.group.spec.Driver == nil || *t.group.spec.Driver == driverWithNetdev {
			return
		}
		for _, name := range t.sorted() {
			report(t.at(name), "%s is set for %s, whose driver is to be %s", name, t.of, *t.group.spec.Driver)
		}
	})
}

func checkInline(p *Profile, report report) {
	p.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		if port.InlineMode != nil && *port.InlineMode != "none" {
			report(at("inline-mode"), "inline-mode of %s is to be %s", ref, *port.InlineMode)
		}
	})
}
