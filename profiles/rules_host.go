// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"maps"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/probe"
)

// hostRules are what is known of the hardware and the drivers that only a look at
// the host can tell.
func hostRules() []Rule {
	var out []Rule
	add := func(id string, severity Severity, sentence, source string, check func(*subject, report)) {
		out = append(out, Rule{ID: id, Severity: severity, Sentence: sentence, Source: source, Host: true, check: check})
	}
	add("NW151", Fatal, "a port has no more VFs than its device offers; lower vfs, or raise the firmware's number (mstconfig, SRIOV_EN and NUM_OF_VFS; it takes a reset of the card)",
		"Documentation/PCI/pci-iov-howto.rst, sriov_totalvfs", checkTotalVFs)
	add("NW153", Fatal, "TLS needs an mlx5_core built with MLX5_EN_TLS, which Debian's is not; leave it out, or use such a kernel",
		"drivers/net/ethernet/mellanox/mlx5/core/Kconfig, MLX5_EN_TLS", checkDriverTLS)
	add("NW154", Fatal, "IPsec needs an mlx5_core built with MLX5_EN_IPSEC, which Debian's is not; leave it out, or use such a kernel",
		"drivers/net/ethernet/mellanox/mlx5/core/Kconfig, MLX5_EN_IPSEC", checkDriverIPsec)
	add("NW155", Fatal, "flows in the card need an mlx5_core built with MLX5_CLS_ACT, which needs NET_TC_SKB_EXT, and Debian's kernels have neither; leave hw-offload and hw-tc-offload out, or use such a kernel",
		"drivers/net/ethernet/mellanox/mlx5/core/Kconfig, MLX5_CLS_ACT", checkDriverTC)
	add("NW158", Fatal, "the eswitch's mode cannot be changed while the PF has IPsec states; remove them first (ip xfrm state)",
		"drivers/net/ethernet/mellanox/mlx5/core/eswitch_offloads.c, mlx5_devlink_eswitch_mode_set", checkModeStates)
	add("NW159", Fatal, "a VF LAG is over ports in switchdev, and a port whose eswitch-mode is not set stays as it is; set it",
		"drivers/net/ethernet/mellanox/mlx5/core/lag/lag.c, mlx5_lag_check_prereq", checkLAGHost)
	add("NW160", Fatal, "IPsec in packet mode on a PF and flows of Open vSwitch in the card on its uplink exclude each other; remove the states (ip xfrm state), or leave hw-offload out",
		"drivers/net/ethernet/mellanox/mlx5/core/en_tc.c, mlx5e_tc_block_ipsec_offload", checkPacketFlows)
	add("NW161", Fatal, "a switch that the driver has fixed the other way cannot be set; leave it out, or put it where the card offers it",
		"net/core/dev.c, __netdev_update_features", checkFixed)
	add("NW164", Fatal, "IPsec on a PF and on its VFs exclude each other: the kernel answers EBUSY; remove the states of the PF (ip xfrm state), or leave ipsec_crypto and ipsec_packet out",
		"drivers/net/ethernet/mellanox/mlx5/core/eswitch.c, mlx5_eswitch_block_ipsec", checkVFIPsecStates)
	add("NW165", Fatal, "rings, channels and MTU are no more than the kernel says that the netdev takes (ethtool -g, -l; ip -d link show); lower them",
		"net/ethtool/rings.c, ethnl_set_rings; net/core/dev.c, dev_validate_mtu", checkMost)
	add("NW170", Warning, "turning hw-offload of Open vSwitch off takes a restart of ovs-vswitchd; until then it goes on offloading",
		"ovs-vswitchd.conf.db(5), other_config:hw-offload", checkOffloadOff)
	add("NW171", Warning, "tc-policy skip_sw breaks connection tracking in the card, and is read only when hw-offload is first turned on; leave it unset",
		"ovs-vswitchd.conf.db(5), other_config:tc-policy", checkTCPolicy)
	add("NW172", Warning, "the card makes no VF LAG of a bond of Open vSwitch; take a kernel bond, and put that into the bridge",
		"drivers/net/ethernet/mellanox/mlx5/core/lag/lag.c, mlx5_handle_changeupper_event", checkOVSBond)
	add("NW173", Warning, "with IPv6 addresses on bonded PFs, Open vSwitch misses the ingress block that they share after a boot; remove the addresses",
		"Open vSwitch, reports of users", checkBondedIPv6)
	add("NW174", Warning, "the kernel drops TLS offload without checksum offload; turn that on (ethtool -K NETDEV tx on rx on)",
		"net/core/dev.c, netdev_fix_features", checkChecksum)
	add("NW175", Warning, "kernels 6.5 to 6.9 lose the mark of packets that the card has to encrypt, so that TLS may be sent by the CPU; use another kernel",
		"net/core/skbuff.c, skb->decrypted; fixed in 6.10", checkLostMark)
	add("NW176", Warning, "what nothing on the host tells may be refused by the kernel: mainline of this version does not have it, and a vendor's may",
		"RHEL 9's 5.14 has the mlx5_core of Linux 6.6", checkUntold)
	add("NW177", Warning, "an address is on one netdev of the host: two answer for it, and the kernel chooses one of them; take it away there (ip address del)",
		"net/ipv4/arp.c, arp_process", checkAddressesElsewhere)
	for _, n := range needs() {
		out = append(out, n.rule())
	}
	slices.SortFunc(out, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func checkTotalVFs(s *subject, report report) {
	s.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		total := s.info(ref).TotalVFs
		switch {
		case port.VFs == nil || total == nil || *port.VFs <= *total:
		case *total == 0:
			report(at("vfs"), "%d VFs on %s, whose device (%s) offers none: SR-IOV is off in its firmware, or it has none", *port.VFs, ref, s.ports[ref].Address)
		default:
			report(at("vfs"), "%d VFs on %s, whose device (%s) offers %d", *port.VFs, ref, s.ports[ref].Address, *total)
		}
	})
}

