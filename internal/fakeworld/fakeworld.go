// Package fakeworld is all that a run meets of a cluster, in memory: an API server, machines with kubelets, the controllers of
// Kubernetes, and Spark in its pods. With it a whole run takes a second in a unit test, and its world can continue from any moment
// of the run.
package fakeworld

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/sparkchaos/sparkchaos/internal/fakekube"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
)

// Times that the components of a fake world take for their work. A real cluster takes seconds.
const (
	tick       = 10 * time.Millisecond  // between two looks of a component
	renewal    = 100 * time.Millisecond // between two renewals of a node's lease
	grace      = 200 * time.Millisecond // silence after which a node is not ready
	toleration = 50 * time.Millisecond  // that pods tolerate on such a node
)

// World is one cluster with all that is in it. Each component looks at the state and brings it nearer to what it should be, as the real
// ones do, so that a world can continue from any state.
type World struct {
	API    *fakekube.API
	config *rest.Config
	disks  string // has a directory for each node's disk
	script Script
	// Reached is called, if it is set, before each request of the runner's that changes something, and around each action. The context is
	// that of the request or the action.
	Reached func(ctx context.Context, point string)

	mu           sync.Mutex
	machines     map[string]*machine
	processes    map[types.UID]*process
	incarnations map[types.UID]int // of the drivers of a Job
	gone         bool              // there is no cluster yet, or it was removed

	known sync.Map // the objects of the API, which never change, as what they are
}

// machine is a node as a machine.
type machine struct {
	cluster.Node
	renewed time.Time // its lease
	silent  time.Time // since when its pods are to be evicted; zero while it is ready
	ready   string    // the boot ID with which its object says that it is ready; empty while it does not
	boots   int
}

// running returns a machine that was booted so many times before.
func running(name string, boots int) cluster.Node {
	return cluster.Node{Name: name, Power: cluster.On, Kubelet: true, Processes: 1, BootID: fmt.Sprintf("%s-boot-%d", name, boots)}
}

// runs reports whether the machine's kubelet can work.
func (m *machine) runs() bool { return m.Power == cluster.On && m.Kubelet }

// New returns a world of three nodes that works until the test ends.
func New(t testing.TB, script Script) *World {
	t.Helper()
	w := &World{disks: t.TempDir(), script: script, machines: map[string]*machine{}, processes: map[types.UID]*process{}}
	w.API = fakekube.New(w.apiOptions())
	for _, name := range []string{"n1", "n2", "n3"} {
		node := running(name, 0)
		w.machines[name] = &machine{Node: node, ready: node.BootID}
		if err := errors.Join(os.Mkdir(filepath.Join(w.disks, name), 0o700), w.join(name)); err != nil {
			t.Fatal(err)
		}
	}
	w.begin(t)
	return w
}

// begin serves the API and starts the components. end, which the end of the test calls, too, ends both.
func (w *World) begin(t testing.TB) (end func()) {
	t.Helper()
	w.incarnations = map[types.UID]int{}
	w.config = fakekube.Serve(t, http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			body, err := io.ReadAll(r.Body) // else a client that goes is not noticed
			if err != nil {
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			w.reach(r.Context(), r.Method+" "+r.URL.Path)
		}
		w.API.ServeHTTP(to, r)
	}))
	ctx, stop := context.WithCancel(context.Background())
	var components sync.WaitGroup
	for _, component := range []func(){w.lookAsKubelets, w.lookAsNodeController, w.lookAsScheduler, w.lookAsJobController, w.lookAsOperator} {
		components.Go(func() {
			for ctx.Err() == nil {
				component()
				sleep(ctx, tick)
			}
		})
	}
	end = func() {
		stop()
		components.Wait()
		w.kill(func(*process) bool { return true })
	}
	t.Cleanup(end)
	return end
}

func (w *World) reach(ctx context.Context, point string) {
	if w.Reached != nil {
		w.Reached(ctx, point)
	}
}

// apiOptions refuse the pods that an admission policy is seen to be in force by: one whose name a policy of the harness's knows. What
// policies say in CEL is not evaluated. The server's clock advances by a second whenever it is read, the resolution of the times in
// objects: here the second driver is made in the same second as the first.
func (w *World) apiOptions() fakekube.Options {
	began := time.Now()
	var read atomic.Int64
	return fakekube.Options{
		Now: func() time.Time { return began.Add(time.Duration(read.Add(1)) * time.Second) },
		Admit: func(object *unstructured.Unstructured, dryRun bool) error {
			if dryRun && object.GetKind() == "Pod" {
				why := fmt.Errorf("ValidatingAdmissionPolicy sparkchaos-%s denied request", object.GetNamespace())
				return apierrors.NewForbidden(fakekube.Pods().GroupResource(), object.GetName(), why)
			}
			return nil
		},
		Logs: func(namespace, pod string) string {
			if pod == launcher.OutputReaderName && w.script.Outputs != nil {
				return w.script.Outputs(namespace)
			}
			return "the log of " + pod + "\n"
		},
	}
}

