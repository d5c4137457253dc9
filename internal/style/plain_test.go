// SPDX-License-Identifier: Apache-2.0

package style

import (
	"io"
	"strings"
	"testing"
	"unicode"
)

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"bond0\tup\n":             "bond0\tup\n",
		"für · 漢":                 "für · 漢",
		Red("x"):                  Red("x"),
		"e\x1b[2Jvil":             "e�[2Jvil",
		"\x1b]0;title\x07":        "�]0;title�",
		"a\rb\x08\u009b31m\u202e": "a�b��31m�",
		"\xff\x1b":                "��",
	} {
		var b strings.Builder
		if n, err := io.WriteString(Plain(&b), in); err != nil || n != len(in) || b.String() != want {
			t.Errorf("%q: %q, %d, %v, want %q", in, b.String(), n, err, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m\x1b[H")
	f.Fuzz(func(t *testing.T, s string) {
		var b strings.Builder
		if _, err := io.WriteString(Plain(&b), s); err != nil {
			t.Fatal(err)
		}
		rest := b.String()
		for rest != "" {
			if c := colour.FindString(rest); c != "" {
				rest = rest[len(c):]
				continue
			}
			for i, r := range rest {
				if i > 0 {
					rest = rest[i:]
					break
				}
				if !unicode.IsGraphic(r) && r != '\n' && r != '\t' {
					t.Fatalf("%q of %q steers a terminal", r, s)
				}
				if len(string(r)) == len(rest) {
					rest = ""
				}
			}
		}
	})
}
