package reference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// schema is what the reference says of a value of a scenario file: the part of JSON Schema that pkg/scenario writes.
type schema struct {
	Type        string            `json:"type"`
	Ref         string            `json:"$ref"`
	Description string            `json:"description"`
	Properties  properties        `json:"properties"`
	Required    []string          `json:"required"`
	Items       *schema           `json:"items"`
	Additional  json.RawMessage   `json:"additionalProperties"` // false, or the schema of the values of a map
	OneOf       []schema          `json:"oneOf"`
	AnyOf       []schema          `json:"anyOf"`
	Enum        []any             `json:"enum"`
	Pattern     string            `json:"pattern"`
	Default     any               `json:"default"`
	Examples    []any             `json:"examples"`
	Minimum     json.Number       `json:"minimum"`
	Maximum     json.Number       `json:"maximum"`
	Definitions map[string]schema `json:"$defs"`
}

// property is a field of an object.
type property struct {
	name string
	schema
}

// properties are the fields of an object in the order of the file.
type properties []property

// UnmarshalJSON reads the fields in their order.
func (p *properties) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil {
		return fmt.Errorf("read properties: %w", err)
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return fmt.Errorf("read the name of a property: %w", err)
		}
		each := property{name: fmt.Sprint(name)}
		if err := decoder.Decode(&each.schema); err != nil {
			return fmt.Errorf("read the property %s: %w", each.name, err)
		}
		*p = append(*p, each)
	}
	return nil
}

// find returns a field; nil if there is none.
func (p properties) find(name string) *property {
	for i := range p {
		if p[i].name == name {
			return &p[i]
		}
	}
	return nil
}

// fields returns the object that a value is, or that each value of a list or a map is, with what is written behind the path to it; nil
// if it is none with fields of its own.
func (s *schema) fields() (object *schema, behind string) {
	switch {
	case len(s.Properties) > 0:
		return s, ""
	case s.Items != nil && len(s.Items.Properties) > 0:
		return s.Items, "[]"
	}
	for i := range s.OneOf {
		if len(s.OneOf[i].Properties) > 0 {
			return &s.OneOf[i], ""
		}
	}
	if values := s.values(); values != nil {
		if object, _ := values.fields(); object != nil {
			return object, ".KEY"
		}
	}
	return nil, ""
}

// values returns the schema of a map's values; nil if it is no map.
func (s *schema) values() *schema {
	var values schema
	if len(s.Additional) == 0 || json.Unmarshal(s.Additional, &values) != nil {
		return nil
	}
	return &values
}

// links are where the definitions of a schema are explained.
func links(definition string) string {
	switch strings.TrimPrefix(definition, "#/$defs/") {
	case "fault":
		return "[fault](" + faultsPage + ")"
	case "invariant":
		return "[invariant](" + invariantsPage + ")"
	default:
		return "[anchor](" + anchorsPage + "), with delay and deadline"
	}
}

// kind says in words what a value is.
func (s *schema) kind() string {
	switch {
	case s.Ref != "":
		return links(s.Ref)
	case len(s.OneOf) > 0:
		return alternatives(s.OneOf)
	case len(s.AnyOf) > 0:
		return alternatives(s.AnyOf)
	case len(s.Enum) > 0:
		return quotedAll(texts(s.Enum))
	case s.Type == "array" && s.Items != nil:
		if kind := s.Items.kind(); kind != "object" {
			return "list of " + kind
		}
		return "list of objects"
	case s.Type == "object":
		if values := s.values(); values != nil {
			return "map to " + values.kind()
		}
		return "object"
	case s.Type == "integer" || s.Type == "number":
		return s.number()
	case s.Type == "boolean":
		return quotedAll([]string{"true", "false"})
	default:
		return s.text()
	}
}

func alternatives(all []schema) string {
	kinds := make([]string, len(all))
	for i := range all {
		kinds[i] = all[i].kind()
	}
	return strings.Join(kinds, ", or ")
}

func (s *schema) number() string {
	kind := map[string]string{"integer": "whole number", "number": "number"}[s.Type]
	switch {
	case s.Minimum != "" && s.Maximum != "":
		return fmt.Sprintf("%s, %s to %s", kind, s.Minimum, s.Maximum)
	case s.Minimum != "":
		return fmt.Sprintf("%s, %s or more", kind, s.Minimum)
	default:
		return kind
	}
}

// text says what a text is. A pattern is for machines; people are shown an example.
func (s *schema) text() string {
	switch {
	case strings.Contains(s.Pattern, `\.\.`) && strings.Contains(s.Pattern, "(h|m|s|ms|us|ns)"):
		return "duration, or a range: `2s`, `1s..5s`"
	case strings.Contains(s.Pattern, "(h|m|s|ms|us|ns)"):
		return "duration"
	case strings.HasPrefix(s.Pattern, "^manifest/"):
		return quoted("manifest/NAME")
	case len(s.Examples) > 0:
		return "text, like " + quoted(fmt.Sprint(s.Examples[0]))
	default:
		return "text"
	}
}

func texts(values []any) []string {
	words := make([]string, len(values))
	for i, value := range values {
		words[i] = fmt.Sprint(value)
	}
	return words
}
