// Package chaosmesh has the words in which faults and Chaos Mesh speak to each other: its resources, and what it claims of them.
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

// String names it for people.
func (r Resource) String() string { return fmt.Sprintf("%s %s/%s", r.Kind, r.Namespace, r.Name) }

// Pods selects pods of a namespace by their names, so that nothing is left for Chaos Mesh to choose.
func Pods(namespace string, names ...string) v1alpha1.PodSelector {
	return v1alpha1.PodSelector{Mode: v1alpha1.AllMode, Selector: v1alpha1.PodSelectorSpec{Pods: map[string][]string{namespace: names}}}
}

// Spec is the spec of a resource of the api module, such as a v1alpha1.PodChaosSpec.
type Spec any

// State is what Chaos Mesh says of a resource. It is a claim: that something is injected proves nothing.
type State struct {
	Injected  bool               `json:"injected"`  // the condition AllInjected
	Recovered bool               `json:"recovered"` // the condition AllRecovered
	Selected  bool               `json:"selected"`
	Records   []*v1alpha1.Record `json:"records,omitempty"`
}

// Trouble returns what Chaos Mesh recorded last of an injection that failed; empty if nothing did.
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

// Freed says how a resource was removed.
type Freed struct {
	State State `json:"state"` // what Chaos Mesh said of it last
	// Forced says what was done beside deleting a resource that hung; empty if deleting it was enough.
	Forced []string `json:"forced,omitempty"`
}
