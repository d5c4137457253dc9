// SPDX-License-Identifier: Apache-2.0

package top

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/internal/tcpdiag"
)

// unlimited is wider than any line.
const unlimited = 2000

// Screen is a frame as lines of at most width columns, at most height of them; 0 is
// as many as there are. What does not fit is counted.
func Screen(f Frame, width, height int) string {
	if width <= 0 {
		width = unlimited
	}
	var n notes
	t := f.Totals
	lines := []string{
		style.Bold("nicwright top") + "  " + f.Time.Format(time.TimeOnly),
		fmt.Sprintf("TLS    %s: %s in the card, %s partly, %s in software", style.Count(t.TLSCard+t.TLSPartly+t.TLSSoftware, "session"),
			good(t.TLSCard), warn(t.TLSPartly), warn(t.TLSSoftware)),
		fmt.Sprintf("IPsec  %s: %s in the card, %s with their encryption alone, %s in software", style.Count(t.IPsecPacket+t.IPsecCrypto+t.IPsecNone, "state"),
			good(t.IPsecPacket), good(t.IPsecCrypto), warn(t.IPsecNone)),
	}
	if t == (Totals{}) && len(f.Unseen) == 0 {
		lines = append(lines, style.Faint("no session of kernel TLS and no IPsec state is in this network namespace"))
	}
	for _, u := range f.Unseen {
		first, _, _ := strings.Cut(u, "\n")
		lines = append(lines, hang(style.Amber("not seen: ")+first, width, "  ")...)
	}
	tls, sa := n.sessions(f, width), n.states(f, width)
	cards := section(netdevs(f, width), len(f.Netdevs))
	notes := n.lines(width)
	// The lists share what the rest leaves, the reasons have a quarter at most.
	if height > 0 {
		cards = cards.fit(max(3, height/4))
		if most := height / 4; len(notes) > most {
			notes = append(clip(notes, most-1), style.Faint("... nicwright top | cat has all of them"))
		}
		rest := height - len(lines) - cards.height() - len(notes) - 1
		sa = sa.fit(max(rest/3, rest-tls.height()))
		tls = tls.fit(rest - sa.height())
	}
	for _, s := range []list{cards, tls, sa} {
		lines = append(lines, s.text()...)
	}
	if len(notes) > 0 {
		lines = append(append(lines, ""), notes...)
	}
	if height > 0 {
		lines = clip(lines, height)
	}
	for i := range lines {
		lines[i] = ansi.Truncate(lines[i], width, "…")
	}
	return strings.Join(lines, "\n") + "\n"
}

func good(n int) string {
	if n > 0 {
		return style.Green(strconv.Itoa(n))
	}
	return "0"
}

func warn(n int) string {
	if n > 0 {
		return style.Amber(strconv.Itoa(n))
	}
	return "0"
}

// list is a table with its head, and rows of which more may be left out.
type list struct {
	head    string
	rows    []string
	missing int
}

// section is a table of which total rows there are.
func section(table []string, total int) list {
	if total == 0 {
		return list{}
	}
	return list{head: table[0], rows: table[1:], missing: total - (len(table) - 1)}
}

// height is in lines, with the empty one before it.
func (l list) height() int {
	if l.head == "" {
		return 0
	}
	n := 2 + len(l.rows)
	if l.missing > 0 {
		n++
	}
	return n
}

// fit leaves rows out until it is at most height lines.
func (l list) fit(height int) list {
	for l.height() > max(height, 3) && len(l.rows) > 0 {
		l.rows = l.rows[:len(l.rows)-1]
		l.missing++
	}
	return l
}

func (l list) text() []string {
	if l.head == "" {
		return nil
	}
	out := append([]string{"", style.Faint(l.head)}, l.rows...)
	if l.missing > 0 {
		out = append(out, style.Faint(fmt.Sprintf("... and %d more", l.missing)))
	}
	return out
}

func clip(lines []string, height int) []string { return lines[:min(len(lines), max(height, 0))] }

// hang breaks a text at width; what follows the first line begins with indent.
func hang(text string, width int, indent string) []string {
	lines := strings.Split(ansi.Wrap(text, max(width-len(indent), 20), ""), "\n")
	for i := range lines[1:] {
		lines[i+1] = indent + strings.TrimLeft(lines[i+1], " ")
	}
	return lines
}

// notes are the reasons, each once.
type notes struct {
	reasons []*Reason
	count   []int
}

// of is the number of a reason.
func (n *notes) of(r *Reason) string {
	if r == nil {
		return ""
	}
	i := slices.IndexFunc(n.reasons, func(o *Reason) bool { return o.Text == r.Text })
	if i < 0 {
		i = len(n.reasons)
		n.reasons, n.count = append(n.reasons, r), append(n.count, 0)
	}
	n.count[i]++
	return strconv.Itoa(i + 1)
}

