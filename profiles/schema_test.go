// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write the generated and golden files anew")

// independent is the schema to a validator that is not the product's.
func independent(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("urn:schema", doc); err != nil { // a file's name wants a working directory
		t.Fatal(err)
	}
	s, err := c.Compile("urn:schema")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The built-in profiles hold against the published schema when an independent
// reader of YAML and an independent validator look at them.
func TestBuiltInAgainstSchema(t *testing.T) {
	s := independent(t)
	files, err := filepath.Glob("builtin/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("built-in profiles: %v, %v", files, err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := yaml.Unmarshal(data, &v); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("%s: %v", f, err)
		}
		name := strings.TrimSuffix(filepath.Base(f), ".yaml")
		if !bytes.HasPrefix(data, []byte("# "+name+": ")) {
			t.Errorf("%s does not begin with a comment that says what it is: # %s: ...", f, name)
		}
		p, err := Load(Options{Name: name})
		if err != nil {
			t.Errorf("loading %s: %v", name, err)
			continue
		}
		if p.Name != name || p.Description == "" {
			t.Errorf("%s: name %q, description %q", f, p.Name, p.Description)
		}
	}
}

// Every property that a person can write is described, and every keyword of the
// schema that limits a value is one that an error message knows to explain.
func TestSchemaIsComplete(t *testing.T) {
	book, err := theSchema()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{
		"oneOf":   true,
		"$schema": true, "title": true, "description": true, "type": true, "properties": true, "additionalProperties": true, "required": true,
		"items": true, "enum": true, "minimum": true, "maximum": true, "minLength": true, "maxLength": true, "pattern": true, "uniqueItems": true, "minItems": true, "maxItems": true,
	}
	var walk func(path string, s schema)
	walk = func(path string, s schema) {
		for k := range s {
			if !known[k] {
				t.Errorf("%s has the keyword %s, which explain does not know", path, k)
			}
		}
		if s.isA("object") && s["additionalProperties"] != false && s.values() == nil { // names that are the kernel's or the driver's are not known here
			t.Errorf("%s lets unknown keys in", path)
		}
		for name, p := range s.properties() {
			if p["description"] == nil || p["description"] == "" {
				t.Errorf("%s.%s has no description", path, name)
			}
			walk(path+"."+name, p)
		}
		if it := s.items(); it != nil {
			walk(path+"[]", it)
		}
		if s["oneOf"] != nil {
			for i, one := range s.oneOf() {
				walk(fmt.Sprintf("%s(%d)", path, i), one)
			}
		}
	}
	walk("$", book.root)
}

// What Resolve puts into a want is no key of a profile.
func TestSchemaHasNoResolvedFields(t *testing.T) {
	text := Schema()
	for _, key := range []string{`"functions"`, `"follows"`, `"driver_kept"`, `"take-from-of"`, `"before"`, `"owner"`} {
		if bytes.Contains(text, []byte(key)) {
			t.Errorf("the schema has %s", key)
		}
	}
}

// vfs is a number or a list of ranges, also to a validator that is not ours, and
// what is read is written as it was.
func TestVFsAgainstSchema(t *testing.T) {
	s := independent(t)
	for _, tt := range []struct {
		vfs string
		ok  bool
	}{
		{`4`, true},
		{`null`, true},
		{`[]`, true},
		{`[{"name":"a","vf":"0-3","driver":"vfio-pci"}]`, true},
		{`[{"name":"a","vf":"5"}]`, true},
		{`128`, false},
		{`-1`, false},
		{`"4"`, false},
		{`{}`, false},
		{`[{"name":"a"}]`, false},
		{`[{"vf":"0"}]`, false},
		{`[{"name":"a","vf":"0,1"}]`, false},
		{`[{"name":"a","vf":"0","up":true}]`, false},
	} {
		text := `{"version":1,"cards":[{"name":"c","ports":[{"name":"p","vfs":` + tt.vfs + `}]}]}`
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(doc); (err == nil) != tt.ok {
			t.Errorf("vfs: %s: %v", tt.vfs, err)
		}
		n, errs := parse("text", 0, []byte(text))
		if bad, err := validate(n); len(errs) != 0 || err != nil || (len(bad) == 0) != tt.ok {
			t.Errorf("vfs: %s: ours: %v, %v, %v", tt.vfs, errs, bad, err)
		}
		if !tt.ok || tt.vfs == "null" {
			continue
		}
		var l VFList
		if err := json.Unmarshal([]byte(tt.vfs), &l); err != nil {
			t.Fatal(err)
		}
		if again, err := json.Marshal(l); err != nil || !sameJSON(t, tt.vfs, string(again)) {
			t.Errorf("vfs: %s is written as %s, %v", tt.vfs, again, err)
		}
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

// A shell may stand in a directory that is gone.
func TestSchemaNeedsNoWorkingDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := newRulebook(); err != nil {
		t.Error(err)
	}
}

// The example of docs/write-a-profile.md is what it says: eight VFs.
func TestDocumentedRanges(t *testing.T) {
	text, err := os.ReadFile("../docs/write-a-profile.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, found := strings.Cut(string(text), "\n    ports:\n")
	example, _, _ = strings.Cut(example, "\n\n")
	if !found {
		t.Fatal("no example of ranges")
	}
	w, err := resolveText(t, onePort+example+"\n", []CardInfo{card("MT1", "3b", 0)})
	if err != nil {
		t.Fatal(err)
	}
	port := w.Ports["0001:3b:00.0"]
	if *port.VFs != 8 || *port.Functions[3].Driver != "vfio-pci" || *port.Functions[7].MAC != "02:00:00:00:00:07" || len(w.Offload) != 4 {
		t.Errorf("got %+v, %v", port, w.Offload)
	}
}
