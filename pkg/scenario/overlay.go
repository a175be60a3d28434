package scenario

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
)

// PodTemplate is a PodTemplateSpec of Kubernetes, in parts, that is merged into the one that the launcher makes, as kubectl patch does.
type PodTemplate struct{ Parts }

// JobOverlay is a JobSpec of Kubernetes, in parts, that is merged into that of the driver's Job, as kubectl patch does.
type JobOverlay struct{ Parts }

// Parts are those of a Kubernetes object that a scenario gives.
type Parts struct {
	Text string // in JSON, with sorted keys
}

// NewPodTemplate returns the parts of a PodTemplateSpec as JSON says them.
func NewPodTemplate(text string) (*PodTemplate, error) {
	o, err := newParts[corev1.PodTemplateSpec](text)
	return &PodTemplate{o}, err
}

// NewJobOverlay returns the parts of a JobSpec as JSON says them.
func NewJobOverlay(text string) (*JobOverlay, error) {
	o, err := newParts[batchv1.JobSpec](text)
	return &JobOverlay{o}, err
}

func newParts[T any](text string) (Parts, error) {
	var value T
	unknown, err := kjson.UnmarshalStrict([]byte(text), &value)
	return Parts{text}, errors.Join(append(unknown, err)...)
}

// JSON returns the parts, as a strategic merge patch takes them.
func (p Parts) JSON() []byte { return []byte(p.Text) }

// MarshalJSON implements json.Marshaler.
func (p Parts) MarshalJSON() ([]byte, error) { return p.JSON(), nil }

// MarshalNode implements strictyaml.NodeMarshaler.
func (p Parts) MarshalNode(bool) (*yaml.Node, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(p.JSON(), &document); err != nil {
		return nil, fmt.Errorf("write parts of an object: %w", err)
	}
	block(document.Content[0])
	return document.Content[0], nil
}

// block has nodes written in lines instead of in braces, but for empty ones.
func block(node *yaml.Node) {
	if node.Kind != yaml.ScalarNode && len(node.Content) > 0 {
		node.Style = 0
	}
	if node.Kind == yaml.ScalarNode && node.Tag == "!!str" {
		node.Style = 0
	}
	for _, inner := range node.Content {
		block(inner)
	}
}

// Fields returns the fields that the parts set, two levels deep, sorted: "spec.tolerations".
func (p Parts) Fields() []string {
	var tree map[string]any
	if json.Unmarshal(p.JSON(), &tree) != nil {
		return nil
	}
	var fields []string
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		inner, ok := tree[key].(map[string]any)
		if !ok || len(inner) == 0 {
			fields = append(fields, key)
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(inner)) {
			fields = append(fields, key+"."+name)
		}
	}
	return fields
}

// decodeParts decodes parts of a T as strictly as the API server does when it is asked to.
func decodeParts[T any](wrap func(Parts) any) strictyaml.Custom {
	return func(d *strictyaml.Decoder, node *yaml.Node, into reflect.Value, at strictyaml.Field) {
		if node.Kind != yaml.MappingNode {
			d.Complain(node, at, "want a mapping with parts of a %s, got %s", reflect.TypeFor[T]().Name(), strictyaml.Describe(node))
			return
		}
		encoded, err := json.Marshal(d.Any(node, at))
		if err != nil {
			d.Complain(node, at, "cannot be read: %v", err)
			return
		}
		var value T
		unknown, err := kjson.UnmarshalStrict(encoded, &value)
		for _, problem := range unknown {
			reportStrict[T](d, at.Path, problem)
		}
		var wrong *json.UnmarshalTypeError
		switch {
		case errors.As(err, &wrong):
			d.Problem(at.Path+"."+wrong.Field, "is a %s, which does not fit here; want a %s, as Kubernetes' API has it", wrong.Value, wrong.Type)
		case err != nil:
			d.Problem(at.Path, "is no part of a %s: %v", reflect.TypeFor[T]().Name(), err)
		}
		into.Set(reflect.ValueOf(wrap(Parts{string(encoded)})))
	}
}