// switches are offload switches that the profile sets for a PF, or for VFs of it
// that are alike.
type switches struct {
	crypto.Spec
	ref  portRef
	port *Port
	vfs  *group // nil for the PF
	at   func(feature string) Position
}

func (w switches) String() string {
	if w.vfs != nil {
		return w.vfs.String()
	}
	return w.ref.String()
}

// has tells whether they are those of a function of the port.
func (w switches) has(f pci.Function) bool {
	if w.vfs == nil || !f.IsVF() {
		return (w.vfs == nil) == !f.IsVF()
	}
	other := func(r Range) bool {
		first, last, err := r.bounds()
		return err == nil && first <= f.VF && f.VF <= last
	}
	return w.vfs.has(f.VF) && (w.vfs.name != "" || !slices.ContainsFunc(w.port.VFList.Ranges, other))
}

// eachSwitch goes over the offload switches that the profile sets for PFs and VFs.
func (s *subject) eachSwitch(do func(switches)) {
	s.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		do(switches{port.Offload, ref, port, nil, func(f string) Position { return at("offload", f) }})
	})
	s.eachGroup(func(ref portRef, g group) {
		do(switches{g.spec.Offload, ref, g.port, &g, func(f string) Position { return g.at("offload", f) }})
	})
}

// driverHas reports switches that are to be on and that the driver has not got.
func (s *subject) driverHas(report report, has probe.Fact, features func(crypto.Spec) map[string]*bool) {
	report = once(report)
	s.eachSwitch(func(w switches) {
		for name, on := range features(w.Spec) {
			if isTrue(on) && has.Ask().Denied() {
				report(w.at(name), "%s is wanted on %s, and %s", name, w, has.Ask().Source)
			}
		}
	})
}

func checkDriverTLS(s *subject, report report) {
	s.driverHas(report, s.facts.DriverTLS, func(o crypto.Spec) map[string]*bool {
		return map[string]*bool{"tls-hw-tx-offload": o.TLSTx, "tls-hw-rx-offload": o.TLSRx}
	})
}

func checkDriverIPsec(s *subject, report report) {
	s.driverHas(report, s.facts.DriverIPsec, func(o crypto.Spec) map[string]*bool {
		return map[string]*bool{"esp-hw-offload": o.ESP, "tx-esp-segmentation": o.ESPTxSeg}
	})
}

func checkDriverTC(s *subject, report report) {
	s.driverHas(report, s.facts.DriverTC, func(o crypto.Spec) map[string]*bool { return map[string]*bool{"hw-tc-offload": o.TC} })
	if s.offloadsFlows() && s.facts.DriverTC.Ask().Denied() {
		report(s.At("ovs", "hw-offload"), "hw-offload is wanted, and %s", s.facts.DriverTC.Ask().Source)
	}
}

func checkModeStates(s *subject, report report) {
	s.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		info := s.info(ref)
		if port.Mode != nil && info.Mode != "" && *port.Mode != info.Mode && info.States > 0 {
			report(at("eswitch-mode"), "eswitch-mode of %s is to be %s and is %s, and %d IPsec states are on it", ref, *port.Mode, info.Mode, info.States)
		}
	})
}

func checkLAGHost(s *subject, report report) {
	for i, b := range s.Bonds {
		if !isTrue(b.LAG) {
			continue
		}
		for _, m := range b.Members {
			ref, err := parsePortRef(m)
			if err != nil {
				continue
			}
			port, err := s.find(ref)
			if err == nil && port.Mode == nil && s.info(ref).Mode != "" && s.info(ref).Mode != "switchdev" {
				report(s.At("bonds", i, "lag"), "lag over %s, whose eswitch-mode is not set and is %s", ref, s.info(ref).Mode)
			}
		}
	}
}

