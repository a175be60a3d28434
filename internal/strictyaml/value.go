package strictyaml

import (
	"encoding"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Value decodes node into a settable value. Custom decoders call it for what they leave to the tags.
func (d *Decoder) Value(node *yaml.Node, into reflect.Value, at Field) {
	node, ok := d.enter(node)
	if !ok {
		return
	}
	d.depth++
	defer func() { d.depth-- }()
	d.nodes[at.Path] = node
	if custom, ok := d.custom[into.Type()]; ok {
		custom(d, node, into, at)
		return
	}
	if into.Kind() == reflect.Pointer {
		fresh := reflect.New(into.Type().Elem())
		d.Value(node, fresh.Elem(), at)
		into.Set(fresh)
		return
	}
	if text, ok := into.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(node, text, into, at)
		return
	}
	switch {
	case into.Type() == reflect.TypeFor[time.Duration]():
		d.duration(node, into, at)
	case into.Kind() == reflect.Struct:
		d.structure(node, into, at)
	case into.Kind() == reflect.Slice:
		d.list(node, into, at)
	case into.Kind() == reflect.Map:
		d.mapping(node, into, at)
	default:
		d.scalar(node, into, at)
	}
}

func (d *Decoder) structure(node *yaml.Node, into reflect.Value, at Field) {
	pairs, ok := d.Pairs(node, at)
	if !ok {
		return
	}
	fields := Fields(into.Type())
	given := map[string]bool{}
	for _, pair := range pairs {
		i := slices.IndexFunc(fields, func(f StructField) bool { return f.Name == pair.Name })
		if i < 0 {
			d.Complain(pair.Key, at.Key(pair.Name), "unknown field; %s", Suggest(pair.Name, FieldNames(fields)))
			continue
		}
		given[pair.Name] = true
		inner := at.Key(pair.Name)
		inner.Tag = fields[i].Tag
		d.Value(pair.Value, into.FieldByIndex(fields[i].Index), inner)
	}
	for _, f := range fields {
		if f.Required && !given[f.Name] && into.FieldByIndex(f.Index).IsZero() {
			d.Complain(node, at.Key(f.Name), "missing; it must be given%s", example(f.Tag))
		}
	}
}

func example(tag reflect.StructTag) string {
	switch {
	case tag.Get("like") != "":
		return ", for example " + tag.Get("like")
	case tag.Get("enum") != "":
		return ", as " + either(tag.Get("enum"))
	default:
		return ""
	}
}

func (d *Decoder) list(node *yaml.Node, into reflect.Value, at Field) {
	if node.Kind != yaml.SequenceNode {
		d.Complain(node, at, "want a list, got %s", Describe(node))
		return
	}
	list := reflect.MakeSlice(into.Type(), 0, min(len(node.Content), 16))
	for i, item := range node.Content {
		element := reflect.New(into.Type().Elem()).Elem()
		d.Value(item, element, at.Index(i))
		if d.stopped {
			return
		}
		list = reflect.Append(list, element)
	}
	into.Set(list)
}

func (d *Decoder) mapping(node *yaml.Node, into reflect.Value, at Field) {
	pairs, ok := d.Pairs(node, at)
	if !ok {
		return
	}
	into.Set(reflect.MakeMap(into.Type()))
	for _, pair := range pairs {
		element := reflect.New(into.Type().Elem()).Elem()
		d.Value(pair.Value, element, at.Key(pair.Name))
		into.SetMapIndex(reflect.ValueOf(pair.Name).Convert(into.Type().Key()), element)
	}
}

func (d *Decoder) text(node *yaml.Node, text encoding.TextUnmarshaler, into reflect.Value, at Field) {
	if !d.isScalar(node, at, "a text"+example(at.Tag)) {
		return
	}
	if err := text.UnmarshalText([]byte(node.Value)); err != nil {
		d.Complain(node, at, "%s", err)
		return
	}
	if into.Kind() == reflect.Int64 {
		d.bounds(node, into.Int(), at, func(s string) (int64, error) {
			bound, err := time.ParseDuration(s)
			return int64(bound), err
		})
	}
}

