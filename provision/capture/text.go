// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/nicwright/nicwright/internal/vlans"
)

// YAML is the document as people keep it: what it is of and what was left out in comments, and the profile.
func (d Document) YAML(of string) ([]byte, error) {
	fail := func(err error) error { return fmt.Errorf("writing the captured profile %s: %w", d.Name, err) }
	plain, err := json.Marshal(d)
	if err != nil {
		return nil, fail(err)
	}
	var tree yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(plain, &tree, yaml.UseOrderedMap()); err != nil {
		return nil, fail(err)
	}
	text, err := yaml.Marshal(withRanges(tree))
	if err != nil {
		return nil, fail(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", line(of))
	b.WriteString("# What is so from the start is left out, and with it what hangs on the netdevs that are not named here: nicwright keeps that by itself.\n")
	for _, l := range d.Left {
		fmt.Fprintf(&b, "# Left out: %s: %s.\n", line(l.What), line(l.Why))
	}
	b.Write(text)
	if !strings.HasSuffix(string(text), "\n") {
		b.WriteByte('\n')
	}
	return []byte(b.String()), nil
}

// withRanges is a tree in which VLANs in a row are written as ranges: a port that carries all has 4,094.
func withRanges(v any) any {
	switch v := v.(type) {
	case yaml.MapSlice:
		for i := range v {
			if list, ok := v[i].Value.([]any); ok && slices.Contains([]any{"trunks", "untagged", "cvlans"}, v[i].Key) {
				v[i].Value = ranged(list)
				continue
			}
			v[i].Value = withRanges(v[i].Value)
		}
	case []any:
		for i := range v {
			v[i] = withRanges(v[i])
		}
	}
	return v
}

// ranged is a list of VLANs, of which three and more in a row are one text.
func ranged(list []any) []any {
	var numbers []int
	for _, v := range list {
		n, _ := strconv.Atoi(fmt.Sprint(v)) // it was an int
		numbers = append(numbers, n)
	}
	all := []any{}
	for _, r := range vlans.Runs(numbers) {
		if r.Last-r.First >= 2 {
			all = append(all, r.String())
			continue
		}
		for n := r.First; n <= r.Last; n++ {
			all = append(all, n)
		}
	}
	return all
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
