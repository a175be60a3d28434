package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// AdminConfig returns the configuration for the API server of a cluster of our own, with a high client-side rate limit.
func AdminConfig(kubeconfig []byte) (*rest.Config, error) {
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 200, 400
	return config, nil
}

// Denied asks the API server which of the rules its user may not do in a namespace, or in all of them if it is empty. Each is a verb and a
// resource, as in "list pods", sorted.
func Denied(ctx context.Context, client kubernetes.Interface, namespace string, rules []rbacv1.PolicyRule) ([]string, error) {
	type question struct{ group, resource, verb string }
	var all []question
	for _, rule := range rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				all = append(all, question{rule.APIGroups[0], resource, verb})
			}
		}
	}
	denied := make([]bool, len(all))
	var group errgroup.Group
	group.SetLimit(10)
	for i, q := range all {
		group.Go(func() error {
			resource, sub, _ := strings.Cut(q.resource, "/")
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: namespace, Group: q.group, Resource: resource, Subresource: sub, Verb: q.verb,
				},
			}}
			answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
			if err != nil {
				return fmt.Errorf("ask what the user may do: %w", err)
			}
			denied[i] = !answer.Status.Allowed
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var missing []string
	for i, q := range all {
		if denied[i] {
			missing = append(missing, q.verb+" "+q.resource)
		}
	}
	slices.Sort(missing)
	return missing, nil
}
