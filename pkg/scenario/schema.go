package scenario

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
)

// durationPattern is what a duration with its unit looks like.
const durationPattern = `^([0-9]+(\.[0-9]*)?(h|m|s|ms|us|ns))+$`

// spanPattern is a duration or a range of two.
const spanPattern = `^([0-9]+(\.[0-9]*)?(h|m|s|ms|us|ns))+(\.\.([0-9]+(\.[0-9]*)?(h|m|s|ms|us|ns))+)?$`

// joined returns comments with their lines joined: where a comment is wrapped is no business of those who read the schema.
func joined(comments map[string]string) map[string]string {
	all := make(map[string]string, len(comments))
	for name, comment := range comments {
		all[name] = strings.ReplaceAll(comment, "\n", " ")
	}
	return all
}

// JSONSchema returns the JSON Schema of scenario files, from the types of this package and the catalogue. comments
// holds the types' Go comments as jsonschema.Reflector.AddGoComments collects them; they become descriptions.
// Only Load finds mistakes that no schema can describe (references between faults, contradictions).
func JSONSchema(catalogue Catalogue, comments map[string]string) ([]byte, error) {
	g := schemaGenerator{catalogue: catalogue, comments: joined(comments)}
	var defaults Scenario
	Default(&defaults)
	root := g.object(reflect.TypeFor[Scenario](), reflect.ValueOf(defaults), reflect.ValueOf(Scenario{}))
	root.Version = jsonschema.Version
	root.Title = "sparkchaos scenario"
	root.Definitions = jsonschema.Definitions{
		"fault":     g.choice(catalogue.Faults),
		"invariant": g.choice(catalogue.Invariants),
		"moment":    g.moment(),
	}
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the JSON schema: %w", err)
	}
	return append(out, '\n'), nil
}

type schemaGenerator struct {
	catalogue Catalogue
	comments  map[string]string
}

// object describes a struct. defaults holds the values that stand in for fields not given, given those that a field
// has before it is read: a field with one is not required.
func (g schemaGenerator) object(t reflect.Type, defaults, given reflect.Value) *jsonschema.Schema {
	s := &jsonschema.Schema{
		Type: "object", Properties: jsonschema.NewProperties(), AdditionalProperties: jsonschema.FalseSchema,
		Description: g.comments[t.PkgPath()+"."+t.Name()],
	}
	for _, f := range strictyaml.Fields(t) {
		field := g.value(f.Type, f.Tag, defaults.FieldByIndex(f.Index), given.FieldByIndex(f.Index))
		if comment := g.comments[t.PkgPath()+"."+t.Name()+"."+f.GoName]; comment != "" {
			field.Description = comment
		}
		s.Properties.Set(f.Name, field)
		if f.Required && given.FieldByIndex(f.Index).IsZero() {
			s.Required = append(s.Required, f.Name)
		}
	}
	return s
}

func (g schemaGenerator) value(t reflect.Type, tag reflect.StructTag, defaults, given reflect.Value) *jsonschema.Schema {
	if t.Kind() == reflect.Pointer {
		if defaults.IsNil() {
			defaults = reflect.New(t.Elem())
		}
		return g.value(t.Elem(), tag, defaults.Elem(), reflect.Zero(t.Elem()))
	}
	if special := g.special(t, tag); special != nil {
		special.Default = defaultOf(defaults)
		return special
	}
	switch t.Kind() {
	case reflect.Struct:
		return g.object(t, defaults, given)
	case reflect.Slice:
		return &jsonschema.Schema{Type: "array", Items: g.value(t.Elem(), tag, reflect.Zero(t.Elem()), reflect.Zero(t.Elem()))}
	case reflect.Map:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: g.value(t.Elem(), "", reflect.Zero(t.Elem()), reflect.Zero(t.Elem()))}
	case reflect.Bool:
		return bounded(&jsonschema.Schema{Type: "boolean", Default: defaultOf(defaults)}, tag)
	case reflect.String:
		return bounded(&jsonschema.Schema{Type: "string", Default: defaultOf(defaults), Pattern: tag.Get("pattern")}, tag)
	case reflect.Float64:
		return bounded(&jsonschema.Schema{Type: "number", Default: defaultOf(defaults)}, tag)
	default:
		return bounded(&jsonschema.Schema{
			Type: "integer", Default: defaultOf(defaults), Minimum: json.Number(tag.Get("min")), Maximum: json.Number(tag.Get("max")),
		}, tag)
	}
}

