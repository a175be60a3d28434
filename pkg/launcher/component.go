package launcher

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Launch is what a component is given: a workload, and what a run adds to it.
type Launch struct {
	Workload scenario.Workload
	Env      Environment
	Image    string            // of drivers and executors
	Settings map[string]string // Spark's, as the driver gets them; nil where components are still asked for theirs
}

// Component is a kind of server that a workload may have around its driver. It is a value without state, made once for
// each run. What it does beyond this interface it says by implementing the optional ones of this file.
type Component interface {
	// Name is its name for people, such as "the staging server".
	Name() string
	// Roles returns the values of RoleLabel of its pods.
	Roles() []string
	// Validate returns the reasons why it cannot be created for a workload, one error each.
	Validate(l Launch) []error
	// Part returns its part of a workload; nil if the workload does not use it.
	Part(l Launch) (Part, error)
}

// Explainer is a component that the explanation of a plan describes.
type Explainer interface {
	// Explain describes the component of a workload in one sentence; empty if the workload does not use it.
	Explain(w scenario.Workload) string
}

// Extender is a component that changes drivers and executors.
type Extender interface {
	// Extend returns what it adds to them. The launch has no settings yet.
	Extend(l Launch) Extension
}

// Extension is what a component adds to drivers and executors.
type Extension struct {
	Settings map[string]string // Spark's; the workload's own win over them
	Lists    []ListSetting     // settings that the component and the workload both have a say in
	// Artifacts is the directory in which pods find the files that the application names beside the scenario; empty if there are none.
	Artifacts string
	Env       []corev1.EnvVar // of the main container and of each init container that reports
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

// Part is one workload's instance of a component, from its rendering to its end. It may keep state.
type Part interface {
	// Objects returns its Kubernetes objects in the order in which they are to be created.
	Objects() []Object
}

// Filler is a part with values that are in no manifest.
type Filler interface {
	// Fill puts them into the part's objects, before these are created.
	Fill(values Values) error
}

// Values are given to pods and are in no file of a run.
type Values struct {
	Variables    map[string]string // of the harness's environment, by their names, as VariableReaders name them
	WitnessToken string            // the token that clients of the witness present
}

// Waiter is a part that must be ready before the driver starts.
type Waiter interface {
	// Lacks describes why the part is not ready; empty if it is. An ErrNeverReady is final; any other error means that the API
	// server is unavailable for a moment.
	Lacks(ctx context.Context, client kubernetes.Interface) (string, error)
}

// Preparer is a part with something to do once it is ready and before the driver starts.
type Preparer interface {
	Prepare(ctx context.Context, host *Host) error
}

// Verifier is a part that verifies itself after the faults. It records what it finds, for the invariants to judge.
type Verifier interface {
	Verify(ctx context.Context, host *Host) error
}

// Member is one component of a workload.
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

// Fill puts values that are in no manifest into the objects of components, before these are created.
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

// Explain describes the components of a workload, one sentence each.
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
