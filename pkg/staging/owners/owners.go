// Package owners finds out from Kubernetes whether the bundles of a staging server are still needed.
package owners

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
	"github.com/sparkchaos/sparkchaos/pkg/staging/server"
)

// page is how many objects are listed at a time.
const page = 500

// Kubernetes looks for owners through the API server. It needs list on pods and jobs in the namespaces of bundles; get on
// namespaces is used where it is granted.
type Kubernetes struct{ client kubernetes.Interface }

var _ server.Owners = Kubernetes{}

// New returns the finder that uses client.
func New(client kubernetes.Interface) Kubernetes { return Kubernetes{client} }

// Look implements server.Owners. It lists the pods and the Jobs of the namespace, once for all its bundles.
func (k Kubernetes) Look(ctx context.Context, namespace string) (server.Census, error) {
	gone, err := k.namespaceGone(ctx, namespace)
	if err != nil {
		return nil, err
	}
	if gone {
		return noNamespace(namespace), nil
	}
	c := census{}
	err = pages(func(options metav1.ListOptions) (string, error) {
		pods, err := k.client.CoreV1().Pods(namespace).List(ctx, options)
		if err != nil {
			return "", err
		}
		for _, pod := range pods.Items {
			c.add("pod "+pod.Name, pod.Labels)
		}
		return pods.Continue, nil
	})
	if err != nil {
		return nil, fmt.Errorf("list pods (is list on pods granted there?): %w", err)
	}
	err = pages(func(options metav1.ListOptions) (string, error) {
		jobs, err := k.client.BatchV1().Jobs(namespace).List(ctx, options)
		if err != nil {
			return "", err
		}
		for _, job := range jobs.Items {
			c.add("job "+job.Name, job.Spec.Template.Labels)
		}
		return jobs.Continue, nil
	})
	if err != nil {
		return nil, fmt.Errorf("list jobs (is list on jobs.batch granted there?): %w", err)
	}
	return c, nil
}

// namespaceGone reports whether a namespace certainly does not exist. A client that may not ask learns nothing, which is not an error.
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

// pages calls list until there is no further page; list returns the token of the next one.
func pages(list func(metav1.ListOptions) (string, error)) error {
	options := metav1.ListOptions{Limit: page}
	for {
		next, err := list(options)
		if err != nil || next == "" {
			return err
		}
		options.Continue = next
	}
}

// noNamespace is the census of a namespace that does not exist.
type noNamespace string

// Find implements server.Census.
func (n noNamespace) Find(staging.Owner) server.Finding {
	return server.Finding{What: fmt.Sprintf("namespace %s does not exist", string(n))}
}

// census holds, by each label, what carries it or will make a pod that does.
type census map[label][]holder

type label struct{ key, value string }

type holder struct {
	what   string
	labels map[string]string
}

func (c census) add(what string, labels map[string]string) {
	h := holder{what, labels}
	for key, value := range labels {
		l := label{key, value}
		c[l] = append(c[l], h)
	}
}

// Find implements server.Census. A bundle has an owner while a pod carries its labels, whatever state it is in, or a Job is
// there whose pods will carry them: between two pods of a Job there may be none for minutes.
func (c census) Find(owner staging.Owner) server.Finding {
	var fewest []holder
	first := true
	for key, value := range owner.Labels {
		if holders := c[label{key, value}]; first || len(holders) < len(fewest) {
			fewest, first = holders, false
		}
	}
	for _, h := range fewest {
		if h.carries(owner.Labels) {
			return server.Finding{Owned: true, What: h.what}
		}
	}
	return server.Finding{What: "no pod with these labels, and no job that makes one"}
}

func (h holder) carries(labels map[string]string) bool {
	for key, value := range labels {
		if got, ok := h.labels[key]; !ok || got != value {
			return false
		}
	}
	return true
}
