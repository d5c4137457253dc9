// SPDX-License-Identifier: Apache-2.0

package style

import (
	"io"
	"regexp"
	"unicode"
	"unicode/utf8"
)

// Plain is a writer to a terminal that colours, and that nothing else steers: a
// character without a glyph is written as U+FFFD, but for newline, tab and the
// colours of this package (ECMA-48 SGR). Names of netdevs, aliases and rows of
// OVSDB are others' words: dev_valid_name (net/core/dev.c) forbids only '/', ':'
// and spaces in a netdev's. What is written at once is taken as whole.
func Plain(w io.Writer) io.Writer { return plain{w} }

type plain struct{ io.Writer }

var colour = regexp.MustCompile(`^\x1b\[[0-9;]*m`)

func (p plain) Write(b []byte) (int, error) {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		if c := colour.Find(b[i:]); c != nil {
			out = append(out, c...)
			i += len(c)
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if !unicode.IsGraphic(r) && r != '\n' && r != '\t' {
			r = utf8.RuneError
		}
		out = utf8.AppendRune(out, r)
		i += n
	}
	if _, err := p.Writer.Write(out); err != nil {
		return 0, err //nolint:wrapcheck // a writer's own
	}
	return len(b), nil
}
