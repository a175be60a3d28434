package chaosmesh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sparkchaos/sparkchaos/internal/chart"
	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// Types that faults exchange with Chaos Mesh.
type (
	Resource = chaosmesh.Resource
	Spec     = chaosmesh.Spec
	State    = chaosmesh.State
	Freed    = chaosmesh.Freed
)

// RunLabel is the label with the run that a resource belongs to.
const RunLabel = cluster.RunLabel

// AllRuns selects the resources of every run.
const AllRuns = ""

// resourceOf returns the resource of a kind; in this API plurals are the kinds in lower case.
func resourceOf(kind string) schema.GroupVersionResource {
	return v1alpha1.SchemeGroupVersion.WithResource(strings.ToLower(kind))
}

// kinds are those of the resources that sparkchaos creates.
func kinds() []string {
	return []string{
		v1alpha1.KindPodChaos, v1alpha1.KindNetworkChaos, v1alpha1.KindStressChaos, v1alpha1.KindTimeChaos,
		v1alpha1.KindAWSChaos, v1alpha1.KindGCPChaos, v1alpha1.KindAzureChaos,
	}
}

// Create creates a resource with the run's label, by which a clean-up that knows nothing else finds it.
func (c *Client) Create(ctx context.Context, r Resource, run string, spec Spec, dry bool) (Resource, error) {
	encoded, err := json.Marshal(spec)
	if err != nil {
		return r, fmt.Errorf("%s: %w", r, err)
	}
	var content map[string]any
	if err := json.Unmarshal(encoded, &content); err != nil {
		return r, fmt.Errorf("%s: %w", r, err)
	}
	object := &unstructured.Unstructured{Object: map[string]any{"spec": content}}
	object.SetAPIVersion(v1alpha1.SchemeGroupVersion.String())
	object.SetKind(r.Kind)
	object.SetName(r.Name)
	object.SetLabels(map[string]string{RunLabel: run, chart.ManagedByLabel: managedBy})
	var options metav1.CreateOptions
	if dry {
		options.DryRun = []string{metav1.DryRunAll}
	}
	made, err := c.dynamic.Resource(resourceOf(r.Kind)).Namespace(r.Namespace).Create(ctx, object, options)
	if err != nil {
		return r, fmt.Errorf("create %s: %w", r, err)
	}
	r.UID = string(made.GetUID())
	return r, nil
}

