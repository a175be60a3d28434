package submission

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Job reads a Job of Kubernetes whose container runs spark-submit, or the entry point of Spark's image as a driver.
func Job(text []byte) (Imported, error) {
	t, err := parse(text)
	if err != nil {
		return Imported{}, err
	}
	version, kind := t.text("apiVersion"), t.text("kind")
	if kind != "Job" || version != "batch/v1" {
		return Imported{}, fmt.Errorf("the object is a %s of %s, want a Job of batch/v1", orNothing(kind), orNothing(version))
	}
	metadata, spec := t.below("metadata"), t.below("spec")
	template, _ := spec.take("template").(map[string]any)
	i, container, err := submits(template)
	if err != nil {
		return i, err
	}
	i.From = "a Job"
	i.metadata(metadata)
	t.take("status")
	if container.fields["image"] != nil {
		i.Workload.Image = container.text("image")
	}
	container.fields["name"] = scenario.DriverContainer
	i.Workload.Driver.Template, err = i.template(template, scenario.OfDriver)
	if limit, failed := strconv.ParseInt(spec.text("backoffLimit"), 10, 32); failed == nil {
		retries := int32(limit)
		i.Workload.Driver.BackoffLimit = &retries
	}
	i.Workload.Driver.PodReplacementPolicy = spec.text("podReplacementPolicy")
	overlay := map[string]any{}
	for _, field := range []string{"activeDeadlineSeconds", "ttlSecondsAfterFinished", "podFailurePolicy"} {
		if value := spec.take(field); value != nil {
			overlay[field] = value
		}
	}
	if len(overlay) > 0 {
		encoded, failed := json.Marshal(overlay)
		var wrong error
		i.Workload.Driver.Job, wrong = scenario.NewJobOverlay(string(encoded))
		err = errors.Join(err, failed, wrong)
	}
	if overlay["podFailurePolicy"] != nil {
		i.Workload.Driver.PodReplacementPolicy = scenario.Failed
	}
	for _, one := range []string{"parallelism", "completions"} {
		if n := spec.text(one); n != "" && n != "1" {
			i.note("%s: %s is not taken over: there is one driver.", one, n)
		}
	}
	i.Notes = slices.DeleteFunc(i.Notes, func(note string) bool { return strings.HasPrefix(note, "There is no image") })
	return i.ended(t, err)
}

// submits finds the container of a pod template that starts Spark, takes its command line and removes what is of no use to a scenario.
func submits(template map[string]any) (Imported, tree, error) {
	pod, _ := template["spec"].(map[string]any)
	containers, _ := pod["containers"].([]any)
	for _, each := range containers {
		fields, ok := each.(map[string]any)
		if !ok {
			continue
		}
		container := tree{fields: maps.Clone(fields), gone: new([]error)}
		line := append(container.texts("command"), container.texts("args")...)
		at := slices.IndexFunc(line, func(word string) bool { return word == "driver" || strings.HasSuffix(word, "spark-submit") })
		if at < 0 {
			continue
		}
		i, err := sparkSubmit(line[at+1:], true)
		delete(fields, "command")
		delete(fields, "args")
		image := tree{fields: fields, gone: container.gone}
		i.Workload.Image = ""
		delete(fields, "imagePullPolicy")
		return i, image, err
	}
	return Imported{}, tree{}, errors.New("no container of the Job runs spark-submit, or has the argument driver of Spark's entry point; a " +
		"command within a shell's script cannot be read")
}

// template takes over parts of a role's pods as far as a scenario takes them; nil if nothing is left.
func (i *Imported) template(parts map[string]any, role string) (*scenario.PodTemplate, error) {
	const at = "template"
	for {
		prune(parts)
		if len(parts) == 0 {
			return nil, nil
		}
		encoded, err := json.Marshal(parts)
		if err != nil {
			return nil, err
		}
		template, err := scenario.NewPodTemplate(string(encoded))
		if err != nil {
			return nil, fmt.Errorf("the %s's pod: %w", role, err)
		}
		problems := scenario.CheckPodTemplate(at, role, *template)
		if len(problems) == 0 {
			return template, nil
		}
		refused, why, _ := strings.Cut(strings.TrimPrefix(problems[0], at+"."), ": ")
		if !remove(parts, refused) {
			return nil, fmt.Errorf("the %s's pod: %s", role, problems[0])
		}
		i.note("Not taken over of the %s's pod: %s %s.", role, refused, why)
	}
}

// prune removes empty mappings and lists, and containers of which nothing but the name is left.
func prune(fields map[string]any) {
	for key, value := range fields {
		switch inner := value.(type) {
		case map[string]any:
			prune(inner)
			if len(inner) == 0 && key != "emptyDir" {
				delete(fields, key)
			}
		case []any:
			inner = slices.DeleteFunc(inner, func(element any) bool {
				named, ok := element.(map[string]any)
				return ok && (len(named) == 0 || key == "containers" && len(named) == 1 && named["name"] != nil)
			})
			if fields[key] = inner; len(inner) == 0 {
				delete(fields, key)
			}
		case nil:
			delete(fields, key)
		}
	}
}

// remove removes what stands at a path as "spec.containers[0].env[1].name": the nearest element of a list, or field. It reports whether it
// was there.
func remove(fields map[string]any, path string) bool {
	step, rest, more := strings.Cut(path, ".")
	if !strings.Contains(step, "[") {
		if inner, ok := fields[step].(map[string]any); ok && more {
			if _, whole := inner[rest]; whole { // a label, which has dots in it
				delete(inner, rest)
				return true
			}
			return remove(inner, rest)
		}
		_, there := fields[step]
		delete(fields, step)
		return there
	}
	key, index, _ := strings.Cut(strings.TrimSuffix(step, "]"), "[")
	list, _ := fields[key].([]any)
	n, err := strconv.Atoi(index)
	if err != nil || n >= len(list) {
		return false
	}
	if element, ok := list[n].(map[string]any); ok && more && rest != "name" && rest != "key" && rest != "mountPath" {
		return remove(element, rest)
	}
	fields[key] = slices.Delete(list, n, n+1)
	return true
}
