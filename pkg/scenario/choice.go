package scenario

import (
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
)

// Find returns the entry of a list by its name.
func Find(entries []Entry, name string) (Entry, bool) {
	i := slices.IndexFunc(entries, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return Entry{}, false
	}
	return entries[i], true
}

// Names returns the names of the entries, in their order.
func Names(entries []Entry) []string {
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names
}

// decoders returns how the types of this package that the struct tags cannot describe are read, with the catalogue
// that says what they may name.
func decoders(catalogue Catalogue) map[reflect.Type]strictyaml.Custom {
	return map[reflect.Type]strictyaml.Custom{
		reflect.TypeFor[Choice](): func(d *strictyaml.Decoder, node *yaml.Node, into reflect.Value, at strictyaml.Field) {
			pairs, ok := d.Pairs(node, at)
			if !ok {
				return
			}
			into.Set(reflect.ValueOf(catalogue.choose(d, node, pairs, at, at.Tag.Get("choice"))))
		},
		reflect.TypeFor[Moment]():      catalogue.moment,
		reflect.TypeFor[Timing]():      timing,
		reflect.TypeFor[ConfValue]():   confValue,
		reflect.TypeFor[PodTemplate](): decodeParts[corev1.PodTemplateSpec](func(p Parts) any { return PodTemplate{p} }),
		reflect.TypeFor[JobOverlay]():  decodeParts[batchv1.JobSpec](func(p Parts) any { return JobOverlay{p} }),
	}
}

// of returns what a choice of a kind may name.
func (c Catalogue) of(kind string) []Entry {
	switch kind {
	case "fault":
		return c.Faults
	case "anchor":
		return c.Anchors
	default:
		return c.Invariants
	}
}

// choose decodes the one entry that a mapping names.
func (c Catalogue) choose(d *strictyaml.Decoder, node *yaml.Node, pairs []strictyaml.Pair, at strictyaml.Field, kind string) Choice {
	entries := c.of(kind)
	if len(pairs) == 0 {
		d.Complain(node, at, "names no %s; known are %s", kind, strings.Join(Names(entries), ", "))
		return Choice{}
	}
	if len(pairs) > 1 {
		var names []string
		for _, pair := range pairs {
			names = append(names, pair.Name)
		}
		d.Complain(pairs[1].Key, at, "names %d: %s; want one %s", len(pairs), strings.Join(names, ", "), kind)
	}
	chosen := make([]Choice, len(pairs))
	for i, pair := range pairs {
		chosen[i].Name = pair.Name
		entry, known := Find(entries, pair.Name)
		if !known {
			d.Complain(pair.Key, at.Key(pair.Name), "unknown %s; %s", kind, strictyaml.Suggest(pair.Name, Names(entries)))
			continue
		}
		chosen[i].Args = entry.decode(d, pair, at.Key(pair.Name))
	}
	return chosen[0]
}

// decode reads an entry's arguments. What they say together is checked only when each is right by itself.
func (e Entry) decode(d *strictyaml.Decoder, pair strictyaml.Pair, at strictyaml.Field) any {
	args := e.Args()
	before := len(d.Problems())
	if pair.Value.Kind == yaml.ScalarNode && pair.Value.ShortTag() == "!!null" {
		d.Complain(pair.Key, at, "has no arguments; write %s: {}", pair.Name)
		return args
	}
	d.Value(pair.Value, reflect.ValueOf(args).Elem(), at)
	if e.Check != nil && len(d.Problems()) == before {
		for _, problem := range e.Check(args) {
			d.Complain(pair.Value, at, "%s", problem)
		}
	}
	return args
}

// moment decodes an anchor with the delay and the deadline beside it.
func (c Catalogue) moment(d *strictyaml.Decoder, node *yaml.Node, into reflect.Value, at strictyaml.Field) {
	pairs, ok := d.Pairs(node, at)
	if !ok {
		return
	}
	var moment Moment
	var anchors []strictyaml.Pair
	for _, pair := range pairs {
		inner := at.Key(pair.Name)
		switch pair.Name {
		case "delay":
			d.Value(pair.Value, reflect.ValueOf(&moment.Delay).Elem(), inner)
		case "deadline":
			inner.Tag = `min:"1s"`
			d.Value(pair.Value, reflect.ValueOf(&moment.Deadline).Elem(), inner)
		default:
			anchors = append(anchors, pair)
		}
	}
	moment.Anchor = c.choose(d, node, anchors, at, "anchor")
	into.Set(reflect.ValueOf(moment))
}

// timings are the named timings, the default one first.
func timings() []string { return []string{TimingFast, TimingProduction} }

func timing(d *strictyaml.Decoder, node *yaml.Node, into reflect.Value, at strictyaml.Field) {
	var t Timing
	switch {
	case node.Kind == yaml.MappingNode:
		t.Knobs = &Knobs{}
		d.Value(node, reflect.ValueOf(t.Knobs).Elem(), at)
	case node.Kind == yaml.ScalarNode && slices.Contains(timings(), node.Value):
		t.Name = node.Value
	case node.Kind == yaml.ScalarNode:
		d.Complain(node, at, "%q is neither a timing nor knobs such as {nodeMonitorGracePeriod: 10s}; %s", node.Value,
			strictyaml.Suggest(node.Value, timings()))
	default:
		d.Complain(node, at, "want fast, production or knobs such as {nodeMonitorGracePeriod: 10s}, got %s", strictyaml.Describe(node))
	}
	into.Set(reflect.ValueOf(t))
}

// MarshalNode implements strictyaml.NodeMarshaler. Arguments are always written out in full: what a default is may
// change, what a file asked for may not.
func (c Choice) MarshalNode(bool) (*yaml.Node, error) {
	args, err := strictyaml.Encode(c.Args, true)
	if err != nil {
		return nil, err
	}
	return mapping(text(c.Name), args), nil
}

// MarshalJSON implements json.Marshaler.
func (c Choice) MarshalJSON() ([]byte, error) { return strictyaml.JSON(c, true) }

// MarshalNode implements strictyaml.NodeMarshaler.
func (m Moment) MarshalNode(explicit bool) (*yaml.Node, error) {
	node, err := m.Anchor.MarshalNode(explicit)
	if err != nil {
		return nil, err
	}
	if m.Delay != (Span{}) || explicit {
		node.Content = append(node.Content, text("delay"), text(m.Delay.String()))
	}
	if m.Deadline != 0 || explicit {
		node.Content = append(node.Content, text("deadline"), text(m.Deadline.String()))
	}
	return node, nil
}

// MarshalNode implements strictyaml.NodeMarshaler.
func (t Timing) MarshalNode(explicit bool) (*yaml.Node, error) {
	if t.Knobs != nil {
		return strictyaml.Encode(t.Knobs, explicit)
	}
	return text(t.Name), nil
}

func text(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}

func mapping(content ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: content}
}
