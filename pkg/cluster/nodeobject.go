package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// NodeReady reports whether a Node object is Ready, which it stays until the node's silence is noticed.
func NodeReady(node corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// Readiness returns "Ready" or "NotReady" for each Node object, by name; nil if the API server does not answer.
func Readiness(ctx context.Context, client kubernetes.Interface) map[string]string {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil
	}
	thought := map[string]string{}
	for _, node := range nodes.Items {
		thought[node.Name] = "NotReady"
		if NodeReady(node) {
			thought[node.Name] = "Ready"
		}
	}
	return thought
}

// NodeLease is the lease of a node as it was seen at several looks. They are compared with each other, and not with a clock:
// kubelet's clock may be another one. The zero value with a Node has not looked yet.
type NodeLease struct {
	Node string

	last    *metav1.MicroTime // what the lease said at the last look; nil before the first, or if it says nothing
	since   time.Time         // of the look that first saw it
	looked  time.Time         // of the last look
	renewed bool
	lasts   time.Duration
}

// Look looks at the lease; now is the time of the look.
func (l *NodeLease) Look(ctx context.Context, client kubernetes.Interface, now func() time.Time) error {
	lease, err := client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, l.Node, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("look at the lease of node %s: %w", l.Node, err)
	}
	l.looked, l.lasts = now(), Production().NodeLeaseDuration // Kubernetes' default, for a lease that does not say it
	if seconds := lease.Spec.LeaseDurationSeconds; seconds != nil {
		l.lasts = time.Duration(*seconds) * time.Second
	}
	first := l.since.IsZero()
	if first || !lease.Spec.RenewTime.Equal(l.last) {
		l.renewed = l.renewed || l.last != nil && lease.Spec.RenewTime != nil
		l.last, l.since = lease.Spec.RenewTime, l.looked
	}
	return nil
}

// Renewed reports whether kubelet renewed the lease since the first look.
func (l *NodeLease) Renewed() bool { return l.renewed }

// Silent reports whether kubelet did not renew the lease, up to the last look, for as long as two renewals take: it renews each quarter of
// the lease.
func (l *NodeLease) Silent() bool { return !l.since.IsZero() && l.looked.Sub(l.since) > l.lasts/2 }

// String describes the lease as it was at the last look.
func (l *NodeLease) String() string { return fmt.Sprintf("renewed at %v", l.last) }
