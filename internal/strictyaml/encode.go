package strictyaml

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	yaml11 "sigs.k8s.io/yaml"
)

// NodeMarshaler is a type whose form in YAML the struct tags cannot say.
type NodeMarshaler interface {
	// MarshalNode returns the value as YAML; explicit is that of Encode.
	MarshalNode(explicit bool) (*yaml.Node, error)
}

// Encode writes a value as YAML in the order of its fields. Fields with omitempty are left out when they are empty;
// when explicit, numbers, bools, durations and structs are written all the same, so that nothing is left to a default.
func Encode(v any, explicit bool) (*yaml.Node, error) {
	return encode(reflect.ValueOf(v), explicit)
}

// YAML returns the value as a YAML document; see Encode.
func YAML(v any, explicit bool) ([]byte, error) {
	node, err := Encode(v, explicit)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(node); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	return out.Bytes(), nil
}

// JSON returns the value as JSON, fields in the same order as in YAML; see Encode.
func JSON(v any, explicit bool) ([]byte, error) {
	node, err := Encode(v, explicit)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := writeJSON(&out, node); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func encode(v reflect.Value, explicit bool) (*yaml.Node, error) {
	if v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: yaml.FlowStyle}, nil
		}
		if _, ok := v.Interface().(NodeMarshaler); !ok {
			return encode(v.Elem(), explicit)
		}
	}
	if marshaler, ok := v.Interface().(NodeMarshaler); ok {
		return marshaler.MarshalNode(explicit)
	}
	if text, ok := v.Interface().(encoding.TextMarshaler); ok {
		s, err := text.MarshalText()
		return scalarNode("!!str", string(s)), err
	}
	switch v.Kind() {
	case reflect.Struct:
		return encodeStruct(v, explicit)
	case reflect.Slice:
		return encodeList(v, explicit)
	case reflect.Map:
		return encodeMap(v, explicit)
	case reflect.String:
		return scalarNode("!!str", v.String()), nil
	case reflect.Bool:
		return scalarNode("!!bool", strconv.FormatBool(v.Bool())), nil
	case reflect.Int, reflect.Int32, reflect.Int64:
		if v.Type() == reflect.TypeFor[time.Duration]() {
			return scalarNode("!!str", time.Duration(v.Int()).String()), nil
		}
		return scalarNode("!!int", strconv.FormatInt(v.Int(), 10)), nil
	case reflect.Uint64:
		return scalarNode("!!int", strconv.FormatUint(v.Uint(), 10)), nil
	case reflect.Float64:
		return float(v.Float()), nil
	default:
		return nil, fmt.Errorf("a %s has no form in YAML", v.Type())
	}
}

// float writes a number as YAML and JSON both read it; one without a fraction is an integer to YAML.
func float(f float64) *yaml.Node {
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if strings.ContainsAny(text, ".e") {
		return scalarNode("!!float", text)
	}
	return scalarNode("!!int", text)
}

func scalarNode(tag, value string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
	if tag == "!!str" && !plainText(value) {
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}

// plainText reports whether text without quotes is text to readers of YAML 1.1, too, which take off for false and 1:30 for 90.
func plainText(text string) bool {
	var read any
	if yaml11.Unmarshal([]byte(text), &read) != nil {
		return true // gets quotes anyway
	}
	switch read.(type) {
	case bool, float64:
		return false
	default:
		return true
	}
}

func encodeStruct(v reflect.Value, explicit bool) (*yaml.Node, error) {
	node := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, f := range Fields(v.Type()) {
		field := v.FieldByIndex(f.Index)
		if !f.Required && (omitted(field, explicit) || field.IsZero() && tooSmall(f)) {
			continue
		}
		value, err := encode(field, explicit)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		node.Content = append(node.Content, scalarNode("!!str", f.Name), value)
	}
	return shortened(node), nil
}

func omitted(v reflect.Value, explicit bool) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.String, reflect.Pointer, reflect.Interface:
		return v.IsZero()
	case reflect.Struct:
		return v.IsZero() && (!explicit || v.Type().NumField() == 0)
	default:
		return v.IsZero() && !explicit
	}
}

// tooSmall says that a field's zero is below what it accepts, so that it can only mean that it was not given.
func tooSmall(f StructField) bool {
	low := f.Tag.Get("min")
	if duration, err := time.ParseDuration(low); err == nil {
		return duration > 0
	}
	number, err := strconv.ParseInt(low, 10, 64)
	return err == nil && number > 0
}

func encodeList(v reflect.Value, explicit bool) (*yaml.Node, error) {
	node := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for i := range v.Len() {
		value, err := encode(v.Index(i), explicit)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		node.Content = append(node.Content, value)
	}
	return shortened(node), nil
}

func encodeMap(v reflect.Value, explicit bool) (*yaml.Node, error) {
	node := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	keys := make([]string, 0, v.Len())
	for _, key := range v.MapKeys() {
		keys = append(keys, key.String())
	}
	slices.Sort(keys)
	for _, key := range keys {
		value, err := encode(v.MapIndex(reflect.ValueOf(key).Convert(v.Type().Key())), explicit)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		node.Content = append(node.Content, scalarNode("!!str", key), value)
	}
	return shortened(node), nil
}

// shortened writes an empty list or mapping as [] or {}, which the block style cannot.
func shortened(node *yaml.Node) *yaml.Node {
	if len(node.Content) == 0 {
		node.Style = yaml.FlowStyle
	}
	return node
}

func writeJSON(out *bytes.Buffer, node *yaml.Node) error {
	switch node.Kind {
	case yaml.ScalarNode:
		if node.Tag != "!!str" {
			out.WriteString(node.Value)
			return nil
		}
		text, err := json.Marshal(node.Value)
		out.Write(text)
		return err
	case yaml.SequenceNode:
		out.WriteByte('[')
		for i, item := range node.Content {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := writeJSON(out, item); err != nil {
				return err
			}
		}
		out.WriteByte(']')
		return nil
	default:
		out.WriteByte('{')
		for i := 0; i+1 < len(node.Content); i += 2 {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := writeJSON(out, node.Content[i]); err != nil {
				return err
			}
			out.WriteByte(':')
			if err := writeJSON(out, node.Content[i+1]); err != nil {
				return err
			}
		}
		out.WriteByte('}')
		return nil
	}
}
