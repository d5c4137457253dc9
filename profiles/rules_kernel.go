// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"slices"

	"github.com/nicwright/nicwright/internal/probe"
)

// aes256 is the cipher as verify.ktls.ciphers has it.
const aes256 = "AES-256-GCM"

// need is something that the profile wants and that takes what not every driver
// or kernel has.
type need struct {
	id, sentence, source string
	// each goes over what the profile wants of it: which fact that takes, where it is written, and what is
	// wanted, in words. The fact is looked for only for what is wanted.
	each func(s *subject, wanted func(fact probe.Fact, at Position, format string, args ...any))
}

// needs are those that only mainline's versions tell apart by number, and vendors'
// do not: RHEL 9's 5.14 has the mlx5 of 6.6, DOCA-OFED has its own. A probe that
// finds that something is not there refuses it. One that cannot tell warns
// (NW176), and there alone a version is spoken of.
func needs() []need {
	return []need{
		{
			"NW152", "a driver of before Linux 5.9 refuses switchdev for a port without VFs; give it one, or use a newer driver",
			"drivers/net/ethernet/mellanox/mlx5/core/eswitch_offloads.c, esw_offloads_start", needWithoutVFs,
		},
		{
			"NW156", "the driver gives the card TLS with AES-GCM and, from Linux 6.1 on, keys of 256 bits; leave AES-256-GCM out, or use a newer driver",
			"drivers/net/ethernet/mellanox/mlx5/core/en_accel/ktls.h, mlx5e_ktls_type_check", needAES256,
		},
		{
			"NW157", "a LAG that the driver does not show is waited for in vain; leave lag out, or use a driver that shows it (Linux 6.0)",
			"drivers/net/ethernet/mellanox/mlx5/core/lag/debugfs.c", needLAG,
		},
		{
			"NW162", "flow_steering_mode hmfs takes a driver that has it (Linux 6.14); take dmfs or smfs",
			"drivers/net/ethernet/mellanox/mlx5/core/fs_core.c, mlx5_fs_mode_validate", needHMFS,
		},
		{
			"NW163", "the port function attributes for IPsec take a kernel and a driver that have them (Linux 6.6); leave them out, or use such",
			"include/uapi/linux/devlink.h, DEVLINK_PORT_FN_ATTR_CAP_IPSEC_CRYPTO_BIT", needVFIPsec,
		},
	}
}

// rule refuses what is known not to be there.
func (n need) rule() Rule {
	return Rule{ID: n.id, Severity: Fatal, Sentence: n.sentence, Source: n.source, Host: true, check: func(s *subject, report report) {
		n.each(s, func(fact probe.Fact, at Position, format string, args ...any) {
			if a := fact.Ask(); a.Denied() {
				report(at, format+", and %s", append(args, a.Source)...)
			}
		})
	}}
}

// checkUntold warns of what nothing on the host tells.
func checkUntold(s *subject, report report) {
	for _, n := range needs() {
		n.each(s, func(fact probe.Fact, at Position, format string, args ...any) {
			if a := fact.Ask(); !a.Known && a.Source != "" {
				report(at, format+", and nothing tells whether that can be (%s): %s", append(args, n.id, a.Source)...)
			}
		})
	}
}

func needWithoutVFs(s *subject, wanted func(probe.Fact, Position, string, ...any)) {
	s.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		n := s.ports[ref].NumVFs
		if port.VFs != nil {
			n = *port.VFs
		}
		// What is in switchdev already has shown that it can be.
		if isSet(port.Mode, "switchdev") && n == 0 && s.info(ref).Mode != "switchdev" {
			wanted(s.info(ref).WithoutVFs, at("eswitch-mode"), "%s has no VFs, and its eswitch-mode is to be switchdev", ref)
		}
	})
}

func needAES256(s *subject, wanted func(probe.Fact, Position, string, ...any)) {
	if s.Verify == nil || s.Verify.KTLS == nil {
		return
	}
	k := s.Verify.KTLS
	if isSet(k.Require, "offloaded") && slices.Contains(k.Ciphers, aes256) {
		wanted(s.facts.AES256, s.At("verify", "ktls", "ciphers"), "TLS has to be offloaded with %s", aes256)
	}
}

func needLAG(s *subject, wanted func(probe.Fact, Position, string, ...any)) {
	for i, b := range s.Bonds {
		if !isTrue(b.LAG) {
			continue
		}
		for _, m := range b.Members {
			if ref, err := parsePortRef(m); err == nil {
				wanted(s.info(ref).ShowsLAG, s.At("bonds", i, "lag"), "lag is wanted of %s, over %s", b.Name, ref)
			}
		}
	}
}

func needHMFS(s *subject, wanted func(probe.Fact, Position, string, ...any)) {
	s.eachPort(func(ref portRef, port *Port, at func(...any) Position) {
		if isSet(port.Steering, "hmfs") {
			wanted(s.facts.HMFS, at("flow_steering_mode"), "flow_steering_mode of %s is to be hmfs", ref)
		}
	})
}

func needVFIPsec(s *subject, wanted func(probe.Fact, Position, string, ...any)) {
	s.eachVFIPsec(func(ref portRef, name string, at Position) {
		wanted(s.facts.GrantsIPsec, at, "ipsec_%s is wanted of the VFs of %s", name, ref)
	})
}
