// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

const vocabularyPage = "../docs/profile.md"

// docs/profile.md is made of the schema, which is made of the types; its examples are
// of profiles that load. -update writes it.
func TestVocabularyPage(t *testing.T) {
	v := &vocabulary{t: t, samples: samples(t), unused: maps.Clone(unset)}
	want := v.page()
	if t.Failed() {
		return
	}
	if *update {
		if err := os.WriteFile(vocabularyPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(vocabularyPage)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(have), want); d != "" {
		t.Errorf("docs/profile.md is not what the types say; run: go test ./profiles -run TestVocabularyPage -update\n%s", d)
	}
}

// samples are the values that profiles give to keys, by the path of the schema: of the
// examples first, then of the built-in profiles, then of testdata/vocabulary. Each
// profile loads.
func samples(t *testing.T) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, pattern := range []string{"../examples/*.yaml", "builtin/*.yaml", "testdata/vocabulary/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no profiles: %v", pattern, err)
		}
		for _, f := range files {
			if _, err := Load(Options{Name: f}); err != nil {
				t.Errorf("an example of docs/profile.md does not load: %v", err)
			}
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var doc any
			if err := yaml.Unmarshal(text, &doc); err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			collectSamples(all, "", doc)
		}
	}
	// A range has the keys of vf, and for some of them only one VF can be meant.
	for path, value := range maps.Clone(all) {
		if key, ok := strings.CutPrefix(path, "cards[].ports[].vfs[]."); ok && all["cards[].ports[].vf."+key] == nil {
			all["cards[].ports[].vf."+key] = value
		}
	}
	return all
}

func collectSamples(all map[string]any, path string, v any) {
	if _, there := all[path]; !there && path != "" {
		all[path] = v
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			collectSamples(all, strings.TrimPrefix(path+"."+k, "."), v[k])
		}
	case []any:
		for _, e := range v {
			collectSamples(all, path+"[]", e)
		}
	}
}

// vocabulary writes the page.
type vocabulary struct {
	t       *testing.T
	samples map[string]any
	unused  map[string]string // of unset, what was not asked for yet
	tables  []table           // so far
	b       strings.Builder
}

// table is the keys of an object.
type table struct {
	path string
	keys map[string]schema
}

const vocabularyHead = `# All that a profile can say

<!-- Made of the types by a test: go test ./profiles -run TestVocabularyPage -update -->

How a profile is written, and what layers are: [write a profile](write-a-profile.md). Profiles to begin with: [examples](../examples/README.md). The same for
editors: ` + "`nicwright profile schema`" + `.

A table each mapping, under its path; ` + "`[]`" + ` is an entry of a list. *Unset* is what a key means that is in no layer, or ` + "`null`" + ` in the last that has it. *As it is* is
what the host has: nicwright does not change it. Every example is of a profile that a test loads.
`

func (v *vocabulary) page() string {
	book, err := theSchema()
	if err != nil {
		v.t.Fatal(err)
	}
	v.b.WriteString(vocabularyHead)
	v.object("", book.root)
	for path := range v.unused {
		v.t.Errorf("unset says what %s means that is not set, and there is no such key", path)
	}
	v.b.WriteString("\n## Rules\n\nWhat has to hold beyond the types (`nicwright check --rules` has the sources). *Host*: the host is looked at.\n\n| rule | | holds |\n|---|---|---|\n")
	for _, r := range Rules() {
		kind := string(r.Severity)
		if r.Host {
			kind += ", host"
		}
		fmt.Fprintf(&v.b, "| %s | %s | %s |\n", r.ID, kind, cell(r.Sentence))
	}
	return v.b.String()
}

// object writes the table of a mapping, and those of what is in it.
func (v *vocabulary) object(path string, s schema) {
	title := "`" + path + "`"
	if path == "" {
		title = "The document"
	}
	fmt.Fprintf(&v.b, "\n## %s\n\n", title)
	keys := s.properties()
	own := maps.Clone(keys)
	// A table that is in this one is not written twice.
	for _, other := range v.tables {
		if len(other.keys) > 2 && contains(keys, other.keys) {
			for k := range other.keys {
				delete(own, k)
			}
			fmt.Fprintf(&v.b, "The keys of %s%s\n", link(other.path), map[bool]string{true: ".", false: ", which win over those, and:\n"}[len(own) == 0])
			break
		}
	}
	v.tables = append(v.tables, table{path, keys})
	if len(own) == 0 {
		return
	}
	v.b.WriteString("| key | value | what it is | unset | example |\n|---|---|---|---|---|\n")
	required, _ := s["required"].([]any)
	order := s.keys()
	for _, k := range order {
		if p, there := own[k]; there {
			v.row(path, k, p, slices.Contains(required, any(k)))
		}
	}
	for _, k := range order {
		p, there := own[k]
		switch below := strings.TrimPrefix(path+"."+k, "."); {
		case !there:
		case len(p.properties()) > 0:
			v.object(below, p)
		case len(p.items().properties()) > 0:
			v.object(below+"[]", p.items())
		}
	}
}

