// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"slices"

	"nicwright/bond"
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
			"NW105", "a proof that has to be offloaded needs TLS on at its VFs: set tls-hw-tx-offload and tls-hw-rx-offload of vf.offload to true, or leave a direction out",
			"net/tls/tls_device.c, tls_set_device_offload", checkProofSwitches,
		},
		{
			"NW108", "a VF has port function attributes (ipsec_crypto, ipsec_packet) in switchdev only; set eswitch-mode, or leave them out",
			"Documentation/networking/devlink/devlink-port.rst", checkLegacyGrants,
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
			"NW116", "the offload switches of a VF are on its own netdev, which it has while it is bound to mlx5_core only; who has a VF of vfio-pci sets them in the machine",
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
		{
			"NW106", "esp-hw-offload of mlx5 is always on, or not there: it can be required (true) and not be turned off; leave it out",
			"drivers/net/ethernet/mellanox/mlx5/core/en_accel/ipsec.c, mlx5e_ipsec_build_netdev", checkESPOff,
		},
		{
			"NW107", "TLS receive offload is off by default: a proof that has to be offloaded fails unless somebody turns it on; set tls-hw-rx-offload of vf.offload to true",
			"drivers/net/ethernet/mellanox/mlx5/core/en_accel/ktls.c, mlx5e_ktls_build_netdev", checkProofReceive,
		},
		{
			"NW110", "IPsec on a PF and on its VFs exclude each other; leave esp-hw-offload of the PF out, or ipsec_crypto and ipsec_packet of the VFs",
			"drivers/net/ethernet/mellanox/mlx5/core/eswitch.c, mlx5_eswitch_block_ipsec", checkBothESP,
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
			"NW118", "ConnectX-5 and later take no inline-mode but none; leave it out",
			"drivers/net/ethernet/mellanox/mlx5/core/eswitch_offloads.c, mlx5_devlink_eswitch_inline_mode_set", checkInline,
		},
		{
			"NW119", "IPsec in packet mode on an uplink in switchdev takes flow_steering_mode dmfs, and encap-mode none for tunnels; set them, or have crypto offload only",
			"drivers/net/ethernet/mellanox/mlx5/core/en_accel/ipsec_offload.c, mlx5_ipsec_device_caps", checkUplinkPacket,
		},
	}
}

// eachPort goes over all ports of all cards; at is where something of the port was written.
func (p *Profile) eachPort(do func(ref portRef, port *Port, at func(path ...any) Position)) {
	for i := range p.Cards {
		for j := range p.Cards[i].Ports {
			port := &p.Cards[i].Ports[j]
			do(portRef{p.Cards[i].Name, port.Name}, port, func(path ...any) Position {
				return p.At(append([]any{"cards", i, "ports", j}, path...)...)
			})
		}
	}
}

