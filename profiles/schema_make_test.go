// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	reflector "github.com/invopop/jsonschema"

	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/vlans"
)

// The published schema is that of the types that documents are decoded into, with
// their doc comments.
func TestSchemaIsThatOfTheTypes(t *testing.T) {
	want := makeSchema(t)
	if *update {
		if err := os.WriteFile("schema.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(want, published) {
		t.Error("schema.json is not what the types say; run: go test ./profiles -run TestSchemaIsThatOfTheTypes -update")
	}
}

func makeSchema(t *testing.T) []byte {
	t.Helper()
	s := newReflector(comments(t)).ReflectFromType(reflect.TypeFor[Profile]())
	s.Title = "nicwright profile"
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	// The reflector keeps the order of the fields and encoding/json does not, so null is let in on the text's tree.
	var tree schema
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	tree.drop(reflect.TypeFor[Profile]())
	tree.letNullIn()
	out, err := json.MarshalIndent(tree, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

// comments are those of the document's types and their fields: the packages have many more.
func comments(t *testing.T) map[string]string {
	t.Helper()
	var r reflector.Reflector
	for _, dir := range []string{"profiles", "eswitch", "eswitch/ovs", "eswitch/flows", "eswitch/bridge", "bond", "crypto", "hostnet", "hostnet/tuning", "hostnet/vlan"} {
		if err := r.AddGoComments("nicwright", "../"+dir, reflector.WithFullComment()); err != nil {
			t.Fatal(err)
		}
	}
	keep := map[string]string{}
	for name, text := range r.CommentMap {
		name = "github.com/nicwright/nicwright/" + name // AddGoComments cleans "github.com/nicwright/nicwright/../bond.Spec"
		pkg := name[strings.LastIndex(name, "/")+1:]
		switch parts := strings.SplitN(pkg, ".", 3); parts[0] + "." + parts[min(1, len(parts)-1)] {
		case "profiles.Profile", "profiles.Network", "profiles.Card", "profiles.Select", "profiles.Port", "profiles.VF", "profiles.Range", "eswitch.RateGroup", "eswitch.PortSpec", "eswitch.FunctionSpec",
			"bond.Spec", "bridge.Spec", "bridge.Port", "ovs.Spec", "ovs.Bridge", "ovs.Port", "ovs.Settings", "crypto.Spec", "crypto.KTLSSpec", "crypto.IPsecSpec",
			"profiles.Bond", "profiles.VLAN", "vlan.Spec", "profiles.Bridge", "profiles.Switch", "profiles.SwitchBridge", "flows.Rule", "hostnet.AddressSpec", "hostnet.RouteSpec", "tuning.Rings", "tuning.Channels", "tuning.Coalesce", "tuning.Pause", "tuning.Spec", "tuning.UplinkSpec", "tuning.VFSpec", "profiles.VerifySpec", "profiles.PairSpec", "profiles.PeerSpec", "profiles.BenchSpec", "profiles.HTTPSBench", "profiles.NFSBench", "profiles.IPsecBench", "ovs.VLANProofSpec", "ovs.FlowsProofSpec", "bond.ProofSpec":
			keep[name] = strings.Join(strings.Fields(text), " ")
		}
	}
	return keep
}

func newReflector(docs map[string]string) *reflector.Reflector {
	r := &reflector.Reflector{Anonymous: true, DoNotReference: true, RequiredFromJSONSchemaTags: true}
	r.LookupComment = func(t reflect.Type, name string) string { return describe(docs, t, name) }
	r.Mapper = func(t reflect.Type) *reflector.Schema {
		switch t {
		case reflect.TypeFor[VFList]():
		case reflect.TypeFor[eswitch.ParamValue]():
			return paramSchema()
		case reflect.TypeFor[vlans.List]():
			return &reflector.Schema{Type: "array", UniqueItems: true, Items: &reflector.Schema{OneOf: []*reflector.Schema{
				{Type: "integer", Minimum: "1", Maximum: json.Number(strconv.Itoa(vlans.Max))},
				{Type: "string", Pattern: "^[0-9]{1,4}-[0-9]{1,4}$"},
			}}}
		default:
			return nil
		}
		// A number, or a list of ranges; the validator takes of the keywords those of the type that is there.
		return &reflector.Schema{OneOf: []*reflector.Schema{
			{Type: "integer", Minimum: "0", Maximum: json.Number(strconv.Itoa(maxVFs))},
			{Type: "array", Items: newReflector(docs).ReflectFromType(reflect.TypeFor[[]Range]()).Items},
		}}
	}
	return r
}

// paramSchema is a value as the kernel has them, or one for each of its configuration modes.
func paramSchema() *reflector.Schema {
	scalars := func() []*reflector.Schema {
		return []*reflector.Schema{{Type: "boolean"}, {Type: "integer", Minimum: "0"}, {Type: "string", MinLength: new(uint64(1))}}
	}
	modes := reflector.NewProperties()
	for _, mode := range []string{"runtime", "driverinit", "permanent"} {
		modes.Set(mode, &reflector.Schema{OneOf: scalars()})
	}
	return &reflector.Schema{OneOf: append(scalars(), &reflector.Schema{Type: "object", Properties: modes, AdditionalProperties: reflector.FalseSchema})}
}

// describe is the doc comment of a type, or of its field of that name. It begins
// with the key instead of the field: the key is what people know.
func describe(docs map[string]string, t reflect.Type, name string) string {
	id := t.PkgPath() + "." + t.Name()
	if name == "" || t.Kind() != reflect.Struct {
		return docs[id]
	}
	text := docs[id+"."+name]
	f, _ := t.FieldByName(name)
	key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if rest, ok := strings.CutPrefix(text, name); ok && key != "" {
		return key + rest
	}
	return text
}

// drop takes out what is no key of a profile (yaml:"-"): what Resolve puts there.
func (s schema) drop(t reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer:
		s.drop(t.Elem())
	case reflect.Slice:
		s.items().drop(t.Elem())
	case reflect.Struct:
		if t == reflect.TypeFor[VFList]() {
			s.items().drop(reflect.TypeFor[Range]())
			return
		}
		for i := range t.NumField() {
			f := t.Field(i)
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Anonymous:
				s.drop(f.Type)
			case f.Tag.Get("yaml") == "-":
				delete(s.raw("properties"), key)
			case s.properties()[key] != nil:
				s.properties()[key].drop(f.Type)
			}
		}
	}
}

// orNull allows null beside what is allowed.
func (s schema) orNull() {
	if one, ok := s["oneOf"].([]any); ok {
		s["oneOf"] = append(one, map[string]any{"type": "null"})
		return
	}
	s["type"] = []any{s["type"], "null"}
}

// letNullIn allows null for whatever is not required: a layer takes away with
// it what is below.
func (s schema) letNullIn() {
	required, _ := s["required"].([]any)
	for name, p := range s.properties() {
		p.letNullIn()
		if slices.Contains(required, any(name)) {
			continue
		}
		p.orNull()
		if enum, ok := p["enum"].([]any); ok {
			p["enum"] = append(enum, nil)
		}
	}
	if of := schema(s.raw("additionalProperties")); of != nil {
		of.letNullIn()
		of.orNull()
	}
	if all, ok := s["oneOf"].([]any); ok { // the modes of a param
		for _, one := range all {
			if m, ok := one.(map[string]any); ok && len(schema(m).properties()) > 0 {
				schema(m).letNullIn()
			}
		}
	}
	if it := s.items(); it != nil {
		it.letNullIn()
	}
}
