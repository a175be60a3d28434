// Package chaosmesh installs and inspects Chaos Mesh, and manages the life of its custom resources: they are created, injected,
// recovered, and freed when they hang. Package faults decides what a resource does, and proves whether it did.
package chaosmesh

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apimachinery/pkg/version"
)

// Namespace is the namespace of an installation.
const Namespace = "chaos-mesh"

// Parts are the parts of an installation on this machine.
type Parts struct {
	// Chart is the directory of Chaos Mesh's chart.
	Chart string
	// CRDs is the directory of its CustomResourceDefinitions, generated from the API module that its programs are built with.
	CRDs string
	// Manager is the executable of the controller manager, for clusters that run it beside their control plane.
	Manager string
	// Image is the reference of the image of both programs; if empty, the nodes pull the chart's own images.
	Image string
	// Pulled reports whether the nodes pull Image; otherwise they have it already.
	Pulled bool
	// PauseImage is the image that containers run while Chaos Mesh makes their pod fail; every node has it.
	PauseImage string
}

// values returns the values of the chart: no dashboard, no DNS server, one replica of each part.
func (p Parts) values() map[string]any {
	manager := map[string]any{
		"replicaCount": 1, "leaderElection": map[string]any{"enabled": false}, "chaosdSecurityMode": false,
		// It has to run while other pods lack CPU.
		"priorityClassName": "system-cluster-critical",
	}
	if p.PauseImage != "" {
		manager["podChaos"] = map[string]any{"podFailure": map[string]any{"pauseImage": p.PauseImage}}
	}
	daemon := map[string]any{
		"runtime": "containerd", "socketPath": "/run/containerd/containerd.sock", "priorityClassName": "system-node-critical",
		// A daemon belongs on each node, whatever an experiment does to it.
		"tolerations": []any{map[string]any{"operator": "Exists"}},
	}
	if p.Image != "" {
		registry, repository, tag := splitReference(p.Image)
		for _, component := range []map[string]any{manager, daemon} {
			component["image"] = map[string]any{"registry": registry, "repository": repository, "tag": tag}
			component["imagePullPolicy"] = string(p.pullPolicy())
		}
	}
	return map[string]any{
		"controllerManager": manager, "chaosDaemon": daemon, "enableProfiling": false,
		"dashboard": map[string]any{"create": false, "securityMode": false}, "dnsServer": map[string]any{"create": false},
	}
}

func (p Parts) pullPolicy() corev1.PullPolicy {
	if p.Pulled {
		return corev1.PullIfNotPresent
	}
	return corev1.PullNever
}

func splitReference(reference string) (registry, repository, tag string) {
	registry, rest, _ := strings.Cut(reference, "/")
	repository, tag, _ = strings.Cut(rest, ":")
	return registry, repository, tag
}

// render returns the objects of the chart for a version of Kubernetes, in the order of the chart's files.
func (p Parts) render(server *version.Info) ([]*unstructured.Unstructured, error) {
	chart, err := loader.LoadDir(p.Chart)
	if err != nil {
		return nil, fmt.Errorf("chart of Chaos Mesh in %s: %w", p.Chart, err)
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = chartutil.KubeVersion{Version: server.GitVersion, Major: server.Major, Minor: server.Minor}
	release := chartutil.ReleaseOptions{Name: Namespace, Namespace: Namespace, IsInstall: true, Revision: 1}
	values, err := chartutil.ToRenderValues(chart, p.values(), release, capabilities)
	if err != nil {
		return nil, fmt.Errorf("values for the chart of Chaos Mesh: %w", err)
	}
	files, err := engine.Render(chart, values)
	if err != nil {
		return nil, fmt.Errorf("render the chart of Chaos Mesh: %w", err)
	}
	var objects []*unstructured.Unstructured
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Ext(name) != ".yaml" {
			continue // notes for people
		}
		parsed, err := parse([]byte(files[name]))
		if err != nil {
			return nil, fmt.Errorf("rendered file %s of the chart of Chaos Mesh: %w", name, err)
		}
		objects = append(objects, parsed...)
	}
	return objects, p.adapt(objects)
}

// adapt makes changes for which the chart has no value.
func (p Parts) adapt(objects []*unstructured.Unstructured) error {
	if p.Image == "" {
		return nil
	}
	for _, object := range objects {
		if object.GetKind() != "DaemonSet" {
			continue
		}
		volumes, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "volumes")
		if err != nil {
			return fmt.Errorf("volumes of the daemon of Chaos Mesh: %w", err)
		}
		for _, volume := range volumes {
			// A node may lack kernel modules, and none is loaded.
			if v, ok := volume.(map[string]any); ok && v["name"] == "lib-modules" {
				delete(v, "hostPath")
				v["emptyDir"] = map[string]any{}
			}
		}
		if err := unstructured.SetNestedSlice(object.Object, volumes, "spec", "template", "spec", "volumes"); err != nil {
			return fmt.Errorf("volumes of the daemon of Chaos Mesh: %w", err)
		}
	}
	return nil
}

// definitions returns the CustomResourceDefinitions.
func (p Parts) definitions() ([]*unstructured.Unstructured, error) {
	files, err := filepath.Glob(filepath.Join(p.CRDs, "*.yaml"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf(
			"there are no definitions of resources in %s: build the component again (`sparkchaos components build chaos-mesh`)", p.CRDs)
	}
	var objects []*unstructured.Unstructured
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		parsed, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		objects = append(objects, parsed...)
	}
	return objects, nil
}

// parse reads the objects of a file of YAML documents.
func parse(data []byte) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	var objects []*unstructured.Unstructured
	for {
		var content map[string]any
		err := decoder.Decode(&content)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(content) > 0 {
			objects = append(objects, &unstructured.Unstructured{Object: content})
		}
	}
}