// bondOf is the bond that has a port as its member, with its index, or nil.
func (p *Profile) bondOf(ref portRef) (int, *bond.Spec) {
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
	p.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		if isFalse(port.Offload.ESP) {
			report(at("offload", "esp-hw-offload"), "esp-hw-offload is to be off on %s", ref)
		}
		if isFalse(port.VF.Offload.ESP) {
			report(at("vf", "offload", "esp-hw-offload"), "esp-hw-offload is to be off on the VFs of %s", ref)
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

// switched are the ports of the profile that a bridge reaches: by their uplink,
// their bond, or a VF.
func (p *Profile) switched() map[portRef]string {
	out := map[portRef]string{}
	eachSwitchPort(p, func(sp switchPort) {
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
	p.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		if d := port.VF.Driver; d != nil && *d != "mlx5_core" && port.VF.Offload != (VF{}).Offload {
			report(at("vf", "offload"), "offload switches are set for the VFs of %s, whose driver is to be %s", ref, *d)
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

// proofVF is an end of a pair of VFs between which proofs run.
type proofVF struct {
	pair int
	key  string // from, to
	ref  portRef
	*Port
}

// proofVFs are the named ends of the proofs.
func (p *Profile) proofVFs() []proofVF {
	if p.Verify == nil {
		return nil
	}
	var out []proofVF
	for i, pair := range p.Verify.Pairs {
		for _, end := range [][2]string{{"from", pair.From}, {"to", pair.To}} {
			r, err := parseVFRef(end[1])
			if err != nil {
				continue // NW009
			}
			if port, err := p.find(r.portRef); err == nil {
				out = append(out, proofVF{i, end[0], r.portRef, port.Port})
			}
		}
	}
	return out
}

func checkProofDriver(p *Profile, report report) {
	for _, end := range p.proofVFs() {
		if d := end.VF.Driver; d != nil && *d != "mlx5_core" {
			report(p.At("verify", "pairs", end.pair, end.key), "%s is a VF of %s, whose VFs' driver is to be %s", end.key, end.ref, *d)
		}
	}
}

func checkLegacyGrants(p *Profile, report report) {
	p.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		for name, on := range map[string]*bool{"ipsec_crypto": port.VF.IPsecCrypto, "ipsec_packet": port.VF.IPsecPacket} {
			if isTrue(on) && isSet(port.Mode, "legacy") {
				report(at("vf", name), "%s is wanted for the VFs of %s, whose eswitch-mode is legacy", name, ref)
			}
		}
	})
}

// grants tells whether the profile gives IPsec to the VFs of a port.
func (port *Port) grants() bool { return isTrue(port.VF.IPsecCrypto) || isTrue(port.VF.IPsecPacket) }

func checkBothESP(p *Profile, report report) {
	p.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		if isTrue(port.Offload.ESP) && port.grants() {
			report(at("offload", "esp-hw-offload"), "esp-hw-offload is required of %s, and its VFs have IPsec", ref)
		}
	})
}

func checkUplinkPacket(p *Profile, report report) {
	p.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		if !isTrue(port.Offload.ESP) || !isSet(port.Mode, "switchdev") {
			return
		}
		if port.Steering == nil || *port.Steering != "dmfs" {
			report(at("offload", "esp-hw-offload"), "esp-hw-offload is required of %s, whose flow_steering_mode is %s", ref, orUnset(port.Steering))
		} else if port.EncapMode == nil || *port.EncapMode != "none" {
			report(at("offload", "esp-hw-offload"), "esp-hw-offload is required of %s, whose encap-mode is %s: tunnels will not be offloaded", ref, orUnset(port.EncapMode))
		}
	})
}

// proven goes over the ports between whose VFs TLS has to be offloaded, in the
// directions that are judged: each cell judges one of two VFs.
func (p *Profile) proven(do func(ref portRef, port *Port, tx, rx bool)) {
	if p.Verify == nil || p.Verify.KTLS == nil || !isSet(p.Verify.KTLS.Require, "offloaded") {
		return
	}
	d := p.Verify.KTLS.Directions
	tx, rx := d == nil || slices.Contains(d, "tx"), d == nil || slices.Contains(d, "rx")
	ends := map[portRef]bool{}
	for _, end := range p.proofVFs() {
		ends[end.ref] = true
	}
	p.eachPort(func(ref portRef, port *Port, _ func(...any) Position) {
		if ends[ref] || len(p.Verify.Pairs) == 0 && port.VFs != nil && *port.VFs > 0 {
			do(ref, port, tx, rx)
		}
	})
}

func checkProofSwitches(p *Profile, report report) {
	p.proven(func(ref portRef, port *Port, tx, rx bool) {
		if tx && isFalse(port.VF.Offload.TLSTx) {
			report(p.At("verify", "ktls", "require"), "TLS of VFs of %s has to be offloaded, and their tls-hw-tx-offload is to be off", ref)
		}
		if rx && isFalse(port.VF.Offload.TLSRx) {
			report(p.At("verify", "ktls", "require"), "TLS of VFs of %s has to be offloaded, and their tls-hw-rx-offload is to be off", ref)
		}
	})
}

func checkProofReceive(p *Profile, report report) {
	p.proven(func(ref portRef, port *Port, _, rx bool) {
		if rx && port.VF.Offload.TLSRx == nil {
			report(p.At("verify", "ktls", "require"), "TLS of VFs of %s has to be offloaded, and their tls-hw-rx-offload is not set", ref)
		}
	})
}
