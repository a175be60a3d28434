package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// attached reports whether somebody else starts the application: the run makes and removes nothing of it.
func (r *run) attached() bool { return r.Plan.Workload.Attached() }

// namespaces are those that the run makes.
func (r *run) namespaces() []string {
	if r.attached() {
		return nil
	}
	return r.ids()
}

// faultNamespace is that of the application that faults are injected into.
func (r *run) faultNamespace() string {
	if r.attached() {
		return r.Plan.Workload.Attach.Namespace
	}
	return r.id
}

// takeCluster makes the cluster, or finds it. One that somebody else's application runs on is there, and stays as it is.
func (r *run) takeCluster(ctx context.Context, spec cluster.Spec) (c cluster.Cluster, made bool, err error) {
	if !r.attached() {
		return r.Clusters.Make(ctx, spec)
	}
	if c, err = r.openCluster(); err != nil {
		return nil, false, err
	}
	if _, asks := r.Clusters.(cluster.Confirming); asks { // whether it may be disturbed
		spec.Workers = 0
		return r.Clusters.Make(ctx, spec)
	}
	return c, false, nil
}

// openCluster finds the cluster that the application runs on.
func (r *run) openCluster() (cluster.Cluster, error) {
	c, err := r.Clusters.Open(r.ClusterName)
	if errors.Is(err, cluster.ErrNotFound) {
		return nil, fmt.Errorf("there is no %s cluster %s: an application that somebody else starts is looked for on a cluster that is there; "+
			"name it by the flags of the command: %w", r.Clusters.Kind(), r.ClusterName, err)
	}
	return c, err
}

// observable returns why the application cannot be observed, before anything waits for it.
func (r *run) observable(ctx context.Context, more []history.Watched) error {
	namespace := r.Plan.Workload.Attach.Namespace
	if _, err := r.client.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{}); apierrors.IsNotFound(err) {
		return fmt.Errorf("cluster %s has no namespace %s: expected the one in which the application's pods are (`kubectl get namespaces` "+
			"lists them)", r.cluster.Name(), namespace)
	} else if err != nil && !apierrors.IsForbidden(err) { // who may see pods need not see namespaces
		return fmt.Errorf("look at namespace %s: %w", namespace, err)
	}
	var denied []string
	all, leases, own := history.ForeignRules(more...)
	for _, one := range []struct {
		namespace, where string
		rules            []rbacv1.PolicyRule
	}{{"", "", all}, {corev1.NamespaceNodeLease, " in " + corev1.NamespaceNodeLease, leases}, {namespace, " in " + namespace, own}} {
		missing, err := cluster.Denied(ctx, r.client, one.namespace, one.rules)
		if apierrors.IsNotFound(err) {
			return nil // a server that does not say; the recording tells what it does not show
		}
		if err != nil {
			return fmt.Errorf("observe namespace %s: %w", namespace, err)
		}
		for _, right := range missing {
			denied = append(denied, right+one.where)
		}
	}
	if len(denied) > 0 {
		return fmt.Errorf("the user of cluster %s may not %s, which observing namespace %s needs; docs/your-application.md has a role "+
			"that grants it", r.cluster.Name(), strings.Join(denied, ", "), namespace)
	}
	return nil
}

// observe begins to record an application that is not the run's. Its logs are not kept: they are somebody else's.
func (s *session) observe(ctx context.Context) error {
	more, err := launcher.WatchedAll(s.run.client)
	if err != nil {
		return err
	}
	if err := s.run.observable(ctx, more); err != nil {
		return err
	}
	s.recording, err = startRecording(ctx, history.NewForeignRecorder(s.run.dynamic, s.log, s.run.faultNamespace(), more...))
	return err
}

// attach waits for a driver of the application, or takes the one that is there, and tells what it is.
func (s *session) attach(ctx context.Context) error {
	a := *s.run.Plan.Workload.Attach
	atMost := time.Duration(a.Within)
	waiting, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	last := newSeen("nothing")
	done := s.run.Progress.Await("a driver in namespace "+a.Namespace, atMost, last.String)
	defer done()
	var found history.WorkloadData
	var incarnation string
	err := s.live.await(waiting, func(m *model.Model) (bool, error) {
		workload, seen, err := launcher.FindDriver(m, a)
		if err != nil || !workload.Attached {
			last.set(seen)
			return false, err
		}
		found, incarnation = workload, newestPod(m, workload)
		return true, nil
	}, func() error {
		return fmt.Errorf("no driver of an application that somebody else starts ran in namespace %s within %v; last seen: %s; correct "+
			"attach.driver, or give it longer with attach.within", a.Namespace, atMost, last)
	})
	if err != nil {
		return err
	}
	s.launched = time.Now()
	s.run.Progress.Say("attached to %s %s in namespace %s, whose driver is pod %s", found.DriverKind, found.DriverName, a.Namespace,
		incarnation)
	_, err = s.log.Append(history.Harness, history.WorkloadLaunched, nil, found)
	return err
}

// newestPod returns the name of the driver's pod that was found.
func newestPod(m *model.Model, found history.WorkloadData) string {
	var names []string
	for _, pod := range m.Pods {
		own := pod.UID == found.DriverUID || pod.Owner.UID == found.DriverUID
		if own && pod.Runs() && pod.Created.Equal(found.DriversSince) {
			names = append(names, pod.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
