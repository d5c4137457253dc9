// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"slices"
	"strings"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
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
			"NW118", "ConnectX-5 and later take no inline-mode but none; leave it out",
			"drivers/net/ethernet/mellanox/mlx5/core/eswitch_offloads.c, mlx5_devlink_eswitch_inline_mode_set", checkInline,
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

// proofEnd is a VF that the profile names for a proof, at verify.LIST[i].KEY.
type proofEnd struct {
	place
	ref  portRef
	list string
	i    int
	key  string
}

// proofVFs are the VFs of pairs and peers.
func (p *Profile) proofVFs() []proofEnd {
	if p.Verify == nil {
		return nil
	}
	var ends []proofEnd
	add := func(vf, list string, i int, key string) {
		r, err := parseVFRef(vf)
		if err != nil {
			return // NW009
		}
		if at, err := p.find(r.portRef); err == nil {
			ends = append(ends, proofEnd{at, r.portRef, list, i, key})
		}
	}
	for i, pair := range p.Verify.Pairs {
		add(pair.From, "pairs", i, "from")
		add(pair.To, "pairs", i, "to")
	}
	for i, peer := range p.Verify.Peers {
		add(peer.VF, "peers", i, "vf")
	}
	return ends
}

func checkProofDriver(p *Profile, report report) {
	for _, end := range p.proofVFs() {
		if d := end.VF.Driver; d != nil && *d != "mlx5_core" {
			report(p.At("verify", end.list, end.i, end.key), "%s is a VF of %s, whose VFs' driver is to be %s", end.key, end.ref, *d)
		}
	}
}

// checkProofSwitches holds the proof that is to be offloaded against the switches
// of its VFs.
func checkProofSwitches(p *Profile, report report) {
	p.proofSwitches(report, func(directions []string, o crypto.Spec) string { return switchesOff(directions, o.TLSTx, o.TLSRx) })
}

// checkProofReceive: what is left alone may be on at the host, and hardly is.
func checkProofReceive(p *Profile, report report) {
	p.proofSwitches(report, func(directions []string, o crypto.Spec) string {
		if slices.Contains(directions, crypto.Rx) && o.TLSRx == nil {
			return "its tls-hw-rx-offload is not set, and off by default"
		}
		return ""
	})
}

// proofSwitches asks of each VF of a proof that is to be offloaded: the one that
// sends transmits, the other receives. Where no pair is named any VFs can be
// taken.
func (p *Profile) proofSwitches(report report, unmet func(directions []string, o crypto.Spec) string) {
	if p.Verify == nil || p.Verify.KTLS == nil || !isSet(p.Verify.KTLS.Require, "offloaded") {
		return
	}
	directions := p.Verify.KTLS.Directions
	if directions == nil {
		directions = crypto.Directions
	}
	check := func(ref portRef, o crypto.Spec, directions []string) {
		if why := unmet(directions, o); why != "" {
			report(p.At("verify", "ktls", "require"), "TLS of a VF of %s has to be offloaded, and %s", ref, why)
		}
	}
	if len(p.Verify.Pairs) == 0 {
		p.eachPort(func(ref portRef, port *Port, _ func(...any) Position) {
			if port.VFs == nil || *port.VFs > 0 {
				check(ref, port.VF.Offload, directions)
			}
		})
		return
	}
	for _, end := range p.proofVFs() {
		does := map[string][]string{"from": {crypto.Tx}, "to": {crypto.Rx}, "vf": crypto.Directions}[end.key]
		does = slices.DeleteFunc(slices.Clone(does), func(d string) bool { return !slices.Contains(directions, d) })
		if len(does) > 0 {
			check(end.ref, end.VF.Offload, does)
		}
	}
}

// switchesOff says which of the switches that these directions need the profile
// turns off, "" if none.
func switchesOff(directions []string, tx, rx *bool) string {
	var why []string
	if slices.Contains(directions, crypto.Tx) && isFalse(tx) {
		why = append(why, "its tls-hw-tx-offload is to be off")
	}
	if slices.Contains(directions, crypto.Rx) && isFalse(rx) {
		why = append(why, "its tls-hw-rx-offload is to be off")
	}
	return strings.Join(why, ", and ")
}
