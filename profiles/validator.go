// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"fmt"

	"github.com/google/jsonschema-go/jsonschema"
)

// resolve makes a validator of a schema. The library's own reader of JSON goes over
// a text once for each level, which took most of the time of a plan that is empty.
func resolve(s schema) (*jsonschema.Resolved, error) {
	v, err := s.validator()
	if err != nil {
		return nil, err
	}
	return v.Resolve(nil)
}

// validator is s in the validator's form. A keyword that it does not know is an
// error, or it would say nothing.
func (s schema) validator() (*jsonschema.Schema, error) {
	out := &jsonschema.Schema{}
	for keyword, v := range s {
		if err := s.keyword(out, keyword, v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s schema) keyword(out *jsonschema.Schema, keyword string, v any) (err error) {
	switch keyword {
	case "$schema", "title", "description":
	case "type":
		if name, one := v.(string); one {
			out.Type = name
		} else {
			out.Types = texts(v)
		}
	case "enum":
		out.Enum, _ = v.([]any)
	case "required":
		out.Required = texts(v)
	case "pattern":
		out.Pattern, _ = v.(string)
	case "uniqueItems":
		out.UniqueItems, _ = v.(bool)
	case "minimum":
		out.Minimum = number(v)
	case "maximum":
		out.Maximum = number(v)
	case "minLength":
		out.MinLength = new(int(*number(v)))
	case "maxLength":
		out.MaxLength = new(int(*number(v)))
	case "minItems":
		out.MinItems = new(int(*number(v)))
	case "maxItems":
		out.MaxItems = new(int(*number(v)))
	case "additionalProperties":
		switch of := s.raw(keyword); {
		case of != nil:
			out.AdditionalProperties, err = schema(of).validator()
		case v == false:
			out.AdditionalProperties = &jsonschema.Schema{Not: &jsonschema.Schema{}}
		default:
			return fmt.Errorf("additionalProperties is %v, and only false and a schema are known", v)
		}
	case "properties":
		out.Properties = map[string]*jsonschema.Schema{}
		for name, p := range s.properties() {
			if out.Properties[name], err = p.validator(); err != nil {
				return err
			}
		}
	case "items":
		out.Items, err = schema(s.raw("items")).validator()
	case "oneOf":
		for _, one := range s.oneOf() {
			v, err := one.validator()
			if err != nil {
				return err
			}
			out.OneOf = append(out.OneOf, v)
		}
	default:
		return fmt.Errorf("the keyword %q is not known", keyword)
	}
	return err
}

func texts(v any) []string {
	var out []string
	list, _ := v.([]any)
	for _, t := range list {
		out = append(out, fmt.Sprint(t))
	}
	return out
}

func number(v any) *float64 {
	n, _ := v.(float64)
	return &n
}
