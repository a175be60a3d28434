package strictyaml

import (
	"go.yaml.in/yaml/v3"
)

// Any decodes a value of any form into maps, lists, texts, numbers and bools, as encoding/json does. What is wrong with what stands
// in it can be reported by its path.
func (d *Decoder) Any(node *yaml.Node, at Field) any {
	node, ok := d.enter(node)
	if !ok {
		return nil
	}
	d.depth++
	defer func() { d.depth-- }()
	d.nodes[at.Path] = node
	switch node.Kind {
	case yaml.MappingNode:
		pairs, _ := d.Pairs(node, at)
		all := make(map[string]any, len(pairs))
		for _, pair := range pairs {
			all[pair.Name] = d.Any(pair.Value, at.Key(pair.Name))
		}
		return all
	case yaml.SequenceNode:
		all := make([]any, 0, min(len(node.Content), 16))
		for i, item := range node.Content {
			all = append(all, d.Any(item, at.Index(i)))
		}
		return all
	default:
		return d.plain(node, at)
	}
}

// plain decodes a scalar. What looks like a time is a text, as it is to Kubernetes.
func (d *Decoder) plain(node *yaml.Node, at Field) any {
	if tag := node.ShortTag(); tag == "!!timestamp" || tag == "!!binary" {
		return node.Value
	}
	var value any
	if err := node.Decode(&value); err != nil {
		d.Complain(node, at, "cannot be read: %v", err)
	}
	return value
}