// sleep returns early when the context ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// join makes the objects of a node.
func (w *World) join(name string) error {
	machine := w.machines[name]
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}},
		Status: corev1.NodeStatus{
			NodeInfo:   corev1.NodeSystemInfo{BootID: machine.BootID},
			Conditions: []corev1.NodeCondition{readiness(corev1.ConditionTrue)},
		},
	}
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: corev1.NamespaceNodeLease}}
	return errors.Join(makeObject(w.API, fakekube.Nodes(), node), makeObject(w.API, fakekube.Leases(), lease))
}

func readiness(status corev1.ConditionStatus) corev1.NodeCondition {
	return corev1.NodeCondition{Type: corev1.NodeReady, Status: status, LastTransitionTime: metav1.Now(), Reason: "AFakeSaysSo"}
}

// lookAsKubelets lets each kubelet that runs renew its lease, tell its node's state, and take care of its pods.
func (w *World) lookAsKubelets() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, machine := range w.machines {
		if !machine.runs() {
			continue
		}
		if time.Since(machine.renewed) >= renewal {
			w.renew(machine)
		}
		for _, pod := range all[corev1.Pod](w, fakekube.Pods()) {
			if pod.Spec.NodeName == machine.Name {
				w.takeCare(pod)
			}
		}
	}
}

func (w *World) renew(machine *machine) {
	machine.renewed = time.Now()
	renew := func(lease *unstructured.Unstructured) error {
		return unstructured.SetNestedField(lease.Object, machine.renewed.UTC().Format(metav1.RFC3339Micro), "spec", "renewTime")
	}
	_, _ = w.API.Update(fakekube.Leases(), corev1.NamespaceNodeLease, machine.Name, renew) // the lease stays
	if machine.ready == machine.BootID {
		return
	}
	machine.ready = machine.BootID
	change(w.API, fakekube.Nodes(), "", machine.Name, func(node *corev1.Node) {
		node.Status.NodeInfo.BootID = machine.BootID
		node.Status.Conditions = []corev1.NodeCondition{readiness(corev1.ConditionTrue)}
	})
}

// takeCare brings one pod of a kubelet's nearer to what the API wants.
func (w *World) takeCare(pod *corev1.Pod) {
	process := w.processes[pod.UID]
	running := process != nil && !process.ended()
	over := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	switch {
	case running && pod.DeletionTimestamp != nil:
		process.stop()
	case pod.DeletionTimestamp != nil:
		now := int64(0)
		_ = w.API.Delete(fakekube.Pods(), pod.Namespace, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}) // it may be gone
	case running || over:
	case process == nil && pod.Status.Phase != corev1.PodRunning:
		w.processes[pod.UID] = w.start(pod)
		w.tellPhase(pod, corev1.PodRunning)
	case process != nil && process.succeeded.Load():
		w.tellPhase(pod, corev1.PodSucceeded)
	default: // it failed, or its machine was booted since it ran
		w.tellPhase(pod, corev1.PodFailed)
	}
}

func (w *World) tellPhase(pod *corev1.Pod, phase corev1.PodPhase) {
	change(w.API, fakekube.Pods(), pod.Namespace, pod.Name, func(pod *corev1.Pod) {
		pod.Status.Phase = phase
		state := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{FinishedAt: metav1.Now()}}
		if phase == corev1.PodRunning {
			state = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}
		}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", State: state, Ready: phase == corev1.PodRunning}}
	})
}

// lookAsNodeController marks nodes whose kubelets are silent, and evicts their pods.
func (w *World) lookAsNodeController() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, machine := range w.machines {
		// A running kubelet that gets no CPU is not silent: this world has no other load than that of its machine.
		speaks := machine.runs() || time.Since(machine.renewed) < grace
		switch {
		case speaks && machine.silent.IsZero():
		case speaks:
			machine.silent = time.Time{}
			w.taint(machine.Name, nil)
		case machine.silent.IsZero():
			machine.silent, machine.ready = time.Now(), ""
			w.taint(machine.Name, []corev1.Taint{
				{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoSchedule},
				{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute},
			})
		case time.Since(machine.silent) >= toleration:
			for _, pod := range all[corev1.Pod](w, fakekube.Pods()) {
				if pod.Spec.NodeName == machine.Name && pod.DeletionTimestamp == nil {
					_ = w.API.Delete(fakekube.Pods(), pod.Namespace, pod.Name, metav1.DeleteOptions{}) // it may be gone
				}
			}
		}
	}
}

func (w *World) taint(node string, taints []corev1.Taint) {
	change(w.API, fakekube.Nodes(), "", node, func(node *corev1.Node) {
		node.Spec.Taints = taints
		if len(taints) > 0 {
			node.Status.Conditions = []corev1.NodeCondition{readiness(corev1.ConditionUnknown)}
		}
	})
}

