// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"slices"
	"strings"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/internal/pci"
)

// hostRules are what is known of the hardware and the drivers that only a look at
// the host can tell.
func hostRules() []Rule {
	var out []Rule
	add := func(id string, severity Severity, sentence, source string, check func(*subject, report)) {
		out = append(out, Rule{ID: id, Severity: severity, Sentence: sentence, Source: source, Host: true, check: check})
	}
	add("NW151", Fatal, "a port has no more VFs than its device offers; lower vfs, or raise the firmware's number (mstconfig, NUM_OF_VFS)",
		"Documentation/PCI/pci-iov-howto.rst, sriov_totalvfs", checkTotalVFs)
	add("NW152", Fatal, "kernels before 5.9 refuse switchdev for a port without VFs; give it one, or use a newer kernel",
		"drivers/net/ethernet/mellanox/mlx5/core/eswitch_offloads.c, esw_offloads_start", checkOldSwitchdev)
	add("NW153", Fatal, "TLS needs an mlx5_core built with MLX5_EN_TLS, which Debian's is not; leave it out, or use such a kernel",
		"drivers/net/ethernet/mellanox/mlx5/core/Kconfig, MLX5_EN_TLS", checkDriverTLS)
	add("NW154", Fatal, "IPsec needs an mlx5_core built with MLX5_EN_IPSEC, which Debian's is not; leave it out, or use such a kernel",
		"drivers/net/ethernet/mellanox/mlx5/core/Kconfig, MLX5_EN_IPSEC", checkDriverIPsec)
	add("NW155", Fatal, "flows in the card need an mlx5_core built with MLX5_CLS_ACT, which needs NET_TC_SKB_EXT, and Debian's kernels have neither; leave hw-offload and hw-tc-offload out, or use such a kernel",
		"drivers/net/ethernet/mellanox/mlx5/core/Kconfig, MLX5_CLS_ACT", checkDriverTC)
	add("NW156", Fatal, "the kernel gives the card ciphers of TLS by its version: AES-GCM, with 256 bits from 6.1 on",
		"drivers/net/ethernet/mellanox/mlx5/core/en_accel/ktls.h, mlx5e_ktls_type_check", checkKernelCipher)
	add("NW157", Fatal, "kernels before 6.0 do not show the card's LAG, so that apply would wait for it in vain; leave lag out, or use a newer kernel",
		"drivers/net/ethernet/mellanox/mlx5/core/lag/debugfs.c", checkKernelLAG)
	add("NW158", Fatal, "the eswitch's mode cannot be changed while the PF has IPsec states; remove them first (ip xfrm state)",
		"drivers/net/ethernet/mellanox/mlx5/core/eswitch_offloads.c, mlx5_devlink_eswitch_mode_set", checkModeStates)
	add("NW159", Fatal, "a VF LAG is over ports in switchdev, and a port whose eswitch-mode is not set stays as it is; set it",
		"drivers/net/ethernet/mellanox/mlx5/core/lag/lag.c, mlx5_lag_check_prereq", checkLAGHost)
	add("NW160", Fatal, "IPsec in packet mode on a PF and flows of Open vSwitch in the card on its uplink exclude each other; remove the states (ip xfrm state), or leave hw-offload out",
		"drivers/net/ethernet/mellanox/mlx5/core/en_tc.c, mlx5e_tc_block_ipsec_offload", checkPacketFlows)
	add("NW161", Fatal, "a switch that the driver has fixed the other way cannot be set; leave it out, or put it where the card offers it",
		"net/core/dev.c, __netdev_update_features", checkFixed)
	add("NW162", Fatal, "flow_steering_mode hmfs is not in kernels up to 6.12; take dmfs or smfs",
		"drivers/net/ethernet/mellanox/mlx5/core/fs_core.c, mlx5_fs_mode_validate", checkHMFS)
	add("NW163", Fatal, "the port function attributes for IPsec are in Linux 6.6 and later; leave them out, or use a newer kernel",
		"include/uapi/linux/devlink.h, DEVLINK_PORT_FN_ATTR_CAP_IPSEC_CRYPTO_BIT", checkVFIPsecKernel)
	add("NW164", Fatal, "IPsec on a PF and on its VFs exclude each other: the kernel answers EBUSY; remove the states of the PF (ip xfrm state), or leave ipsec_crypto and ipsec_packet out",
		"drivers/net/ethernet/mellanox/mlx5/core/eswitch.c, mlx5_eswitch_block_ipsec", checkVFIPsecStates)
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
	return out
}

func checkTotalVFs(s *subject, report report) {
	s.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		if total := s.info(ref).TotalVFs; port.VFs != nil && total > 0 && *port.VFs > total {
			report(at("vfs"), "%d VFs on %s, whose device (%s) offers %d", *port.VFs, ref, s.ports[ref].Address, total)
		}
	})
}

func checkOldSwitchdev(s *subject, report report) {
	s.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		n := s.ports[ref].NumVFs
		if port.VFs != nil {
			n = *port.VFs
		}
		if s.facts.Kernel.Before(5, 9) && isSet(port.Mode, "switchdev") && n == 0 {
			report(at("eswitch-mode"), "%s has no VFs, its eswitch-mode is to be switchdev, and the kernel is %s", ref, s.facts.Kernel)
		}
	})
}