func (d *Decoder) duration(node *yaml.Node, into reflect.Value, at Field) {
	if !d.isScalar(node, at, "a duration") {
		return
	}
	parsed, err := time.ParseDuration(node.Value)
	if err != nil || parsed < 0 {
		d.Complain(node, at, "%q is not a duration; write a number with its unit, like 2s, 500ms or 1m30s", node.Value)
		return
	}
	into.SetInt(int64(parsed))
}

func (d *Decoder) isScalar(node *yaml.Node, at Field, want string) bool {
	if node.Kind != yaml.ScalarNode || node.ShortTag() == "!!null" {
		d.Complain(node, at, "want %s, got %s", want, Describe(node))
		return false
	}
	return true
}

func (d *Decoder) scalar(node *yaml.Node, into reflect.Value, at Field) {
	tag := node.ShortTag()
	switch into.Kind() {
	case reflect.String:
		if node.Kind == yaml.ScalarNode && slices.Contains([]string{"!!int", "!!float", "!!bool", "!!timestamp"}, tag) {
			d.Complain(node, at, "want a text, got %s; quote it: %q", Describe(node), node.Value)
			return
		}
		if node.Kind != yaml.ScalarNode || tag != "!!str" {
			d.Complain(node, at, "want a text%s, got %s", example(at.Tag), Describe(node))
			return
		}
		into.SetString(node.Value)
		d.allowed(node, node.Value, at)
	case reflect.Bool:
		var b bool
		if node.Kind != yaml.ScalarNode || tag != "!!bool" || node.Decode(&b) != nil {
			d.Complain(node, at, "want true or false, got %s", Describe(node))
			return
		}
		into.SetBool(b)
	case reflect.Int, reflect.Int32, reflect.Int64:
		var n int64
		if node.Kind != yaml.ScalarNode || tag != "!!int" || node.Decode(&n) != nil || into.OverflowInt(n) {
			d.Complain(node, at, "want a whole number, got %s", Describe(node))
			return
		}
		into.SetInt(n)
		d.bounds(node, n, at, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) })
	case reflect.Uint64:
		var n uint64
		if node.Kind != yaml.ScalarNode || tag != "!!int" || node.Decode(&n) != nil {
			d.Complain(node, at, "want a whole number from 0, got %s", Describe(node))
			return
		}
		into.SetUint(n)
	case reflect.Float64:
		var f float64
		if node.Kind != yaml.ScalarNode || tag != "!!float" && tag != "!!int" || node.Decode(&f) != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			d.Complain(node, at, "want a number, got %s", Describe(node))
			return
		}
		into.SetFloat(f)
	default:
		d.Complain(node, at, "the harness cannot read a %s; this is a mistake of the program, not of the file", into.Type())
	}
}

func (d *Decoder) allowed(node *yaml.Node, value string, at Field) {
	if also := at.Tag.Get("also"); also != "" && regexp.MustCompile(also).MatchString(value) {
		return
	}
	if accepted, limited := d.accepted(at.Tag); limited && !slices.Contains(accepted, value) {
		d.Complain(node, at, "%q is not accepted; %s", value, Suggest(value, accepted))
		return
	}
	if pattern := at.Tag.Get("pattern"); pattern != "" && !regexp.MustCompile(pattern).MatchString(value) {
		d.Complain(node, at, "%q does not fit; want a text that matches %s%s", value, pattern, example(at.Tag))
	}
}

// accepted returns the texts that a tag accepts; limited is false if it accepts any.
func (d *Decoder) accepted(tag reflect.StructTag) (texts []string, limited bool) {
	if enum := tag.Get("enum"); enum != "" {
		return strings.Split(enum, "|"), true
	}
	set := tag.Get("words")
	return d.words[set], set != ""
}

func (d *Decoder) bounds(node *yaml.Node, n int64, at Field, parse func(string) (int64, error)) {
	if low, err := parse(at.Tag.Get("min")); err == nil && n < low {
		d.Complain(node, at, "%s is too small; want at least %s", node.Value, at.Tag.Get("min"))
	}
	if high, err := parse(at.Tag.Get("max")); err == nil && n > high {
		d.Complain(node, at, "%s is too large; want at most %s", node.Value, at.Tag.Get("max"))
	}
}