// reportStrict reports a field that Kubernetes does not know, where it stands.
func reportStrict[T any](d *strictyaml.Decoder, at string, problem error) {
	var field kjson.FieldError
	if !errors.As(problem, &field) {
		d.Problem(at, "%v", problem)
		return
	}
	known := fieldsAt(reflect.TypeFor[T](), field.FieldPath())
	name := field.FieldPath()[strings.LastIndexByte(field.FieldPath(), '.')+1:]
	d.Problem(at+"."+field.FieldPath(), "is no field of Kubernetes' API; %s", strictyaml.Suggest(name, known))
}

// fieldsAt returns the names of the fields beside the one at a path of a type.
func fieldsAt(t reflect.Type, path string) []string {
	steps := strings.Split(path, ".")
	for _, step := range steps[:len(steps)-1] {
		name, _, _ := strings.Cut(step, "[")
		t = fieldType(t, name)
		if t == nil {
			return nil
		}
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	return strictyaml.FieldNames(strictyaml.Fields(t))
}

// fieldType returns the type of a field, or of its elements; nil if there is no such field.
func fieldType(t reflect.Type, name string) reflect.Type {
	if t.Kind() != reflect.Struct {
		return nil
	}
	for _, f := range strictyaml.Fields(t) {
		if f.Name != name {
			continue
		}
		inner := f.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
			inner = inner.Elem()
		}
		return inner
	}
	return nil
}

func checkOverlays(w Workload, report report) {
	if w.Driver.Template != nil {
		checkPodTemplate("spec.workload.driver.template", OfDriver, *w.Driver.Template, report)
	}
	if w.Executors.Template != nil {
		checkPodTemplate("spec.workload.executors.template", OfExecutor, *w.Executors.Template, report)
	}
	if w.Driver.Job != nil {
		checkJob(w.Driver, *w.Driver.Job, report)
	}
}

// checkJob finds what is not the scenario's to say about the driver's Job.
func checkJob(driver Driver, job JobOverlay, report report) {
	const at = "spec.workload.driver.job"
	if driver.Kind == DriverPod {
		report(at, "a bare Pod has no Job; leave it out or write kind: Job")
		return
	}
	var spec batchv1.JobSpec
	if json.Unmarshal(job.JSON(), &spec) != nil {
		return // reported already
	}
	const oneDriver = "decides how many drivers there are, which is one; leave it out"
	for _, field := range []struct {
		name  string
		given bool
		why   string
	}{
		{"template", !reflect.ValueOf(spec.Template).IsZero(), "is the driver's pod; write it as driver.template"},
		{"backoffLimit", spec.BackoffLimit != nil, "has a field of its own; write driver.backoffLimit"},
		{"podReplacementPolicy", spec.PodReplacementPolicy != nil, "has a field of its own; write driver.podReplacementPolicy"},
		{"parallelism", spec.Parallelism != nil, oneDriver},
		{"completions", spec.Completions != nil, oneDriver},
		{"completionMode", spec.CompletionMode != nil, oneDriver},
		{"backoffLimitPerIndex", spec.BackoffLimitPerIndex != nil, oneDriver},
		{"maxFailedIndexes", spec.MaxFailedIndexes != nil, oneDriver},
		{"successPolicy", spec.SuccessPolicy != nil, oneDriver},
		{"selector", spec.Selector != nil, "is made by Kubernetes, so that the Job counts its own pods alone; leave it out"},
		{"manualSelector", spec.ManualSelector != nil, "would have the Job count pods that are not its own; leave it out"},
		{"suspend", spec.Suspend != nil, "would keep the driver from starting; leave it out"},
		{"managedBy", spec.ManagedBy != nil, "would leave the Job to another controller; leave it out"},
	} {
		if field.given {
			report(at+"."+field.name, "%s", field.why)
		}
	}
	if spec.PodFailurePolicy != nil && driver.PodReplacementPolicy != Failed {
		report(at+".podFailurePolicy", "needs pods that have ended before they are replaced; write driver.podReplacementPolicy: Failed")
	}
}
