// SPDX-License-Identifier: Apache-2.0

package sample

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	reflector "github.com/invopop/jsonschema"
)

var update = flag.Bool("update", false, "write schema.json anew")

// The published schema is that of the types, with their doc comments.
func TestSchemaIsThatOfTheTypes(t *testing.T) {
	want := makeSchema(t)
	if *update {
		if err := os.WriteFile("schema.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(want, published) {
		t.Error("schema.json is not what the types say; run: go test ./provision/bench/sample -run TestSchemaIsThatOfTheTypes -update")
	}
}

func makeSchema(t *testing.T) []byte {
	t.Helper()
	var comments reflector.Reflector
	const pkg = "github.com/nicwright/nicwright/provision/bench/sample"
	if err := comments.AddGoComments(pkg, "./", reflector.WithFullComment()); err != nil {
		t.Fatal(err)
	}
	r := &reflector.Reflector{Anonymous: true, DoNotReference: true}
	r.CommentMap = map[string]string{}
	for name, text := range comments.CommentMap {
		r.CommentMap[name] = strings.Join(strings.Fields(text), " ")
	}
	header, one := r.ReflectFromType(reflect.TypeFor[Header]()), r.ReflectFromType(reflect.TypeFor[Sample]())
	header.Version, one.Version = "", ""
	header.Title, one.Title = "header, the first line", "sample, every other line"
	if p, ok := header.Properties.Get("schema"); ok {
		p.Const = Schema
	}
	enum(one, "bench", HTTPS, NFS, IPsec)
	text, err := json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "a line of " + Schema, "oneOf": []any{header, one},
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

func enum(s *reflector.Schema, key string, values ...Bench) {
	if p, ok := s.Properties.Get(key); ok {
		for _, v := range values {
			p.Enum = append(p.Enum, string(v))
		}
	}
}

// What the writer writes is valid by the schema, and what has another field is not.
func TestWhatIsWrittenIsValid(t *testing.T) {
	var s jsonschema.Schema
	if err := json.Unmarshal(JSONSchema(), &s); err != nil {
		t.Fatal(err)
	}
	v, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSpace(written(t, aHeader(), aSample())), "\n") {
		var doc map[string]any
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			t.Fatal(err)
		}
		if err := v.Validate(doc); err != nil {
			t.Errorf("line %d: %v", i+1, err)
		}
		doc["news"] = 1
		if err := v.Validate(doc); err == nil {
			t.Errorf("line %d is valid with a field that there is not", i+1)
		}
	}
}