func checkPacketFlows(s *subject, report report) {
	if !s.offloadsFlows() {
		return
	}
	for ref, bridge := range s.switched() {
		if n := s.info(ref).Packet; n > 0 {
			report(s.At("ovs", "hw-offload"), "%s is below %s, and %d IPsec states in packet mode are on it", ref, bridge, n)
		}
	}
}

// checkFixed looks at netdevs that stay: those of a port whose mode stays, and
// of VFs whose number stays. Whether a new netdev has it, only that can tell.
func checkFixed(s *subject, report report) {
	report = once(report)
	s.eachSwitch(func(w switches) {
		info := s.ports[w.ref]
		if s.after(w.ref, w.port) != s.info(w.ref).Mode || w.vfs != nil && w.port.VFs != nil && *w.port.VFs != info.NumVFs {
			return
		}
		functions := []pci.Function{pci.PF(info.Address)}
		for n := range info.NumVFs {
			functions = append(functions, pci.VF(info.Address, n))
		}
		for name, want := range map[string]*bool{
			"tls-hw-tx-offload": w.TLSTx, "tls-hw-rx-offload": w.TLSRx, "esp-hw-offload": w.ESP,
			"tx-esp-segmentation": w.ESPTxSeg, "hw-tc-offload": w.TC,
		} {
			i := slices.IndexFunc(functions, func(f pci.Function) bool {
				on, fixed := s.facts.Functions[f].Fixed[name]
				return want != nil && w.has(f) && fixed && on != *want
			})
			if i >= 0 {
				report(w.at(name), "%s is to be %s on %s, and is fixed %s on %s", name, onOff(*want), w, onOff(!*want), functions[i])
			}
		}
	})
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func checkOffloadOff(s *subject, report report) {
	if s.OVS != nil && isFalse(s.OVS.HWOffload) && s.facts.Switch.HWOffload {
		report(s.At("ovs", "hw-offload"), "hw-offload is to be off, and is on")
	}
}

func checkTCPolicy(s *subject, report report) {
	if s.offloadsFlows() && s.facts.Switch.TCPolicy == "skip_sw" {
		report(s.At("ovs", "hw-offload"), "hw-offload is wanted, and tc-policy is skip_sw")
	}
}

func checkOVSBond(s *subject, report report) {
	for name, functions := range s.facts.Switch.Bonds {
		for ref, info := range s.ports {
			if !slices.Contains(functions, pci.PF(info.Address)) {
				continue
			}
			at := s.At("ovs")
			if i, b := s.bondOf(ref); b != nil {
				at = s.At("bonds", i, "members")
			}
			report(at, "%s (%s) is in %s, which is a bond of Open vSwitch", ref, info.Address, name)
		}
	}
}

func checkBondedIPv6(s *subject, report report) {
	for i, b := range s.Bonds {
		for j, m := range b.Members {
			ref, err := parsePortRef(m)
			if err != nil || !s.offloadsFlows() {
				continue
			}
			if found := s.info(ref).IPv6; len(found) > 0 {
				report(s.At("bonds", i, "members", j), "%s, a member of %s, has %s", ref, b.Name, strings.Join(found, " and "))
			}
		}
	}
}

func checkChecksum(s *subject, report report) {
	report = once(report)
	s.eachSwitch(func(w switches) {
		for _, f := range slices.SortedFunc(maps.Keys(s.facts.Functions), func(a, b pci.Function) int { return a.VF - b.VF }) {
			facts := s.facts.Functions[f]
			if f.PF != s.ports[w.ref].Address || !w.has(f) {
				continue
			}
			if isTrue(w.TLSTx) && facts.NoTxChecksum {
				report(w.at("tls-hw-tx-offload"), "tls-hw-tx-offload is wanted on %s, and transmit checksum offload is off on %s", w, f)
			}
			if isTrue(w.TLSRx) && facts.NoRxChecksum {
				report(w.at("tls-hw-rx-offload"), "tls-hw-rx-offload is wanted on %s, and receive checksum offload is off on %s", w, f)
			}
		}
	})
}

func checkLostMark(s *subject, report report) {
	report = once(report)
	if k := s.facts.Kernel; k.Before(6, 5) || !k.Before(6, 10) {
		return
	}
	s.eachSwitch(func(w switches) {
		if isTrue(w.TLSTx) {
			report(w.at("tls-hw-tx-offload"), "tls-hw-tx-offload is wanted on %s, and the kernel is %s", w, s.facts.Kernel)
		}
	})
}
