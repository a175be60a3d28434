package submission

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

// tree is a document of which parts are taken; what is left at the end was not taken over.
type tree struct {
	fields map[string]any
	path   string
	gone   *[]error // values of another form than wanted
}

// parse returns the one object of a file.
func parse(text []byte) (tree, error) {
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(string(text)), 4096)
	t := tree{gone: new([]error)}
	if err := decoder.Decode(&t.fields); err != nil {
		return t, fmt.Errorf("not YAML: %w", err)
	}
	var second map[string]any
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) && len(second) > 0 {
		return t, errors.New("the file has several objects; put the application into a file of its own")
	}
	return t, nil
}

// take returns a value and removes it; nil if there is none.
func (t tree) take(name string) any {
	value := t.fields[name]
	delete(t.fields, name)
	return value
}

// text takes a text, a number or a bool as a text; empty if there is none.
func (t tree) text(name string) string {
	switch value := t.take(name).(type) {
	case nil:
		return ""
	case map[string]any, []any:
		*t.gone = append(*t.gone, fmt.Errorf("%s is no text", t.at(name)))
		return ""
	default:
		return fmt.Sprint(value)
	}
}

// texts takes a list of texts.
func (t tree) texts(name string) []string {
	list, ok := t.fields[name].([]any)
	if !ok {
		return nil
	}
	delete(t.fields, name)
	var all []string
	for _, value := range list {
		all = append(all, fmt.Sprint(value))
	}
	return all
}

// pairs takes a mapping of texts.
func (t tree) pairs(name string) map[string]string {
	mapping, ok := t.fields[name].(map[string]any)
	if !ok {
		return nil
	}
	delete(t.fields, name)
	all := map[string]string{}
	for key, value := range mapping {
		all[key] = fmt.Sprint(value)
	}
	return all
}

// below returns a mapping, an empty one if there is none. Entries that are taken from it are removed from the document, too.
func (t tree) below(name string) tree {
	mapping, _ := t.fields[name].(map[string]any)
	if mapping == nil {
		mapping = map[string]any{}
	}
	return tree{fields: mapping, path: t.at(name), gone: t.gone}
}

func (t tree) at(name string) string { return strings.TrimPrefix(t.path+"."+name, ".") }

// left returns what was not taken, as paths with their values, sorted.
func (t tree) left() []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(t.fields)) {
		value := t.fields[name]
		if mapping, ok := value.(map[string]any); ok {
			all = append(all, tree{fields: mapping, path: t.at(name)}.left()...)
			continue
		}
		encoded, err := json.Marshal(value)
		if err != nil {
			encoded = []byte("…")
		}
		all = append(all, t.at(name)+": "+string(encoded))
	}
	return all
}
