package launcher

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// merge returns an object with parts of another one merged into it, as kubectl patch does: lists of named things by their names.
func merge[T any](object T, parts []byte) (T, error) {
	var merged T
	made, err := json.Marshal(object)
	if err != nil {
		return merged, fmt.Errorf("write %T as JSON: %w", object, err)
	}
	both, err := strategicpatch.StrategicMergePatch(made, parts, merged)
	if err != nil {
		return merged, fmt.Errorf("merge parts into %T: %w", object, err)
	}
	if err := json.Unmarshal(both, &merged); err != nil {
		return merged, fmt.Errorf("read %T as JSON: %w", object, err)
	}
	return merged, nil
}

// withTemplate adds what a scenario's template says to a pod that is complete otherwise. Both tolerations count: kubectl would replace
// them. What the pod has already cannot be changed, but for Spark's own container, in parts.
func withTemplate(made corev1.PodTemplateSpec, template *scenario.PodTemplate) (corev1.PodTemplateSpec, error) {
	if template == nil {
		return made, nil
	}
	var parts corev1.PodTemplateSpec
	if err := json.Unmarshal(template.JSON(), &parts); err != nil {
		return made, fmt.Errorf("read the template: %w", err)
	}
	if err := clashes(made.Spec, parts.Spec); err != nil {
		return made, err
	}
	merged, err := merge(made, template.JSON())
	if err != nil {
		return made, err
	}
	merged.Spec.Tolerations = slices.Concat(made.Spec.Tolerations, parts.Spec.Tolerations)
	inOrder(&merged.Spec, made.Spec, parts.Spec)
	return merged, nil
}

// inOrder puts what a pod had before the template's additions: Spark takes the first container for its own, and variables refer to
// those before them.
func inOrder(merged *corev1.PodSpec, made, parts corev1.PodSpec) {
	containerName := func(c corev1.Container) string { return c.Name }
	variableName := func(v corev1.EnvVar) string { return v.Name }
	order(merged.Containers, containerName, made.Containers, parts.Containers)
	order(merged.InitContainers, containerName, made.InitContainers, parts.InitContainers)
	order(merged.Volumes, func(v corev1.Volume) string { return v.Name }, made.Volumes, parts.Volumes)
	main := &merged.Containers[0]
	for _, container := range parts.Containers {
		if container.Name == main.Name {
			order(main.Env, variableName, made.Containers[0].Env, container.Env)
			order(main.VolumeMounts, func(m corev1.VolumeMount) string { return m.MountPath }, made.Containers[0].VolumeMounts,
				container.VolumeMounts)
		}
	}
}

// order sorts a list as its elements come in other lists.
func order[T any](list []T, key func(T) string, as ...[]T) {
	places := map[string]int{}
	for _, element := range slices.Concat(as...) {
		if _, known := places[key(element)]; !known {
			places[key(element)] = len(places)
		}
	}
	slices.SortStableFunc(list, func(a, b T) int { return places[key(a)] - places[key(b)] })
}

// clashes says which of a pod's own volumes, variables, mounts and containers a template would replace.
func clashes(made, parts corev1.PodSpec) error {
	var problems []error
	taken := func(what, name string) {
		problems = append(problems, fmt.Errorf("%s %s is there already and cannot be replaced; choose another name", what, name))
	}
	for _, volume := range parts.Volumes {
		if slices.ContainsFunc(made.Volumes, func(v corev1.Volume) bool { return v.Name == volume.Name }) {
			taken("volume", volume.Name)
		}
	}
	main := made.Containers[0]
	for _, container := range slices.Concat(parts.Containers, parts.InitContainers) {
		if container.Name != main.Name {
			if slices.ContainsFunc(made.InitContainers, func(c corev1.Container) bool { return c.Name == container.Name }) {
				taken("container", container.Name)
			}
			continue
		}
		for _, variable := range container.Env {
			if slices.ContainsFunc(main.Env, func(v corev1.EnvVar) bool { return v.Name == variable.Name }) {
				taken("variable", variable.Name)
			}
		}
		for _, mount := range container.VolumeMounts {
			if slices.ContainsFunc(main.VolumeMounts, func(m corev1.VolumeMount) bool { return overlap(m.MountPath, mount.MountPath) }) {
				taken("directory", mount.MountPath)
			}
		}
	}
	return errors.Join(problems...)
}

// overlap reports whether one directory is the other, or lies below it.
func overlap(one, other string) bool {
	one, other = strings.TrimSuffix(one, "/")+"/", strings.TrimSuffix(other, "/")+"/"
	return strings.HasPrefix(one, other) || strings.HasPrefix(other, one)
}
