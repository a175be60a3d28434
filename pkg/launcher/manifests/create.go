package manifests

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

const (
	fieldManager = "sparkchaos"
	// retryFor is how long creating is tried again when the API server does not take an object yet.
	retryFor  = 10 * time.Second
	retryWait = 200 * time.Millisecond
)

// part is what a workload has of its manifests.
type part struct {
	objects []object
	made    []made
}

// made is an object that was created.
type made struct {
	object
	api dynamic.ResourceInterface
}

// Objects implements launcher.Part: its objects are of kinds that only the cluster knows, so Prepare makes them.
func (p *part) Objects() []launcher.Object { return nil }

// Prepare implements launcher.Preparer: it creates the objects, in the order of the files, and waits until they are ready. They are in the
// run's namespace, whose name is on disk since before it was made, or carry the run's label.
func (p *part) Prepare(ctx context.Context, host *launcher.Host) error {
	config, err := host.RESTConfig()
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("create the workload's manifests: %w", err)
	}
	for _, o := range p.objects {
		created, err := create(ctx, host.Client, client, o)
		if err != nil {
			return err
		}
		p.made = append(p.made, created)
	}
	host.Progress.Say("the %d objects of the workload's manifests are created", len(p.made))
	last := newLast()
	done := host.Progress.Await("the workload's manifests", launcher.ComponentTimeout, last.String)
	defer done()
	return launcher.AwaitReady(ctx, host.Client, Component{}.Name(), p, last.set)
}

// create creates one object. One that exists already is never changed. Fields that the API server does not know are refused.
func create(ctx context.Context, typed kubernetes.Interface, client dynamic.Interface, o object) (made, error) {
	resource, err := resourceOf(typed, o)
	if err != nil {
		return made{}, fmt.Errorf("manifest %s: %s: %w", o.from, o, err)
	}
	api := client.Resource(resource).Namespace(o.GetNamespace())
	ctx, cancel := context.WithTimeout(ctx, retryFor)
	defer cancel()
	for {
		_, err = api.Create(ctx, o.Unstructured, metav1.CreateOptions{FieldManager: fieldManager, FieldValidation: metav1.FieldValidationStrict})
		if err == nil {
			return made{o, api}, nil
		}
		// The controllers create the service account a moment after the namespace.
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "service account") {
			break
		}
		select {
		case <-ctx.Done():
			return made{}, fmt.Errorf("manifest %s: create %s: %w", o.from, o, err)
		case <-time.After(retryWait):
		}
	}
	if apierrors.IsAlreadyExists(err) {
		return made{}, fmt.Errorf("manifest %s: %s exists already, made by sparkchaos or by another run, and is not changed; choose "+
			"another name: %w", o.from, o, err)
	}
	return made{}, fmt.Errorf("manifest %s: create %s: %w", o.from, o, err)
}

// resourceOf asks the cluster by which name it serves a kind, and refuses one that is in no namespace.
func resourceOf(client kubernetes.Interface, o object) (schema.GroupVersionResource, error) {
	version := o.GroupVersionKind().GroupVersion()
	served, err := client.Discovery().ServerResourcesForGroupVersion(version.String())
	if apierrors.IsNotFound(err) {
		return schema.GroupVersionResource{}, fmt.Errorf("the cluster serves no API %s; correct apiVersion, or install its "+
			"CustomResourceDefinition first", version)
	}
	if err != nil {
		return schema.GroupVersionResource{}, fmt.Errorf("ask the cluster for its API %s: %w", version, err)
	}
	var kinds []string
	for _, resource := range served.APIResources {
		kinds = append(kinds, resource.Kind)
		if resource.Kind != o.GetKind() || strings.Contains(resource.Name, "/") {
			continue
		}
		if !resource.Namespaced && !o.isPriorityClass() {
			return schema.GroupVersionResource{}, errors.New("is in no namespace, so it would outlive the run; create it yourself before the run")
		}
		return version.WithResource(resource.Name), nil
	}
	return schema.GroupVersionResource{}, fmt.Errorf("the cluster's API %s has no such kind; it has %s", version, strings.Join(kinds, ", "))
}

// Lacks implements launcher.Waiter.
func (p *part) Lacks(ctx context.Context, client kubernetes.Interface) (string, error) {
	var lacking []string
	for _, m := range p.made {
		now, err := m.api.Get(ctx, m.GetName(), metav1.GetOptions{})
		if err != nil {
			return "", fmt.Errorf("look at %s: %w", m, err)
		}
		why, err := lacks(now)
		if why == "" && err == nil {
			continue
		}
		why += podsOf(ctx, client, m)
		if err != nil {
			return "", fmt.Errorf("%s (%s) %s: %w", m, m.from, why, err)
		}
		lacking = append(lacking, fmt.Sprintf("%s (%s) %s", m, m.from, why))
	}
	return strings.Join(lacking, "; "), nil
}

// lacks returns in words what keeps an object from being ready, as kubectl and others compute it. A Job has to be complete.
func lacks(u *unstructured.Unstructured) (string, error) {
	result, err := status.Compute(u)
	if err != nil {
		return fmt.Sprintf("has a status that cannot be read: %v", err), nil
	}
	words := fmt.Sprintf("is %s: %s", result.Status, result.Message) + conditionsOf(u)
	switch {
	case result.Status == status.FailedStatus:
		return words, launcher.ErrNeverReady
	case result.Status == status.CurrentStatus && (u.GetKind() != "Job" || completed(u)):
		return "", nil
	case result.Status == status.CurrentStatus:
		return "is not complete: " + result.Message, nil
	default:
		return words, nil
	}
}

// condition is one of an object's status.
type condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Message string `json:"message"`
}

func conditions(u *unstructured.Unstructured) []condition {
	var all []condition
	list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, fields := range list {
		var c condition
		if fields, ok := fields.(map[string]any); ok && runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &c) == nil {
			all = append(all, c)
		}
	}
	return all
}

// conditionsOf tells what an object says about itself; empty if that is nothing.
func conditionsOf(u *unstructured.Unstructured) string {
	words := ""
	for _, c := range conditions(u) {
		if c.Message != "" {
			words += fmt.Sprintf("; %s is %s: %s", c.Type, c.Status, c.Message)
		}
	}
	return words
}

func completed(job *unstructured.Unstructured) bool {
	return slices.ContainsFunc(conditions(job), func(c condition) bool {
		return c.Type == "Complete" && c.Status == string(corev1.ConditionTrue)
	})
}

// podsOf tells what the pods of an object wait for; empty if they tell nothing.
func podsOf(ctx context.Context, client kubernetes.Interface, m made) string {
	if len(m.templates()) == 0 {
		return ""
	}
	role := launcher.RoleValue(scenario.ManifestRole(m.GetName()))
	pods, err := client.CoreV1().Pods(m.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: launcher.RoleLabel + "=" + role})
	if err != nil {
		return ""
	}
	words := ""
	for _, pod := range pods.Items {
		if lacks := launcher.PodLacks(pod); lacks != "" {
			words += "; " + lacks
		}
	}
	return words
}
