// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/cpu"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/style"
)

// Below these a figure would say more of chance than of the card.
const (
	leastSeconds = 1.0
	leastSamples = 10
	// tolerance is how wrong a sum of CPU seconds may be for what /proc/stat rounds.
	tolerance = 0.05
)

// exact tells whether CPU seconds that are the sum of so many differences are known
// well enough.
func exact(cpuSeconds float64, differences int) bool {
	return cpuSeconds*tolerance >= cpu.Resolution*float64(differences)
}

// work is what the transfers of one side took.
type work struct {
	samples   []proof.Sample
	transfers int
	noCPU     string
	// sent is in bytes, of the whole transfers, which took seconds.
	sent, seconds float64
}

func (w *work) add(p proof.Proof) {
	w.samples = append(w.samples, p.Samples...)
	w.transfers++
	w.sent, w.seconds = w.sent+float64(p.Bytes), w.seconds+p.Seconds
	if p.NoCPU != "" {
		w.noCPU = p.NoCPU
	}
}

// sum is what the samples moved, and took.
func (w *work) sum() (s proof.Sample) {
	for _, one := range w.samples {
		s.Bytes, s.Seconds, s.CPUSeconds = s.Bytes+one.Bytes, s.Seconds+one.Seconds, s.CPUSeconds+one.CPUSeconds
	}
	return s
}

// short tells that the samples are too few to say anything.
func (w *work) short() bool { return len(w.samples) < leastSamples || w.sum().Seconds < leastSeconds }

// noCPUTime is why there is no figure of CPU time, "" where there is.
func (w *work) noCPUTime() string {
	switch total := w.sum().CPUSeconds; {
	case w.noCPU != "":
		return w.noCPU
	case !exact(total, w.transfers):
		return fmt.Sprintf("%.2f s of CPU time in %s are too little for what the kernel rounds to 1/100 s", total, style.Count(w.transfers, "transfer"))
	}
	return ""
}

// enough is how many bytes each transfer would have to have.
func (w *work) enough() int64 {
	const window = 0.2 // seconds of a sample, as internal/site makes them
	rate := w.sent / max(w.seconds, 1e-9)
	need := rate * max(leastSeconds, (leastSamples+1)*window) / float64(max(w.transfers, 1))
	const mib = 1 << 20
	return (int64(need/mib) + 1) * mib
}

// spread is the samples' least and greatest of a figure.
func (w *work) spread(figure func(proof.Sample) float64) (least, most float64) {
	for i, s := range w.samples {
		f := figure(s)
		if i == 0 {
			least, most = f, f
		}
		least, most = min(least, f), max(most, f)
	}
	return least, most
}

func sampleMbits(s proof.Sample) float64 { return float64(s.Bytes) * 8 / 1e6 / s.Seconds }

func sampleCPU(s proof.Sample) float64 { return s.CPUSeconds / max(float64(s.Bytes), 1) * 1e9 }

// line is a side's figures, each with the spread of the samples.
func (w *work) line(name string, withCPU bool) string {
	total := w.sum()
	least, most := w.spread(sampleMbits)
	s := fmt.Sprintf("  %s: %.1f Mbit/s (%.1f to %.1f)", name, sampleMbits(total), least, most)
	if withCPU {
		least, most = w.spread(sampleCPU)
		s += fmt.Sprintf(", %.2f CPU s/GB (%.2f to %.2f)", sampleCPU(total), least, most)
	}
	return s + fmt.Sprintf(", in %d samples of %.1f s in all", len(w.samples), total.Seconds)
}

// Comparison sets what the card did beside what the CPU did in cells that differ
// in nothing but what decides that, so that a reader sees whether offload is
// worth it, or why that is not known. Lines of text.
func (sec *section) Comparison() []string {
	cells := slices.DeleteFunc(slices.Clone(sec.Cells), func(j Judged) bool {
		return throughput(j.Proof) == "" || j.Verdict != proof.Offloaded && j.Verdict != proof.Software
	})
	var like []string // the fields that tell what is compared
	for _, c := range sec.Columns {
		varies := slices.ContainsFunc(cells, func(j Judged) bool { return j.Get(c) != cells[0].Get(c) })
		if varies && c != "version" && c != "offload" {
			like = append(like, c)
		}
	}
	card, software := map[string]*work{}, map[string]*work{}
	var order []string
	for _, j := range cells {
		var words []string
		for _, c := range like {
			words = append(words, c+" "+j.Get(c))
		}
		key := strings.Join(words, ", ")
		if card[key] == nil {
			card[key], software[key] = &work{}, &work{}
			order = append(order, key)
		}
		if j.Verdict == proof.Offloaded {
			card[key].add(j.Proof)
		} else {
			software[key].add(j.Proof)
		}
	}
	var lines []string
	for _, key := range order {
		a, b := card[key], software[key]
		if a.transfers == 0 || b.transfers == 0 {
			continue
		}
		if key != "" {
			key += ", "
		}
		lines = append(lines, compare(key+"offloaded against software: ", sec.Kind, a, b)...)
	}
	return lines
}

func compare(what, kind string, card, software *work) []string {
	if card.short() || software.short() {
		return []string{fmt.Sprintf("%sno figure: it takes %d samples and %.0f s a side, and there are %d of %.1f s offloaded, %d of %.1f s in software; set %s to %d or more",
			what, leastSamples, leastSeconds, len(card.samples), card.sum().Seconds, len(software.samples), software.sum().Seconds,
			sizeOf(kind), max(card.enough(), software.enough()))}
	}
	a, b := card.sum(), software.sum()
	line := fmt.Sprintf("%s%.2f times the throughput", what, sampleMbits(a)/sampleMbits(b))
	why := card.noCPUTime()
	if why == "" {
		why = software.noCPUTime()
	}
	if why == "" {
		line += fmt.Sprintf(", %.2f times the CPU time a byte", sampleCPU(a)/sampleCPU(b))
	} else {
		line += "; no figure of CPU time: " + why
	}
	return []string{line, card.line("offloaded", why == ""), software.line("software", why == "")}
}

// sizeOf is where a profile says how many bytes the transfers of a kind have.
func sizeOf(kind string) string {
	if kind == "ipsec" {
		return "verify.ipsec.bytes"
	}
	return "verify.ktls.bytes"
}

// caveats are what the figures do not say.
func (r *Report) caveats() []string {
	measured := slices.ContainsFunc(r.Proofs, func(j Judged) bool { return throughput(j.Proof) != "" })
	if !measured {
		return nil
	}
	lines := []string{
		"CPU time is that of all processors, for both ends of the transfer and whatever else ran meanwhile; of transfers too short for it there is none.",
		"Each proof is one long connection. Setting up a connection's offload costs more than a short connection saves: " +
			"a published measurement of a ConnectX-6 Dx has NIC TLS pay only somewhere above 1 to 10 MB a connection.",
	}
	if i := slices.IndexFunc(r.Proofs, func(j Judged) bool { return j.NoCPU != "" }); i >= 0 {
		lines = append(lines, "No CPU time: "+r.Proofs[i].NoCPU+".")
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