// State returns the state of a resource. If the resource is gone, the error is NotFound.
func (c *Client) State(ctx context.Context, r Resource) (State, error) {
	object, err := c.get(ctx, r)
	if err != nil {
		return State{}, err
	}
	var content struct {
		Status v1alpha1.ChaosStatus `json:"status"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &content); err != nil {
		return State{}, fmt.Errorf("status of %s: %w", r, err)
	}
	state := State{Records: content.Status.Experiment.Records}
	for _, condition := range content.Status.Conditions {
		holds := condition.Status == "True"
		switch condition.Type {
		case v1alpha1.ConditionAllInjected:
			state.Injected = holds
		case v1alpha1.ConditionAllRecovered:
			state.Recovered = holds
		case v1alpha1.ConditionSelected:
			state.Selected = holds
		}
	}
	return state, nil
}

// get returns a resource, unless another one has its name by now.
func (c *Client) get(ctx context.Context, r Resource) (*unstructured.Unstructured, error) {
	object, err := c.dynamic.Resource(resourceOf(r.Kind)).Namespace(r.Namespace).Get(ctx, r.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", r, err)
	}
	if r.UID != "" && string(object.GetUID()) != r.UID {
		return nil, fmt.Errorf("look at %s: %w", r, apierrors.NewNotFound(resourceOf(r.Kind).GroupResource(), r.Name+" with UID "+r.UID))
	}
	return object, nil
}

// AwaitInjected waits until Chaos Mesh claims that all is injected, and returns what it recorded.
func (c *Client) AwaitInjected(ctx context.Context, r Resource) (State, error) {
	var state State
	err := cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		now, err := c.State(ctx, r)
		if err != nil {
			return false, err.Error()
		}
		state = now
		seen := fmt.Sprintf("AllInjected is %v, selected targets %d", now.Injected, len(now.Records))
		if trouble := now.Trouble(); trouble != "" {
			seen += ": " + trouble
		}
		return now.Injected, seen
	})
	if err != nil {
		return state, fmt.Errorf("expected to see AllInjected of %s: %w", r, err)
	}
	return state, nil
}

// ofMachine reports whether the resource targets a machine of a cloud.
func ofMachine(r Resource) bool {
	return slices.Contains([]string{v1alpha1.KindAWSChaos, v1alpha1.KindGCPChaos, v1alpha1.KindAzureChaos}, r.Kind)
}

// Delete deletes a resource and waits until it is gone, which means that its targets are recovered. If it hangs, its share in the
// pods' own resources is deleted first, which helps in most cases, then its finalizers. This does not recover targets on a dead node:
// nodes must be on before. The resource of a cloud's machine is never forced: nobody else would start the machine again.
func (c *Client) Delete(ctx context.Context, r Resource) (Freed, error) {
	var freed Freed
	if state, err := c.State(ctx, r); err == nil {
		freed.State = state
	} else if apierrors.IsNotFound(err) {
		return freed, nil
	}
	if err := c.delete(ctx, r); err != nil {
		return freed, err
	}
	if ofMachine(r) {
		return freed, c.awaitGone(ctx, r, c.startWithin)
	}
	if c.awaitGone(ctx, r, c.recoverWithin) == nil {
		return freed, nil
	}
	freed.Forced = append(freed.Forced, fmt.Sprintf("it was still there %v after its deletion", c.recoverWithin))
	if err := c.cleanPods(ctx, r, &freed); err != nil {
		return freed, err
	}
	if c.awaitGone(ctx, r, c.freeWithin) == nil {
		return freed, nil
	}
	if err := c.dropFinalizers(ctx, r); err != nil {
		return freed, err
	}
	freed.Forced = append(freed.Forced, "its finalizers were removed")
	return freed, c.awaitGone(ctx, r, c.freeWithin)
}

func (c *Client) delete(ctx context.Context, r Resource) error {
	var options metav1.DeleteOptions
	if r.UID != "" {
		uid := types.UID(r.UID)
		options.Preconditions = &metav1.Preconditions{UID: &uid}
	}
	err := c.dynamic.Resource(resourceOf(r.Kind)).Namespace(r.Namespace).Delete(ctx, r.Name, options)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s: %w", r, err)
	}
	return nil
}

func (c *Client) awaitGone(ctx context.Context, r Resource, within time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("%s was not gone within %v", r, within))
	defer cancel()
	return cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		object, err := c.get(ctx, r)
		if err != nil {
			return apierrors.IsNotFound(err), err.Error()
		}
		return false, fmt.Sprintf("it has the finalizers %v", object.GetFinalizers())
	})
}

// cleanPods deletes the resources in which Chaos Mesh collects the faults of each pod that r selects. One that cannot be carried
// out breaks every later fault of the pod.
func (c *Client) cleanPods(ctx context.Context, r Resource, freed *Freed) error {
	var errs []error
	for _, kind := range []string{v1alpha1.KindPodNetworkChaos, v1alpha1.KindPodHttpChaos, v1alpha1.KindPodIOChaos} {
		for _, pod := range r.Pods {
			err := c.dynamic.Resource(resourceOf(kind)).Namespace(r.Namespace).Delete(ctx, pod, metav1.DeleteOptions{})
			switch {
			case err == nil:
				freed.Forced = append(freed.Forced, fmt.Sprintf("%s of pod %s was deleted", kind, pod))
			case !apierrors.IsNotFound(err):
				errs = append(errs, fmt.Errorf("delete %s of pod %s: %w", kind, pod, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (c *Client) dropFinalizers(ctx context.Context, r Resource) error {
	_, err := c.dynamic.Resource(resourceOf(r.Kind)).Namespace(r.Namespace).
		Patch(ctx, r.Name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("free %s: %w", r, err)
	}
	return nil
}

// OfRun returns the resources that carry a run's label.
func (c *Client) OfRun(ctx context.Context, run string) ([]Resource, error) {
	selector := RunLabel
	if run != AllRuns {
		selector += "=" + run
	}
	return c.list(ctx, metav1.ListOptions{LabelSelector: selector})
}

// All returns all resources, no matter who created them.
func (c *Client) All(ctx context.Context) ([]Resource, error) {
	return c.list(ctx, metav1.ListOptions{})
}

// served reports whether the API server serves the kinds at all: listing a kind that it does not serve may be forbidden, too.
func (c *Client) served() bool {
	_, err := c.kube.Discovery().ServerResourcesForGroupVersion(v1alpha1.SchemeGroupVersion.String())
	return !apierrors.IsNotFound(err)
}

// list returns the resources of the kinds that sparkchaos creates; none if they are not defined.
func (c *Client) list(ctx context.Context, options metav1.ListOptions) ([]Resource, error) {
	var found []Resource
	var errs []error
	for _, kind := range kinds() {
		list, err := c.dynamic.Resource(resourceOf(kind)).List(ctx, options)
		if err != nil && !apierrors.IsNotFound(err) && !(apierrors.IsForbidden(err) && !c.served()) {
			errs = append(errs, fmt.Errorf("look for resources of kind %s: %w", kind, err))
		}
		if err != nil {
			continue
		}
		for _, object := range list.Items {
			found = append(found, Resource{Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName(), UID: string(object.GetUID())})
		}
	}
	return found, errors.Join(errs...)
}