// contains tells whether all keys of some are in all, and mean the same.
func contains(all, some map[string]schema) bool {
	for k, s := range some {
		if !reflect.DeepEqual(all[k], s) {
			return false
		}
	}
	return true
}

func (v *vocabulary) row(path, key string, s schema, required bool) {
	full := strings.TrimPrefix(path+"."+key, ".")
	text, _ := s["description"].(string)
	if text == "" {
		v.t.Errorf("%s has no description: write a doc comment at its field", full)
	}
	example := "" // of what has its own table
	if len(s.properties()) == 0 && len(s.items().properties()) == 0 || s.isA("integer") {
		value, there := v.samples[full]
		if !there {
			v.t.Errorf("%s is in no example: add it to a profile in testdata/vocabulary", full)
		}
		example = "`" + cell(flow(v.t, key, value)) + "`"
	}
	fmt.Fprintf(&v.b, "| `%s` | %s | %s | %s | %s |\n", key, v.value(full, s), cell(plain(key, text)), cell(v.unset(full, text, required)), example)
}

// unset is what it means that a key is not set.
func (v *vocabulary) unset(path, text string, required bool) string {
	said, there := unset[path]
	delete(v.unused, path)
	switch m := saysUnset.FindStringSubmatch(text); {
	case required:
		return "**has to be there**"
	case there:
		return said
	case m != nil:
		return m[1]
	case strings.HasPrefix(path, "verify"), strings.HasPrefix(path, "bench"):
		v.t.Errorf("what %s means that is not set is neither in its doc comment (unset: ...) nor in the test's table", path)
	}
	return "as it is"
}

var saysUnset = regexp.MustCompile(`[Uu]nset: ([^;.]+)`)

// unset has what doc comments do not say, by path.
var unset = map[string]string{
	"name":                             "needed, in one of the layers (NW001)",
	"description":                      "none",
	"cards":                            "needed, in one of the layers (NW001)",
	"cards[].select":                   "needed, in one of the layers (NW002)",
	"cards[].select.pci":               "not looked at",
	"cards[].select.vendor":            "not looked at",
	"cards[].select.device":            "not looked at",
	"cards[].select.model":             "not looked at",
	"cards[].select.serial":            "not looked at",
	"cards[].ports[].port":             "needed, in one of the layers (NW003)",
	"cards[].ports[].take-from":        "an uplink that has a master stays there, and a plan that needs it is refused",
	"cards[].ports[].vf.driver":        "the one it has; a new VF gets what the kernel gives it",
	"bonds[].lag":                      "not asked for",
	"bonds[].take-from":                "a bond that has a master stays there, and a plan that needs it is refused",
	"bonds[].take-addresses":           "an uplink that has some is refused",
	"ovs.bridges[].ports[].bond":       "one of bond, vf and uplink is needed (NW005)",
	"ovs.bridges[].ports[].vf":         "one of bond, vf and uplink is needed (NW005)",
	"ovs.bridges[].ports[].uplink":     "one of bond, vf and uplink is needed (NW005)",
	"ovs.bridges[].ports[].tag":        "no VLAN of its own; without `trunks` too, a trunk of all VLANs",
	"ovs.bridges[].ports[].trunks":     "with `tag` an access port, else a trunk of all VLANs",
	"ovs.bridges[].ports[].cvlans":     "all",
	"ovs.bridges[].flows[].match":      "all frames",
	"ovs.bridges[].ports[].take-from":  "it stays where it is, with an error",
	"vlans[].bond":                     "one of bond and uplink is needed (NW034)",
	"vlans[].uplink":                   "one of bond and uplink is needed (NW034)",
	"vlans[].mtu":                      "that of the netdev below; of one that is there, as it is",
	"vlans[].up":                       "as it is; one that is made is up",
	"bridges[].mtu":                    "the least of its ports'; of one that is there, as it is",
	"bridges[].up":                     "as it is; one that is made, or that takes addresses, is up",
	"bridges[].vlan_filtering":         "as it is; of one that is made, off",
	"bridges[].ports[].bond":           "one of bond, vf and uplink is needed (NW005)",
	"bridges[].ports[].vf":             "one of bond, vf and uplink is needed (NW005)",
	"bridges[].ports[].uplink":         "one of bond, vf and uplink is needed (NW005)",
	"bridges[].ports[].pvid":           "with `untagged` or `trunks`, untagged frames do not come in; without, as it is",
	"bridges[].ports[].untagged":       "with `pvid` or `trunks` none; without, as it is",
	"bridges[].ports[].trunks":         "with `pvid` or `untagged` none; without, as it is",
	"bridges[].ports[].take-from":      "it stays where it is, with an error",
	"bridges[].ports[].take-addresses": "one that has some is refused",
	"networks":                         "none: no VF is leased",
	"networks[].bridge":                "in switchdev, the representor is left where it is",
	"networks[].tag":                   "no VLAN of its own; without `trunks` too, a trunk of all VLANs",
	"networks[].trunks":                "with `tag` an access port, else a trunk of all VLANs",
	"networks[].driver":                "what the profile says of the VF, else the one that it has",
	"verify":                           "all is tried, nothing is required",
	"verify.in-use":                    "they are left alone",
	"verify.peers":                     "none",
	"verify.ktls":                      "it is tried and reported",
	"verify.ipsec":                     "it is tried and reported",
	"verify.vlan":                      "it is tried and reported",
	"verify.flows":                     "it is tried and reported",
	"verify.bond":                      "it is tried and reported",
	"verify.bond.failover":             "no link is taken down",
}

