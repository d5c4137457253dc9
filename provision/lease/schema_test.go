// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	reflector "github.com/invopop/jsonschema"

	"github.com/nicwright/nicwright/internal/golden"
)

// The published schema is that of the types, with their doc comments.
func TestSchemaIsThatOfTheTypes(t *testing.T) {
	r := &reflector.Reflector{Anonymous: true, DoNotReference: true}
	if err := r.AddGoComments("github.com/nicwright/nicwright/provision/lease", ".", reflector.WithFullComment()); err != nil {
		t.Fatal(err)
	}
	for name, text := range r.CommentMap {
		r.CommentMap[name] = strings.Join(strings.Fields(text), " ")
	}
	one, list := r.ReflectFromType(reflect.TypeFor[Answer]()), r.ReflectFromType(reflect.TypeFor[List]())
	one.Version, list.Version = "", ""
	s := reflector.Schema{Version: reflector.Version, Title: "what nicwright vf lease and vf list print", OneOf: []*reflector.Schema{one, list}}
	text, err := json.MarshalIndent(&s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "schema.json", string(text)+"\n")
}
