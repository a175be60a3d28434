// Package chaosmesh has the types that faults exchange with Chaos Mesh: its resources, and what it claims about them.
package chaosmesh

import (
	"fmt"
	"slices"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
)

// Resource is one custom resource of Chaos Mesh, and the pods that it selects.
type Resource struct {
	Kind      string   `json:"kind"` // e.g. PodChaos
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	UID       string   `json:"uid,omitempty"`
	Pods      []string `json:"pods,omitempty"` // names of the selected pods, in its namespace
}

// String returns the kind, namespace and name.
func (r Resource) String() string { return fmt.Sprintf("%s %s/%s", r.Kind, r.Namespace, r.Name) }

// Pods selects pods of a namespace by name, so that Chaos Mesh has nothing to choose.
func Pods(namespace string, names ...string) v1alpha1.PodSelector {
	return v1alpha1.PodSelector{Mode: v1alpha1.AllMode, Selector: v1alpha1.PodSelectorSpec{Pods: map[string][]string{namespace: names}}}
}

// Spec is the spec of a resource of the api module, such as a v1alpha1.PodChaosSpec.
type Spec any

// State is what Chaos Mesh says about a resource. It is a claim: that something is injected proves nothing.
type State struct {
	Injected  bool               `json:"injected"`  // the condition AllInjected
	Recovered bool               `json:"recovered"` // the condition AllRecovered
	Selected  bool               `json:"selected"`
	Records   []*v1alpha1.Record `json:"records,omitempty"`
}

// Trouble returns the last failure that Chaos Mesh recorded; empty if there is none.
func (s State) Trouble() string {
	for _, record := range s.Records {
		for _, event := range slices.Backward(record.Events) {
			if event.Type == v1alpha1.TypeFailed && event.Message != "" {
				return event.Message
			}
		}
	}
	return ""
}

// Freed reports how a resource was removed.
type Freed struct {
	State State `json:"state"` // what Chaos Mesh said of it last
	// Forced lists what was done to a resource that hung after its deletion; empty if deleting it was enough.
	Forced []string `json:"forced,omitempty"`
}
