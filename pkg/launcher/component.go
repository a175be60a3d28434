package launcher

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Launch is what a component is asked about: a workload, and what a run adds to it.
type Launch struct {
	Workload scenario.Workload
	Env      Environment
	Image    string            // of drivers and executors
	Settings map[string]string // Spark's, as the driver gets them; nil where components are still asked for theirs
}

// Component is a kind of server that a workload may have around its driver. It is a value without state, made once for
// each run. What it does beyond this interface it says by implementing the optional ones of this file.
type Component interface {
	// Name is how people are told of it, as "the staging server".
	Name() string
	// Roles returns the values of RoleLabel that its pods carry.
	Roles() []string
	// Validate returns what keeps it from being made for a workload, one error each.
	Validate(l Launch) []error
	// Part returns what a workload has of it; nil if that is nothing.
	Part(l Launch) (Part, error)
}

// Explainer is a component that a plan tells of.
type Explainer interface {
	// Explain returns one sentence for what a workload has of the component; empty if that is nothing.
	Explain(w scenario.Workload) string
}

// Extender is a component that changes drivers and executors.
type Extender interface {
	// Extend returns what it adds to them. The launch has no settings yet.
	Extend(l Launch) Extension
}

// Extension is what a component adds to drivers and executors.
type Extension struct {
	Settings  map[string]string // Spark's; the workload's own win over them
	Lists     []ListSetting     // settings that the component and the workload both have a say in
	Artifacts string            // the directory in which pods find the files that the application names beside the scenario; empty: there are none
	Env       []corev1.EnvVar   // of the main container and of each init container that reports
	Volumes   []corev1.Volume
	Mounts    []corev1.VolumeMount // of the main container and of each init container that reports
	Pod       func(*Pod)           // changes a pod once it is complete; nil: nothing more to change
}

// ListSetting is a setting of Spark whose value is a list. The workload's own entries stand between First and Last.
type ListSetting struct {
	Key, Separator string
	First, Last    string
}

// Pod is that of a driver or executor, for an Extension to change.
type Pod struct {
	*corev1.PodSpec
	Role   string               // RoleDriver or RoleExecutor
	Env    []corev1.EnvVar      // by which a container of it is known to the witness
	Mounts []corev1.VolumeMount // by which a container of it reports to the witness
}

// Part is what one workload has of a component, from its rendering to its end. It may keep state.
type Part interface {
	// Objects returns its Kubernetes objects in the order in which they are to be created.
	Objects() []Object
}

// Filler is a part with values that stand in no manifest.
type Filler interface {
	// Fill puts them into the part's objects, before these are created.
	Fill(values Values) error
}

// Values are what pods are given and what no file of a run holds.
type Values struct {
	Variables    map[string]string // of the harness's environment, by their names, as VariableReaders name them
	WitnessToken string            // what whoever reports to the witness shows
}

// Waiter is a part that must be ready before the driver starts.
type Waiter interface {
	// Lacks returns in words what keeps the part from being ready, empty if nothing does. Its error is final if it is an
	// ErrNeverReady; any other one means that the API server is away for a moment.
	Lacks(ctx context.Context, client kubernetes.Interface) (string, error)
}

// Preparer is a part with something to do once it is ready and before the driver starts.
type Preparer interface {
	Prepare(ctx context.Context, host *Host) error
}

// Verifier is a part that is looked at once more after the faults. What it sees it records, for the invariants to judge.
type Verifier interface {
	Verify(ctx context.Context, host *Host) error
}

// Member is what a workload has of one component.
type Member struct {
	Component Component
	Part      Part
}

// partsOf returns what a workload has of each component.
func partsOf(l Launch, components []Component) ([]Member, []error) {
	var members []Member
	var problems []error
	for _, component := range components {
		part, err := component.Part(l)
		if err != nil {
			problems = append(problems, err)
		}
		if part != nil {
			members = append(members, Member{Component: component, Part: part})
		}
	}
	return members, problems
}

// Fill puts what stands in no manifest into the objects of components, before these are created.
func (o *Objects) Fill(values Values) error {
	for _, member := range o.Members {
		if filler, ok := member.Part.(Filler); ok {
			if err := filler.Fill(values); err != nil {
				return fmt.Errorf("%s: %w", member.Component.Name(), err)
			}
		}
	}
	return nil
}

// extensionsOf returns what components add to drivers and executors.
func extensionsOf(l Launch, components []Component) []Extension {
	var all []Extension
	for _, component := range components {
		if extender, ok := component.(Extender); ok {
			all = append(all, extender.Extend(l))
		}
	}
	return all
}

// Explain returns what a plan tells of the components of a workload, one sentence each.
func Explain(components []Component, w scenario.Workload) []string {
	var sentences []string
	for _, component := range components {
		if explainer, ok := component.(Explainer); ok {
			if sentence := explainer.Explain(w); sentence != "" {
				sentences = append(sentences, sentence)
			}
		}
	}
	return sentences
}