// value says what may be written.
func (v *vocabulary) value(path string, s schema) string {
	var out []string
	for _, one := range s.oneOf() {
		if words := alternative(path, one); words != "" {
			out = append(out, words)
		}
	}
	if len(out) == 0 {
		v.t.Errorf("%s: nothing is known of its type", path)
	}
	return strings.Join(out, ", or ")
}

func alternative(path string, s schema) string {
	enum := s.enum()
	for i, e := range enum {
		enum[i] = "`" + e + "`"
	}
	switch {
	case len(enum) > 0:
		return strings.Join(enum, ", ")
	case s.isA("boolean"):
		return "`true`, `false`"
	case s.isA("integer"), s.isA("number"):
		kind := s.types()[0]
		switch lo, hi := s["minimum"], s["maximum"]; {
		case lo != nil && hi != nil:
			return fmt.Sprintf("%s, %s..%s", kind, digits(lo), digits(hi))
		case lo != nil:
			return kind + ", from " + digits(lo)
		}
		return kind
	case s.isA("array") && len(s.items().properties()) > 0:
		return "list of " + link(path+"[]")
	case s.isA("array"):
		var each []string
		for _, one := range s.items().oneOf() {
			each = append(each, alternative(path+"[]", one))
		}
		words := "list: " + strings.Join(each, ", or ")
		if s["uniqueItems"] == true {
			words += "; each once"
		}
		if n := s["minItems"]; n != nil && n == s["maxItems"] {
			words += fmt.Sprintf("; %s of them", digits(n))
		}
		return words
	case s.values() != nil:
		var each []string
		for _, one := range s.values().oneOf() {
			if words := alternative(path, one); words != "" {
				each = append(each, words)
			}
		}
		return "mapping of names to " + strings.Join(each, ", or ")
	case len(s.properties()) > 0 && s.properties()["permanent"] != nil: // a param's modes, which have no table of their own
		return "mapping of `runtime`, `driverinit`, `permanent` to one of those"
	case s.isA("object"):
		return "mapping " + link(path)
	case s.isA("string"):
		words := "text"
		switch lo, hi := s["minLength"], s["maxLength"]; {
		case hi != nil:
			words += fmt.Sprintf(", %s..%s characters", digits(lo), digits(hi))
		case lo != nil:
			words += ", not empty"
		}
		if p, ok := s["pattern"].(string); ok {
			words += ", `" + cell(p) + "`"
		}
		return words
	}
	return ""
}

// digits are a number of the schema's, however it was read.
func digits(v any) string {
	if f, ok := v.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// plain makes a doc comment one of the key's: without the key at its head, which is
// in the row, with keys for Go's names, and without what happens inside.
func plain(key, text string) string {
	for _, head := range []string{key + ": ", key + " is ", key + " are ", key + " has "} {
		if rest, ok := strings.CutPrefix(text, head); ok {
			text = rest
			break
		}
	}
	text = inside.ReplaceAllString(text, "")
	text = strings.TrimSpace(inUnset.ReplaceAllString(text, ""))
	return strings.NewReplacer(
		"VLANMode", "`vlan_mode`", "excludes Tag", "excludes `tag`", "as From is", "as `from` is", "In a profile CARD/PORT; resolved, as in Members.", "CARD/PORT.", "In a profile CARD/PORT", "CARD/PORT",
	).Replace(text)
}

// inside is what Resolve makes of a reference, of which a profile says nothing.
var inside = regexp.MustCompile(`; resolved, (pci\.Function\.String\(\)( of the PF| of one VF)?|the PF's PCI address)`)

// inUnset is what is in the column of that name.
var inUnset = regexp.MustCompile(`; unset: [^;.]+|(^| )Unset: [^;.]+[.]`)

// flow is `key: value` in YAML's short form.
func flow(t *testing.T, key string, value any) string {
	t.Helper()
	if list, ok := value.([]any); ok && len(list) > 0 {
		if _, entries := list[0].(map[string]any); entries {
			value = list[:1] // one will do
		}
	}
	text, err := yaml.MarshalWithOptions(map[string]any{key: value}, yaml.Flow(true))
	if err != nil {
		t.Fatalf("writing the example of %s: %v", key, err)
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(string(text)), "{"), "}")
}

// cell escapes what would end a table's cell.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// link is one to the table of a path.
func link(path string) string {
	return "[`" + path + "`](#" + strings.NewReplacer(".", "", "[", "", "]", "").Replace(path) + ")"
}
