package shuffleservice

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
)

// portPatience is how long another run's service may still be ending on a node: longer than its grace period.
const portPatience = 20 * time.Second

// Lacks implements launcher.Waiter. The service is ready when it accepts connections on each node that it is meant for: an
// executor that does not find its node's service ends after three attempts. It never will be when its port stays taken.
func (p *part) Lacks(ctx context.Context, client kubernetes.Interface) (string, error) {
	lacks, portTaken, err := lacking(ctx, client, p.daemons)
	switch {
	case !portTaken:
		p.taken = time.Time{}
	case p.taken.IsZero():
		p.taken = time.Now()
	case time.Since(p.taken) > portPatience:
		return "", fmt.Errorf("it needs port %d of each node's own network, and another one holds it: wait for the end of the run whose it is, "+
			"or take another cluster (--cluster-name): %w", p.daemons.Spec.Template.Spec.Containers[0].Ports[0].HostPort, launcher.ErrNeverReady)
	}
	return lacks, err
}

// lacking says in words what keeps the service from being ready, empty if nothing does, and whether that is its port.
func lacking(ctx context.Context, client kubernetes.Interface, service *appsv1.DaemonSet) (lacks string, portTaken bool, err error) {
	now, err := client.AppsV1().DaemonSets(service.Namespace).Get(ctx, service.Name, metav1.GetOptions{})
	if err != nil {
		return "", false, fmt.Errorf("look at DaemonSet %s: %w", launcher.FullName(service), err)
	}
	status := now.Status
	wanted := status.DesiredNumberScheduled
	if status.ObservedGeneration >= now.Generation && wanted > 0 && status.NumberReady >= wanted {
		return "", false, nil
	}
	selector := metav1.FormatLabelSelector(service.Spec.Selector)
	pods, err := client.CoreV1().Pods(service.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return "", false, fmt.Errorf("list the pods of DaemonSet %s: %w", launcher.FullName(service), err)
	}
	var states []string
	for _, pod := range pods.Items {
		if state := launcher.PodLacks(pod); state != "" {
			states = append(states, state)
			portTaken = portTaken || strings.Contains(state, "free ports")
		}
	}
	slices.Sort(states)
	lacks = fmt.Sprintf("it is ready on %d of %d nodes", status.NumberReady, status.DesiredNumberScheduled)
	if len(states) > 0 {
		lacks += ": " + strings.Join(states, "; ")
	}
	return lacks, portTaken, nil
}
