// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
)

// YAML is the document as people keep it: what it is of and what was left out in comments, and the profile.
func (d Document) YAML(of string) ([]byte, error) {
	fail := func(err error) error { return fmt.Errorf("writing the captured profile %s: %w", d.Name, err) }
	plain, err := json.Marshal(d)
	if err != nil {
		return nil, fail(err)
	}
	text, err := yaml.JSONToYAML(plain)
	if err != nil {
		return nil, fail(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", line(of))
	b.WriteString("# What is so from the start is left out, and with it everything that hangs on the netdevs (addresses, routes): nicwright keeps that by itself.\n")
	for _, l := range d.Left {
		fmt.Fprintf(&b, "# Left out: %s: %s.\n", line(l.What), line(l.Why))
	}
	b.Write(text)
	if !strings.HasSuffix(string(text), "\n") {
		b.WriteByte('\n')
	}
	return []byte(b.String()), nil
}

// line is text that stays within a comment: names on a host are anybody's.
func line(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, text)
}
