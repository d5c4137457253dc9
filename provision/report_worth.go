// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"fmt"
	"slices"
	"strings"

	"nicwright/internal/proof"
)

// Comparison sets what the card did beside what the CPU did in cells that differ
// in nothing but what decides that, so that a reader sees whether offload is
// worth it. A line each.
func (g *group) Comparison() []string {
	type sum struct{ bytes, seconds, cpu float64 }
	type pair struct{ card, cpu sum }
	pairs := map[string]*pair{}
	var order []string
	for _, j := range g.Cells {
		if throughput(j.Proof) == "" || cpuPerGB(j.Proof) == "" {
			continue
		}
		var like []string
		for _, f := range j.Cell {
			if f.Name != "version" && f.Name != "offload" {
				like = append(like, f.Name+" "+f.Value)
			}
		}
		key := strings.Join(like, ", ")
		if pairs[key] == nil {
			pairs[key] = &pair{}
			order = append(order, key)
		}
		s := &pairs[key].cpu
		switch j.Verdict {
		case proof.Offloaded:
			s = &pairs[key].card
		case proof.Software:
		default:
			continue
		}
		s.bytes, s.seconds, s.cpu = s.bytes+float64(j.Bytes), s.seconds+j.Seconds, s.cpu+j.CPUSeconds
	}
	var lines []string
	for _, key := range order {
		card, cpu := pairs[key].card, pairs[key].cpu
		if card.bytes == 0 || cpu.bytes == 0 {
			continue
		}
		lines = append(lines, fmt.Sprintf("offloaded against software (%s): %.2f of the throughput, %.2f of the CPU time a byte",
			key, (card.bytes/card.seconds)/(cpu.bytes/cpu.seconds), (card.cpu/card.bytes)/(cpu.cpu/cpu.bytes)))
	}
	return lines
}

// caveats are what the figures do not say.
func (r *VerifyReport) caveats() []string {
	measured := slices.ContainsFunc(r.Proofs, func(j Judged) bool { return throughput(j.Proof) != "" })
	if !measured {
		return nil
	}
	lines := []string{
		"CPU time is that of all processors, for both ends of the transfer and whatever else ran meanwhile.",
		"Each proof is one long connection. Setting up a connection's offload costs more than a short connection saves: " +
			"a published measurement of a ConnectX-6 Dx has NIC TLS pay only somewhere above 1 to 10 MB a connection.",
	}
	if r.Host.emulated() {
		lines = append([]string{"A card here is emulated: these figures are the emulation's, and say nothing of a real card's speed."}, lines...)
	}
	return lines
}

// emulated tells whether a card is none: the lab's says so in its VPD.
func (h Host) emulated() bool {
	for _, c := range h.Cards {
		if strings.Contains(c.Product, "(emulated)") {
			return true
		}
		for _, p := range c.Ports {
			if p.Address.Bus() != "pci" {
				return true
			}
		}
	}
	return false
}
