// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"fmt"
	"strings"

	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// ModeWords are how a mode is called for people.
func ModeWords(b sample.Bench, m sample.Mode) string {
	switch m {
	case sample.Plain:
		if b == sample.HTTPS {
			return "no TLS"
		}
		return "plain"
	case sample.User:
		return "user space"
	case sample.Kernel:
		return "kernel"
	case sample.CardTx:
		return "card, sending"
	case sample.CardRx:
		return "card, receiving"
	case sample.CardTxRx:
		return "card, both ways"
	case sample.IPsecSoft:
		return "IPsec in software"
	case sample.IPsecCard:
		return "IPsec, cipher in the card"
	case sample.IPsecFull:
		return "IPsec in the card"
	}
	return string(m)
}

// LineWords name a line among others: its mode, and what of the rest is not equal for all of them.
func LineWords(b sample.Bench, c sample.Cell, among []sample.Cell) string {
	parts := []string{ModeWords(b, c.Mode)}
	differ := func(get func(sample.Cell) string) bool {
		seen := map[string]bool{}
		for _, o := range among {
			if v := get(o); v != "" {
				seen[v] = true
			}
		}
		return len(seen) > 1
	}
	add := func(get func(sample.Cell) string, format string) {
		if v := get(c); v != "" && differ(get) {
			parts = append(parts, fmt.Sprintf(format, v))
		}
	}
	add(func(c sample.Cell) string { return c.TLS }, "TLS %s")
	add(func(c sample.Cell) string { return c.Cipher }, "%s")
	sends := func(c sample.Cell) string {
		switch {
		case c.Mode == sample.User || c.Mode == sample.Plain:
			return "" // with TLS in the program there is no sendfile
		case c.Sendfile:
			return "sendfile"
		}
		return "no sendfile"
	}
	if b == sample.HTTPS {
		add(sends, "%s")
	}
	add(func(c sample.Cell) string { return c.Encapsulation }, "%s")
	add(func(c sample.Cell) string {
		if c.Security == "tls" || c.Security == "mtls" {
			return c.Security
		}
		return ""
	}, "%s")
	if c.Variant != "" { // whoever gave it wants it to be seen
		parts = append(parts, c.Variant)
	}
	return strings.Join(parts, ", ")
}

// conditions say what all cells of a chart have in common.
func conditions(b sample.Bench, cells []sample.Cell) string {
	c := cells[0]
	var parts []string
	common := func(get func(sample.Cell) string, format string) {
		first := ""
		for _, o := range cells {
			v := get(o)
			if v == "" {
				continue
			}
			if first != "" && v != first {
				return
			}
			first = v
		}
		if first != "" {
			parts = append(parts, fmt.Sprintf(format, first))
		}
	}
	common(func(c sample.Cell) string { return c.TLS }, "TLS %s")
	common(func(c sample.Cell) string { return c.Cipher }, "%s")
	number := func(n int, noun string) {
		if n > 0 {
			parts = append(parts, style.Count(n, noun))
		}
	}
	switch b {
	case sample.HTTPS:
		number(c.Clients, "client")
		if c.KeepAlive {
			parts = append(parts, "connections kept")
		} else {
			parts = append(parts, "a new connection for each request")
		}
		if c.Resumption {
			parts = append(parts, "sessions resumed")
		}
		if c.Rate > 0 {
			parts = append(parts, "open loop, "+Rate.Text(c.Rate))
		}
	case sample.NFS:
		parts = append(parts, c.Pattern+" "+c.Op)
		if c.Block > 0 {
			parts = append(parts, "blocks of "+Bytes.Text(float64(c.Block)))
		}
		number(c.Clients, "job")
		if c.Depth > 0 {
			parts = append(parts, fmt.Sprintf("depth %d", c.Depth))
		}
		if c.NConnect > 0 {
			parts = append(parts, fmt.Sprintf("nconnect %d", c.NConnect))
		}
	case sample.IPsec:
		number(c.Clients, "stream")
		number(c.SAs, "SA pair")
	}
	if c.MTU > 0 {
		parts = append(parts, fmt.Sprintf("MTU %d", c.MTU))
	}
	return strings.Join(parts, ", ")
}

// about says of a run what was measured where, for a subtitle.
func about(h sample.Header) string {
	var parts []string
	if h.Card != nil && h.Card.Model != "" {
		parts = append(parts, h.Card.Model)
	}
	if h.Server.Kernel != "" {
		parts = append(parts, "kernel "+h.Server.Kernel)
	}
	if h.Path != "" {
		parts = append(parts, h.Path)
	}
	switch h.Clock {
	case sample.Instructions:
		parts = append(parts, "seconds of a lab machine that counts instructions")
	case sample.Published:
		parts = append(parts, "published by "+h.Tool)
	case sample.Wall:
	}
	return strings.Join(parts, "; ")
}
