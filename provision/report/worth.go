// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/proof"
)

// work is what transfers took, in sum.
type work struct{ bytes, seconds, cpu float64 }

func (w *work) add(p proof.Proof) {
	w.bytes, w.seconds, w.cpu = w.bytes+float64(p.Bytes), w.seconds+p.Seconds, w.cpu+p.CPUSeconds
}

// Comparison sets what the card did beside what the CPU did in cells that differ
// in nothing but what decides that, so that a reader sees whether offload is
// worth it. A line each.
func (sec *section) Comparison() []string {
	cells := slices.DeleteFunc(slices.Clone(sec.Cells), func(j Judged) bool {
		return throughput(j.Proof) == "" || cpuPerGB(j.Proof) == ""
	})
	var like []string // the fields that tell what is compared
	for _, c := range sec.Columns {
		varies := slices.ContainsFunc(cells, func(j Judged) bool { return j.Get(c) != cells[0].Get(c) })
		if varies && c != "version" && c != "offload" {
			like = append(like, c)
		}
	}
	card, cpu := map[string]*work{}, map[string]*work{}
	var order []string
	for _, j := range cells {
		var words []string
		for _, c := range like {
			words = append(words, c+" "+j.Get(c))
		}
		key := strings.Join(words, ", ")
		if card[key] == nil {
			card[key], cpu[key] = &work{}, &work{}
			order = append(order, key)
		}
		switch j.Verdict {
		case proof.Offloaded:
			card[key].add(j.Proof)
		case proof.Software:
			cpu[key].add(j.Proof)
		}
	}
	var lines []string
	for _, key := range order {
		a, b := card[key], cpu[key]
		if a.bytes == 0 || b.bytes == 0 {
			continue
		}
		if key != "" {
			key += ", "
		}
		lines = append(lines, fmt.Sprintf("%soffloaded against software: %.2f times the throughput, %.2f times the CPU time a byte",
			key, (a.bytes/a.seconds)/(b.bytes/b.seconds), (a.cpu/a.bytes)/(b.cpu/b.bytes)))
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