// eachSwitch goes over the offload switches that the profile sets for PFs and VFs.
func (s *subject) eachSwitch(do func(ref portRef, port *Port, vf bool, spec crypto.Spec, at func(feature string) Position)) {
	s.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		do(ref, port, false, port.Offload, func(f string) Position { return at("offload", f) })
		do(ref, port, true, port.VF.Offload, func(f string) Position { return at("vf", "offload", f) })
	})
}

// driverHas reports switches that are to be on and that the driver has not got.
func (s *subject) driverHas(report report, why string, features func(crypto.Spec) map[string]*bool) {
	s.eachSwitch(func(ref portRef, _ *Port, vf bool, spec crypto.Spec, at func(string) Position) {
		for name, on := range features(spec) {
			if isTrue(on) {
				report(at(name), "%s is wanted on %s, and %s", name, whose(ref, vf), why)
			}
		}
	})
}

func whose(ref portRef, vf bool) string {
	if vf {
		return "the VFs of " + ref.String()
	}
	return ref.String()
}

func checkDriverTLS(s *subject, report report) {
	if a := s.facts.DriverTLS; a.Known && !a.Yes {
		s.driverHas(report, a.Source, func(o crypto.Spec) map[string]*bool {
			return map[string]*bool{"tls-hw-tx-offload": o.TLSTx, "tls-hw-rx-offload": o.TLSRx}
		})
	}
}

func checkDriverIPsec(s *subject, report report) {
	if a := s.facts.DriverIPsec; a.Known && !a.Yes {
		s.driverHas(report, a.Source, func(o crypto.Spec) map[string]*bool {
			return map[string]*bool{"esp-hw-offload": o.ESP, "tx-esp-segmentation": o.ESPTxSeg}
		})
	}
}

func checkDriverTC(s *subject, report report) {
	a := s.facts.DriverTC
	if !a.Known || a.Yes {
		return
	}
	s.driverHas(report, a.Source, func(o crypto.Spec) map[string]*bool { return map[string]*bool{"hw-tc-offload": o.TC} })
	if s.offloadsFlows() {
		report(s.At("ovs", "hw-offload"), "hw-offload is wanted, and %s", a.Source)
	}
}

func checkKernelCipher(s *subject, report report) {
	if s.Verify == nil || s.Verify.KTLS == nil {
		return
	}
	k := s.Verify.KTLS
	if why := ciphersUnmet(k.Require, k.Ciphers, s.facts.Kernel); why != "" {
		report(s.At("verify", "ktls", "ciphers"), "TLS has to be offloaded, and %s", why)
	}
}

func checkKernelLAG(s *subject, report report) {
	for i, b := range s.Bonds {
		if isTrue(b.LAG) && s.facts.Kernel.Before(6, 0) {
			report(s.At("bonds", i, "lag"), "lag is wanted of %s, and the kernel is %s", b.Name, s.facts.Kernel)
		}
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
	s.eachSwitch(func(ref portRef, port *Port, vf bool, spec crypto.Spec, at func(string) Position) {
		info := s.ports[ref]
		if s.after(ref, port) != s.info(ref).Mode || vf && port.VFs != nil && *port.VFs != info.NumVFs {
			return
		}
		functions := []pci.Function{pci.PF(info.Address)}
		if vf {
			functions = nil
			for n := range info.NumVFs {
				functions = append(functions, pci.VF(info.Address, n))
			}
		}
		for name, want := range map[string]*bool{
			"tls-hw-tx-offload": spec.TLSTx, "tls-hw-rx-offload": spec.TLSRx, "esp-hw-offload": spec.ESP,
			"tx-esp-segmentation": spec.ESPTxSeg, "hw-tc-offload": spec.TC,
		} {
			i := slices.IndexFunc(functions, func(f pci.Function) bool {
				on, fixed := s.facts.Functions[f].Fixed[name]
				return want != nil && fixed && on != *want
			})
			if i >= 0 {
				report(at(name), "%s is to be %s on %s, and is fixed %s on %s", name, onOff(*want), whose(ref, vf), onOff(!*want), functions[i])
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

func checkHMFS(s *subject, report report) {
	s.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		if isSet(port.Steering, "hmfs") && s.facts.Kernel.Before(6, 13) {
			report(at("flow_steering_mode"), "flow_steering_mode of %s is to be hmfs, and the kernel is %s", ref, s.facts.Kernel)
		}
	})
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
	s.eachSwitch(func(ref portRef, _ *Port, vf bool, spec crypto.Spec, at func(string) Position) {
		for f, facts := range s.facts.Functions {
			if f.PF != s.ports[ref].Address || f.IsVF() != vf {
				continue
			}
			if isTrue(spec.TLSTx) && facts.NoTxChecksum {
				report(at("tls-hw-tx-offload"), "tls-hw-tx-offload is wanted on %s, and transmit checksum offload is off on %s", whose(ref, vf), f)
			}
			if isTrue(spec.TLSRx) && facts.NoRxChecksum {
				report(at("tls-hw-rx-offload"), "tls-hw-rx-offload is wanted on %s, and receive checksum offload is off on %s", whose(ref, vf), f)
			}
		}
	})
}

func checkLostMark(s *subject, report report) {
	if k := s.facts.Kernel; k.Before(6, 5) || !k.Before(6, 10) {
		return
	}
	s.eachSwitch(func(ref portRef, _ *Port, vf bool, spec crypto.Spec, at func(string) Position) {
		if isTrue(spec.TLSTx) {
			report(at("tls-hw-tx-offload"), "tls-hw-tx-offload is wanted on %s, and the kernel is %s", whose(ref, vf), s.facts.Kernel)
		}
	})
}
