// SPDX-License-Identifier: Apache-2.0

package advice

import (
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/provision/bench/chart"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// Print writes the advice for people.
func (a *Advice) Print(w io.Writer) error {
	var b strings.Builder
	b.WriteString(indented("", a.Workload.Words()) + "\n")
	for _, d := range []struct {
		name string
		Decision
	}{{"tls-hw-tx-offload (sending)   ", a.Tx}, {"tls-hw-rx-offload (receiving) ", a.Rx}} {
		b.WriteString(style.Bold(d.name) + d.Answer.coloured() + "\n")
		for _, why := range d.Why {
			b.WriteString(indented("    ", why))
		}
	}
	if a.Best != "" {
		b.WriteString("\nTLS is best done by: " + style.Bold(chart.ModeWords(sample.HTTPS, a.Best)) + "\n" + indented("    ", a.howTo()))
	}
	if s := a.Split; s != nil {
		b.WriteString("\n" + style.Bold("Two listen addresses") + " would do better, for the switch is a netdev's:\n" + indented("    ", s.Why))
	}
	if len(a.Ways) > 0 {
		b.WriteString("\nTo be expected of this workload, as it was measured (" + a.Measured + "):\n")
		for _, way := range a.Ways {
			b.WriteString(indented("    ", way.Words()))
		}
	}
	for i, n := range a.Notes {
		if i == 0 {
			b.WriteString("\n")
		}
		b.WriteString("-" + indented("  ", n)[1:])
	}
	return style.Flush(w, &b)
}

// howTo says what the programs have to be told for it.
func (a *Advice) howTo() string {
	if a.Best == sample.User {
		return "kernel TLS off in the server: nginx without `ssl_conf_command Options KTLS`"
	}
	return "kernel TLS on in the server: nginx with `ssl_conf_command Options KTLS` and `sendfile on`"
}

// columns of what is printed.
const columns = 110

// indented breaks a text at its spaces, each line after the indent, the last ended.
func indented(indent, text string) string {
	return indent + strings.ReplaceAll(ansi.Wordwrap(text, columns-len(indent), ""), "\n", "\n"+indent) + "\n"
}

func (a Answer) coloured() string {
	switch a {
	case On:
		return style.Green(string(a))
	case Off:
		return style.Red(string(a))
	case CannotTell:
		return style.Amber(string(a))
	case Same:
	}
	return string(a)
}
