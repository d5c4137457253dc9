// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch/bridge"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/site"
	"github.com/nicwright/nicwright/profiles"
)

// cell is one proof to run on a pair of VFs.
type cell struct {
	kind    string
	fields  func(from, to string) []proof.Field
	require proof.Verdict
	run     func(ctx context.Context, from, to *site.Place, rate func(int64, float64)) proof.Proof
}

// quickBytes is what each cell of the quick matrix sends.
const quickBytes = 1 << 20

// matrix is the cells that run on every pair: what the profile asks for, with
// all there is where it does not say. The quick one has the transfer of each kind
// that most depends on.
func matrix(want *profiles.Want, quick bool, granted crypto.Granted) []cell {
	v := want.Verify
	var k crypto.KTLSSpec
	var e crypto.IPsecSpec
	if v != nil && v.KTLS != nil {
		k = *v.KTLS
	}
	if v != nil && v.IPsec != nil {
		e = *v.IPsec
	}
	if quick {
		n := int64(quickBytes)
		k.Versions, k.Ciphers, k.Directions, k.Bytes = crypto.Versions[:1], crypto.Ciphers[:1], []string{crypto.Tx}, &n
		e.Offloads, e.Modes, e.Directions, e.Bytes = crypto.Offloads[:1], crypto.Modes[:1], []string{crypto.Tx}, &n
	}
	cells := append(ktlsCells(k), ipsecCells(e, granted)...)
	if switches(want) {
		cells = append(cells, flowsCell(want, bytesOf(k.Bytes)))
	}
	return cells
}

func ipsecCells(e crypto.IPsecSpec, granted crypto.Granted) []cell {
	var cells []cell
	for _, offload := range or(e.Offloads, crypto.Offloads) {
		for _, mode := range or(e.Modes, crypto.Modes) {
			for _, cipher := range or(e.Ciphers, crypto.ESPs[:1]) {
				for _, ip := range or(e.IP, crypto.IPs[:1]) {
					for _, direction := range or(e.Directions, crypto.Directions) {
						c := crypto.IPsecCell{Offload: offload, Mode: mode, Cipher: cipher, IP: ip, Direction: direction}
						one := cell{kind: "ipsec", fields: c.Fields, run: func(ctx context.Context, from, to *site.Place, rate func(int64, float64)) proof.Proof {
							return crypto.ProveIPsec(ctx, c, from, to, bytesOf(e.Bytes), granted, rate)
						}}
						if e.Require != nil {
							one.require = proof.Verdict(*e.Require)
						}
						cells = append(cells, one)
					}
				}
			}
		}
	}
	return cells
}

func flowsCell(want *profiles.Want, size int64) cell {
	c := cell{kind: "flows", fields: func(from, to string) []proof.Field {
		return []proof.Field{{Name: "from", Value: from}, {Name: "to", Value: to}}
	}, run: func(ctx context.Context, from, to *site.Place, rate func(int64, float64)) proof.Proof {
		if bridged(want, from.Function) {
			return bridge.ProveFlows(ctx, from, to, size, rate)
		}
		return ovs.ProveFlows(ctx, from, to, size, rate)
	}}
	if v := want.Verify; v != nil && v.Flows != nil && v.Flows.Require != nil {
		c.require = proof.Verdict(*v.Flows.Require)
	}
	return c
}

func ktlsCells(k crypto.KTLSSpec) []cell {
	var cells []cell
	for _, t := range ktlsAsked(k) {
		cells = append(cells, cell{kind: "ktls", fields: t.Fields, require: t.require, run: func(ctx context.Context, from, to *site.Place, rate func(int64, float64)) proof.Proof {
			return crypto.ProveKTLS(ctx, t.KTLSCell, from, to, bytesOf(k.Bytes), rate)
		}})
	}
	return cells
}

// asked is a cell of kernel TLS with what the profile requires of it.
type asked struct {
	crypto.KTLSCell
	require proof.Verdict
}

func ktlsAsked(k crypto.KTLSSpec) []asked {
	var all []asked
	named := k.Versions != nil && k.Ciphers != nil
	for _, version := range or(k.Versions, crypto.Versions) {
		for _, cipher := range or(k.Ciphers, crypto.Ciphers) {
			for _, direction := range or(k.Directions, crypto.Directions) {
				one := asked{KTLSCell: crypto.KTLSCell{Version: version, Cipher: cipher, Direction: direction}}
				if k.Require != nil && (named || one.Never() == "") {
					one.require = proof.Verdict(*k.Require)
				}
				all = append(all, one)
			}
		}
	}
	return all
}

func bytesOf(n *int64) int64 {
	if n == nil {
		return site.DefaultBytes
	}
	return *n
}

func or(list, all []string) []string {
	if len(list) == 0 {
		return all
	}
	return list
}
