// Package owners finds out from Kubernetes whether the bundles of a staging server are still needed.
package owners

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
	"github.com/sparkchaos/sparkchaos/pkg/staging/server"
)

// page is how many Jobs are listed at a time.
const page = 500

// Kubernetes looks for owners through the API server. It needs list on pods and jobs in the namespaces of bundles; get on
// namespaces is used where it is granted.
type Kubernetes struct{ client kubernetes.Interface }

var _ server.Owners = Kubernetes{}

// New returns the finder that uses client.
func New(client kubernetes.Interface) Kubernetes { return Kubernetes{client} }

// Find implements server.Owners. A bundle has an owner while a pod carries its labels, whatever state it is in, or a Job
// is there whose pods will carry them: between two pods of a Job there may be none for minutes.
func (k Kubernetes) Find(ctx context.Context, owner staging.Owner) (server.Finding, error) {
	gone, err := k.namespaceGone(ctx, owner.Namespace)
	if err != nil {
		return server.Finding{}, err
	}
	if gone {
		return server.Finding{What: fmt.Sprintf("namespace %s does not exist", owner.Namespace)}, nil
	}
	selector := labels.SelectorFromSet(owner.Labels)
	pods, err := k.client.CoreV1().Pods(owner.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String(), Limit: 1})
	if err != nil {
		return server.Finding{}, fmt.Errorf("list pods (is list on pods granted there?): %w", err)
	}
	if len(pods.Items) > 0 {
		return server.Finding{Owned: true, What: fmt.Sprintf("pod %s", pods.Items[0].Name)}, nil
	}
	job, err := k.job(ctx, owner.Namespace, selector)
	if err != nil {
		return server.Finding{}, fmt.Errorf("list jobs (is list on jobs.batch granted there?): %w", err)
	}
	if job != "" {
		return server.Finding{Owned: true, What: fmt.Sprintf("job %s", job)}, nil
	}
	return server.Finding{What: "no pod with these labels, and no job that makes one"}, nil
}

// namespaceGone says whether a namespace certainly does not exist. Who may not ask knows nothing, and that is no error.
func (k Kubernetes) namespaceGone(ctx context.Context, name string) (bool, error) {
	_, err := k.client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	switch {
	case err == nil || apierrors.IsForbidden(err):
		return false, nil
	case apierrors.IsNotFound(err):
		return true, nil
	default:
		return false, fmt.Errorf("get namespace: %w", err)
	}
}

// job returns the name of a Job whose pods carry the labels, or "".
func (k Kubernetes) job(ctx context.Context, namespace string, selector labels.Selector) (string, error) {
	options := metav1.ListOptions{Limit: page}
	for {
		jobs, err := k.client.BatchV1().Jobs(namespace).List(ctx, options)
		if err != nil {
			return "", err
		}
		for _, job := range jobs.Items {
			if makes(job, selector) {
				return job.Name, nil
			}
		}
		if options.Continue = jobs.Continue; options.Continue == "" {
			return "", nil
		}
	}
}

func makes(job batchv1.Job, selector labels.Selector) bool {
	return selector.Matches(labels.Set(job.Spec.Template.Labels))
}