func (n *notes) lines(width int) []string {
	if len(n.reasons) == 0 {
		return nil
	}
	lines := []string{style.Faint("WHY IN SOFTWARE")}
	for i, r := range n.reasons {
		lines = append(lines, hang(fmt.Sprintf("%2d  %s (%d×)", i+1, r.Text, n.count[i]), width, "    ")...)
		for _, m := range r.Mend {
			lines = append(lines, hang("    "+style.Faint("mend: "+m), width, "      ")...)
		}
	}
	return lines
}

// netdevs is the table of the cards' own counters: rates, or all bytes in the first frame.
func netdevs(f Frame, width int) []string {
	names, functions := column{title: "NETDEV", least: 8}, column{title: "FUNCTION", spare: 2, least: 12}
	contexts := column{title: "TLS TX/RX", right: true}
	counts := []column{{title: "ENCRYPTED", right: true}, {title: "DECRYPTED", right: true}, {title: "ESP OUT", right: true}, {title: "ESP IN", right: true}}
	resyncs := column{title: "RESYNCS", right: true, spare: 1}
	for _, n := range f.Netdevs {
		names.cells, functions.cells = append(names.cells, n.Netdev), append(functions.cells, n.Function)
		contexts.cells = append(contexts.cells, counted(n.TLSContexts, crypto.Tx)+"/"+counted(n.TLSContexts, crypto.Rx))
		for i, of := range []struct {
			all map[string]uint64
			per map[string]float64
			dir string
		}{
			{n.TLSBytes, n.TLSRate, crypto.Tx},
			{n.TLSBytes, n.TLSRate, crypto.Rx},
			{n.IPsecBytes, n.IPsecRate, crypto.Tx},
			{n.IPsecBytes, n.IPsecRate, crypto.Rx},
		} {
			text := "-"
			if per, known := of.per[of.dir]; known {
				text = size(per) + "/s"
			} else if all, known := of.all[of.dir]; known {
				text = size(float64(all))
			}
			counts[i].cells = append(counts[i].cells, text)
		}
		text := "-"
		if n.Resyncs != nil {
			text = strconv.FormatUint(*n.Resyncs, 10)
		}
		resyncs.cells = append(resyncs.cells, text)
	}
	return table(width, append(append([]column{names, functions, contexts}, counts...), resyncs))
}

func counted(by map[string]uint64, dir string) string {
	if n, known := by[dir]; known {
		return strconv.FormatUint(n, 10)
	}
	return "-"
}

// moved is a rate, or all bytes where there is none yet.
func moved(bytes uint64, per *float64) string {
	if per != nil {
		return size(*per) + "/s"
	}
	return size(float64(bytes))
}

func (n *notes) sessions(f Frame, width int) list {
	c := []column{
		{title: "TLS WITH", least: 14},
		{title: "HERE", least: 14, spare: 4},
		{title: "NETDEV", least: 6},
		{title: "TLS"},
		{title: "CIPHER", least: 7},
		{title: "SENDS"},
		{title: "SENT", right: true, spare: 2},
		{title: "RECEIVES"},
		{title: "RECEIVED", right: true, spare: 3},
		{title: "WHY"},
	}
	for _, s := range f.TLS {
		why := n.of(s.Tx.Why)
		if other := n.of(s.Rx.Why); other != why && other != "" {
			why = strings.TrimPrefix(why+","+other, ",")
		}
		for i, cell := range []string{
			s.Remote.String(), s.Local.String(), style.OrDash(s.Netdev), s.Version, s.Cipher,
			maker(s.Tx.By), moved(s.Tx.Bytes, s.Tx.PerSecond), maker(s.Rx.By), moved(s.Rx.Bytes, s.Rx.PerSecond), why,
		} {
			c[i].cells = append(c[i].cells, cell)
		}
	}
	return section(table(width, c), len(f.TLS)+f.Totals.TLSUnlisted)
}

func maker(by tcpdiag.Maker) string {
	switch by {
	case tcpdiag.Card:
		return style.Green(string(by))
	case tcpdiag.Kernel:
		return style.Amber(string(by))
	}
	return style.Faint("not set")
}

func (n *notes) states(f Frame, width int) list {
	c := []column{
		{title: "IPSEC FROM", least: 12},
		{title: "TO", least: 12},
		{title: "SPI"},
		{title: "NETDEV", least: 6},
		{title: "MODE", spare: 2},
		{title: "ALGORITHM", spare: 3},
		{title: "BY"},
		{title: "BYTES", right: true},
		{title: "WHY"},
	}
	for _, s := range f.IPsec {
		by := style.Amber("software")
		switch s.Offload {
		case ipsec.Packet:
			by = style.Green("card")
		case ipsec.Crypto:
			by = style.Green("card (crypto)")
		}
		for i, cell := range []string{
			s.Src.String(), s.Dst.String(), s.SPI.String(), style.OrDash(s.Netdev), s.Mode, style.OrDash(s.Algorithm), by, moved(s.Bytes, s.PerSecond), n.of(s.Why),
		} {
			c[i].cells = append(c[i].cells, cell)
		}
	}
	return section(table(width, c), len(f.IPsec)+f.Totals.IPsecUnlisted)
}
