// Package chaosmesh installs and inspects Chaos Mesh, and manages the life of its custom resources: they are created, injected,
// recovered, and freed when they hang. Package faults decides what a resource does, and proves whether it did.
package chaosmesh

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/version"

	"github.com/sparkchaos/sparkchaos/internal/chart"
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
		for _, component := range []map[string]any{manager, daemon} {
			component["image"] = chart.ImageValues(p.Image)
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

// render returns the objects of the chart for a version of Kubernetes, in the order of the chart's files.
func (p Parts) render(server *version.Info) ([]*unstructured.Unstructured, error) {
	objects, err := chart.Chart{Of: "Chaos Mesh", Directory: p.Chart, Namespace: Namespace, Values: p.values()}.Render(server)
	if err != nil {
		return nil, err
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
	return chart.Definitions(p.CRDs, "build the component again (`sparkchaos components build chaos-mesh`)")
}