// special describes the types that are not written as what they are in Go.
func (g schemaGenerator) special(t reflect.Type, tag reflect.StructTag) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[Duration](), reflect.TypeFor[time.Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: durationPattern}
	case reflect.TypeFor[Span]():
		return &jsonschema.Schema{Type: "string", Pattern: spanPattern}
	case reflect.TypeFor[Moment]():
		return &jsonschema.Schema{Ref: "#/$defs/moment"}
	case reflect.TypeFor[Choice]():
		return &jsonschema.Schema{Ref: "#/$defs/" + tag.Get("choice")}
	case reflect.TypeFor[Timing]():
		knobs := g.object(reflect.TypeFor[Knobs](), reflect.ValueOf(Timing{Name: TimingProduction}.Resolve()), reflect.ValueOf(Knobs{}))
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string", Enum: texts(timings())}, knobs}}
	case reflect.TypeFor[PodTemplate](), reflect.TypeFor[JobOverlay]():
		return &jsonschema.Schema{Type: "object"} // Kubernetes' own, which Load checks
	case reflect.TypeFor[ConfValue]():
		one := uint64(1)
		source := g.object(reflect.TypeFor[confSource](), reflect.ValueOf(confSource{}), reflect.ValueOf(confSource{}))
		source.MinProperties, source.MaxProperties = &one, &one
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string"}, source}}
	default:
		return nil
	}
}

// choice describes a mapping with one entry of a list.
func (g schemaGenerator) choice(entries []Entry) *jsonschema.Schema {
	one := uint64(1)
	s := &jsonschema.Schema{
		Type: "object", Properties: jsonschema.NewProperties(), AdditionalProperties: jsonschema.FalseSchema,
		MinProperties: &one, MaxProperties: &one,
	}
	for _, entry := range entries {
		s.Properties.Set(entry.Name, g.entry(entry))
	}
	return s
}

func (g schemaGenerator) entry(entry Entry) *jsonschema.Schema {
	args := reflect.ValueOf(entry.Args()).Elem()
	s := g.object(args.Type(), args, args)
	s.Description = entry.Doc
	return s
}

// moment describes one anchor with delay and deadline beside it.
func (g schemaGenerator) moment() *jsonschema.Schema {
	s := g.choice(g.catalogue.Anchors)
	s.MinProperties, s.MaxProperties = nil, nil
	s.Description = g.comments[reflect.TypeFor[Moment]().PkgPath()+".Moment"]
	for _, entry := range g.catalogue.Anchors {
		s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{entry.Name}})
	}
	s.Properties.Set("delay", &jsonschema.Schema{Type: "string", Pattern: spanPattern, Description: "time after the anchor; of a range " +
		"(1s..5s) the plan picks one by its seed"})
	s.Properties.Set("deadline", &jsonschema.Schema{Type: "string", Pattern: durationPattern,
		Description: "how long the anchor is awaited; then the run is inconclusive"})
	return s
}

// bounded adds the accepted values that a tag lists.
func bounded(s *jsonschema.Schema, tag reflect.StructTag) *jsonschema.Schema {
	if enum := tag.Get("enum"); enum != "" {
		s.Enum = texts(strings.Split(enum, "|"))
	}
	if set := tag.Get("words"); set != "" {
		s.Enum = texts(Words()[set])
	}
	if also := tag.Get("also"); also != "" {
		s.AnyOf, s.Enum = []*jsonschema.Schema{{Enum: s.Enum}, {Pattern: also}}, nil
	}
	if example := tag.Get("like"); example != "" {
		s.Examples = []any{strings.Trim(example, `"`)}
	}
	return s
}

func texts(words []string) []any {
	values := make([]any, 0, len(words))
	for _, word := range words {
		values = append(values, word)
	}
	return values
}

// defaultOf returns a default as it is written in YAML; nil if there is none.
func defaultOf(v reflect.Value) any {
	if v.IsZero() {
		return nil
	}
	if timing, ok := v.Interface().(Timing); ok {
		return timing.Name
	}
	if text, ok := v.Interface().(encoding.TextMarshaler); ok {
		if written, err := text.MarshalText(); err == nil {
			return string(written)
		}
	}
	if v.Kind() == reflect.Struct {
		return nil
	}
	return v.Interface()
}
