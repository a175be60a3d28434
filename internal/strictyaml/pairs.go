package strictyaml

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sparkchaos/sparkchaos/internal/nearest"
)

// Pair is one entry of a mapping.
type Pair struct {
	Name       string
	Key, Value *yaml.Node
}

// Pairs returns the entries of a mapping, merge keys ("<<: *base") followed: what the mapping says itself wins.
// Duplicates, keys that are no text, and values that are no mapping are reported; the latter returns false.
func (d *Decoder) Pairs(node *yaml.Node, at Field) ([]Pair, bool) {
	node, ok := d.enter(node)
	if !ok {
		return nil, false
	}
	if node.Kind != yaml.MappingNode {
		d.Complain(node, at, "want a mapping, got %s", Describe(node))
		return nil, false
	}
	d.depth++
	defer func() { d.depth-- }()
	var own, merged []Pair
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, ok := d.enter(node.Content[i])
		if !ok {
			return nil, false
		}
		value := node.Content[i+1]
		switch first := seen[key.Value]; {
		case key.Kind == yaml.ScalarNode && key.Tag == "!!merge":
			merged = append(merged, d.merge(value, at)...)
		case key.Kind != yaml.ScalarNode || key.ShortTag() == "!!null":
			d.Complain(key, at, "want a text as key, got %s", Describe(key))
		case first != nil:
			d.Complain(node.Content[i], at.Key(key.Value), "given twice; it is in line %d already", first.Line)
		default:
			seen[key.Value] = node.Content[i]
			own = append(own, Pair{Name: key.Value, Key: node.Content[i], Value: value})
		}
	}
	for _, pair := range merged {
		if seen[pair.Name] == nil {
			seen[pair.Name] = pair.Key
			own = append(own, pair)
		}
	}
	return own, !d.stopped
}

func (d *Decoder) merge(value *yaml.Node, at Field) []Pair {
	value, ok := d.enter(value)
	if !ok {
		return nil
	}
	if value.Kind != yaml.SequenceNode {
		pairs, _ := d.Pairs(value, at)
		return pairs
	}
	var all []Pair
	for _, item := range value.Content {
		pairs, ok := d.Pairs(item, at)
		if !ok {
			return nil
		}
		all = append(all, pairs...)
	}
	return all
}

// Describe says what a node is, for messages.
func Describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		switch node.ShortTag() {
		case "!!null":
			return "nothing"
		case "!!int", "!!float":
			return "the number " + node.Value
		case "!!str":
			return fmt.Sprintf("the text %q", node.Value)
		default:
			return node.Value
		}
	default:
		return "something else"
	}
}

// StructField is a field of a struct as YAML sees it.
type StructField struct {
	Name     string
	Tag      reflect.StructTag
	Index    []int
	Type     reflect.Type
	Required bool // no omitempty: must be given unless it has a value beforehand
	GoName   string
}

// Fields returns the fields of a struct type that have a name in YAML, in their order. Embedded structs without a
// name of their own are laid flat.
func Fields(t reflect.Type) []StructField {
	var fields []StructField
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || name == "" {
			continue
		}
		fields = append(fields, StructField{
			Name: name, Tag: f.Tag, Index: f.Index, Type: f.Type, GoName: f.Name,
			Required: !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero"),
		})
	}
	return fields
}

// FieldNames returns the names of the fields.
func FieldNames(fields []StructField) []string {
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		names = append(names, f.Name)
	}
	return names
}

// Suggest says what was probably meant, or all that is known when nothing is near.
func Suggest(wrong string, known []string) string {
	if len(known) == 0 {
		return "nothing is accepted here"
	}
	if near, ok := nearest.To(wrong, known); ok {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "known are " + strings.Join(known, ", ")
}

func either(enum string) string {
	return strings.ReplaceAll(enum, "|", " or ")
}