// lookAsScheduler puts each pod on the ready node with the fewest.
func (w *World) lookAsScheduler() {
	load := map[string]int{}
	for _, node := range all[corev1.Node](w, fakekube.Nodes()) {
		if cluster.NodeReady(*node) && len(node.Spec.Taints) == 0 && !node.Spec.Unschedulable {
			load[node.Name] = 0
		}
	}
	pods := all[corev1.Pod](w, fakekube.Pods())
	for _, pod := range pods {
		if _, fit := load[pod.Spec.NodeName]; fit {
			load[pod.Spec.NodeName]++
		}
	}
	for _, pod := range pods {
		if pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil || len(load) == 0 {
			continue
		}
		node := slices.MinFunc(slices.Sorted(maps.Keys(load)), func(a, b string) int { return load[a] - load[b] })
		load[node]++
		change(w.API, fakekube.Pods(), pod.Namespace, pod.Name, func(pod *corev1.Pod) {
			pod.Spec.NodeName = node
			pod.Status.Phase = corev1.PodPending
		})
	}
}

// lookAsJobController makes the pods of Jobs, and tells Jobs that are done. A pod that is being deleted is replaced at once, and keeps its
// Job from being complete.
func (w *World) lookAsJobController() {
	for _, job := range all[batchv1.Job](w, fakekube.Jobs()) {
		if job.DeletionTimestamp != nil || len(job.Status.Conditions) > 1 {
			continue
		}
		var succeeded, active, terminating int
		for _, pod := range all[corev1.Pod](w, fakekube.Pods()) {
			switch owner := metav1.GetControllerOf(pod); {
			case owner == nil || owner.UID != job.UID, pod.Status.Phase == corev1.PodFailed:
			case pod.Status.Phase == corev1.PodSucceeded:
				succeeded++
			case pod.DeletionTimestamp != nil:
				terminating++
			default:
				active++
			}
		}
		switch {
		case succeeded > 0 && terminating == 0 && active == 0:
			w.tellJob(job, batchv1.JobSuccessCriteriaMet, batchv1.JobComplete)
		case succeeded > 0 && len(job.Status.Conditions) == 0:
			w.tellJob(job, batchv1.JobSuccessCriteriaMet)
		case succeeded == 0 && active == 0:
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{
					GenerateName: job.Name + "-", Namespace: job.Namespace, Labels: job.Spec.Template.Labels,
					OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job"))},
				},
				Spec: job.Spec.Template.Spec,
			}
			_ = makeObject(w.API, fakekube.Pods(), pod) // its namespace may be about to go
		}
	}
}

func (w *World) tellJob(job *batchv1.Job, conditions ...batchv1.JobConditionType) {
	change(w.API, fakekube.Jobs(), job.Namespace, job.Name, func(job *batchv1.Job) {
		job.Status.Conditions = nil
		for _, condition := range conditions {
			job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{Type: condition, Status: corev1.ConditionTrue})
		}
	})
}

// kill ends processes as a loss of power does, and returns when they are gone.
func (w *World) kill(chosen func(*process) bool) {
	w.mu.Lock()
	var dying []*process
	for _, process := range w.processes {
		if chosen(process) {
			dying = append(dying, process)
		}
	}
	w.mu.Unlock()
	for _, process := range dying {
		process.stop()
	}
	for _, process := range dying {
		<-process.done
	}
}

// all returns the objects of a resource as what they are. They must not be changed.
func all[T any](w *World, resource schema.GroupVersionResource) []*T {
	var found []*T
	for _, object := range w.API.List(resource, "") {
		known, _ := w.known.Load(object)
		if known == nil {
			known = typed[T](object)
			w.known.Store(object, known)
		}
		found = append(found, known.(*T))
	}
	return found
}

// typed panics if an object is none of its kind, which only a mistake in a test can cause.
func typed[T any](object *unstructured.Unstructured) *T {
	made := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, made); err != nil {
		panic(fmt.Sprintf("%s %s: %v", object.GetKind(), object.GetName(), err))
	}
	return made
}

func untyped(object any) *unstructured.Unstructured {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		panic(fmt.Sprintf("%T: %v", object, err))
	}
	return &unstructured.Unstructured{Object: fields}
}

// makeObject creates an object.
func makeObject(api *fakekube.API, resource schema.GroupVersionResource, object any) error {
	_, err := api.Create(resource, untyped(object))
	return err
}

// change changes an object if it is there.
func change[T any](api *fakekube.API, resource schema.GroupVersionResource, namespace, name string, how func(*T)) {
	_, err := api.Update(resource, namespace, name, func(object *unstructured.Unstructured) error {
		changed := typed[T](object)
		how(changed)
		object.Object = untyped(changed).Object
		return nil
	})
	if err != nil && !apierrors.IsNotFound(err) {
		panic(fmt.Sprintf("change %s %s: %v", resource.Resource, name, err))
	}
}

// value returns what follows a prefix in one of the texts.
func value(texts []string, prefix string) string {
	for _, text := range texts {
		if value, found := strings.CutPrefix(text, prefix); found {
			return value
		}
	}
	return ""
}
