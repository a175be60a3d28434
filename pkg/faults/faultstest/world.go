// Package faultstest has a fake cluster, API server and Chaos Mesh in which faults are tested.
package faultstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"
	"k8s.io/klog/v2"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Namespace is that of the run.
const Namespace = "run-1"

// ErrBroken is what fails on purpose.
var ErrBroken = errors.New("broken on purpose")

// Cluster has nodes that do as they are told, unless a hook says otherwise.
type Cluster struct {
	sync.Mutex // held while Do acts
	Workers    []cluster.Node
	Able       []cluster.Action
	boots      int
	done       []string // actions that were done, "power-off worker-1"

	Refuse   map[cluster.Action]error // Do fails and changes nothing
	Mute     map[cluster.Action]bool  // Do says that it acted, and nothing changed
	Silent   bool                     // Do acts, but returns no observation
	NodesErr error
	Meanders func(cluster.Action, *cluster.Node) // what happens beside the action
}

// NewCluster has three workers, all well.
func NewCluster() *Cluster {
	c := &Cluster{Able: cluster.Actions(), Refuse: map[cluster.Action]error{}, Mute: map[cluster.Action]bool{}}
	for i := 1; i <= 3; i++ {
		c.Workers = append(c.Workers, cluster.Node{Name: fmt.Sprintf("worker-%d", i), Power: cluster.On, Kubelet: true,
			BootID: fmt.Sprintf("boot-0-%d", i), Processes: 10})
	}
	return c
}

// Name implements faults.Machines.
func (c *Cluster) Name() string { return "test" }

// Can implements faults.Machines.
func (c *Cluster) Can() []cluster.Action { return c.Able }

// Nodes implements faults.Machines.
func (c *Cluster) Nodes(context.Context) ([]cluster.Node, error) {
	c.Lock()
	defer c.Unlock()
	return slices.Clone(c.Workers), c.NodesErr
}

// Node is a worker, to be changed without a lock; a stranger to the cluster if there is none of the name.
func (c *Cluster) Node(name string) *cluster.Node {
	for i := range c.Workers {
		if c.Workers[i].Name == name {
			return &c.Workers[i]
		}
	}
	return &cluster.Node{}
}

// Do implements faults.Machines.
func (c *Cluster) Do(ctx context.Context, action cluster.Action, name string) (cluster.Evidence, error) {
	c.Lock()
	defer c.Unlock()
	evidence := cluster.Evidence{Action: action, Node: name, Begun: time.Now()}
	if err := errors.Join(ctx.Err(), c.Refuse[action]); err != nil {
		return evidence, err
	}
	node := c.Node(name)
	if !c.Mute[action] {
		if err := c.act(action, node); err != nil {
			return evidence, err
		}
	}
	if c.Meanders != nil {
		c.Meanders(action, node)
	}
	c.done = append(c.done, string(action)+" "+name)
	if !c.Silent {
		evidence.Observations = []cluster.Observation{{What: string(action), How: "fake", At: time.Now()}}
	}
	return evidence, nil
}

func (c *Cluster) act(action cluster.Action, node *cluster.Node) error {
	already := fmt.Errorf("node %s: %s: already so", node.Name, action)
	switch action {
	case cluster.PowerOff, cluster.Shutdown:
		if node.Power == cluster.Off {
			return already
		}
		node.Power, node.Kubelet, node.Processes, node.BootID, node.Frozen = cluster.Off, false, 0, "", false
	case cluster.PowerOn:
		if node.Power == cluster.On {
			return already
		}
		c.boots++
		node.Power, node.Kubelet, node.Processes, node.BootID = cluster.On, true, 10, fmt.Sprintf("boot-%d", c.boots)
	case cluster.Freeze, cluster.Thaw:
		if node.Frozen == (action == cluster.Freeze) || node.Power == cluster.Off {
			return already
		}
		node.Frozen = action == cluster.Freeze
	case cluster.Isolate, cluster.Rejoin:
		if node.Isolated == (action == cluster.Isolate) {
			return already
		}
		node.Isolated = action == cluster.Isolate
	}
	return nil
}

// Did returns what was done, like "power-off worker-1".
func (c *Cluster) Did() []string {
	c.Lock()
	defer c.Unlock()
	return slices.Clone(c.done)
}

type Targets struct {
	Pod        faults.Pod   // the driver's
	Others     []faults.Pod // the executors'
	Err        error
	Components map[string][]faults.Pod
}

func (f Targets) Driver() (faults.Pod, error)      { return f.Pod, f.Err }
func (f Targets) Executors() ([]faults.Pod, error) { return f.Others, f.Err }

func (f Targets) Component(role string) ([]faults.Pod, error) { return f.Components[role], f.Err }

// Heartbeats are when pods were last heard of; their clocks are right.
type Heartbeats map[string]time.Time

func (f Heartbeats) Ahead(string) time.Duration { return 0 }

func (f Heartbeats) Last(uid string) (time.Time, bool) {
	at, ok := f[uid]
	return at, ok
}

// API is a client whose server deletes pods as the real one does, with a kubelet that ends them if it may.
type API struct {
	*fake.Clientset
	mu       sync.Mutex
	renewals int
	// Kubelet ends the containers of gracefully deleted pods; without it they stay as they are.
	Kubelet bool
	// SilentLease keeps the nodes' leases as they are.
	SilentLease bool
	// IdleGC leaves the pods of nodes out of service where they are.
	IdleGC bool
	// IdleTaintManager leaves the pods of tainted nodes where they are.
	IdleTaintManager bool
	// Budget forbids every eviction, Refusals so many.
	Budget   bool
	Refusals int
}

func newAPI(pods []faults.Pod, nodes []cluster.Node) *API {
	var objects []runtime.Object
	for _, pod := range pods {
		objects = append(objects, RunningPod(pod))
	}
	for _, node := range nodes {
		objects = append(objects, &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: node.Name, UID: "uid-of-node", Labels: map[string]string{corev1.LabelTopologyRegion: "far-east-1"}},
			Spec:       corev1.NodeSpec{ProviderID: "aws:///far-east-1a/i-" + node.Name},
			Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
		})
	}
	api := &API{Clientset: fake.NewClientset(objects...), Kubelet: true}
	api.PrependReactor("get", "leases", api.lease)
	api.PrependReactor("delete", "pods", api.deletePod)
	api.PrependReactor("create", "pods/eviction", api.evictPod)
	api.PrependReactor("update", "nodes", api.freePods)
	api.PrependReactor("update", "nodes", api.drivePodsOut)
	return api
}

func RunningPod(pod faults.Pod) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: types.UID("uid-of-" + pod.Name)},
		Spec:       corev1.PodSpec{NodeName: pod.Node, Containers: []corev1.Container{{Name: "spark", Image: "spark"}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
			Name: "spark", ContainerID: "containerd://1", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		}}},
	}
}

func (a *API) lease(action k8stesting.Action) (bool, runtime.Object, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.SilentLease {
		a.renewals++
	}
	renewed := metav1.NewMicroTime(time.Unix(int64(a.renewals), 0))
	return true, &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{RenewTime: &renewed, LeaseDurationSeconds: Ptr(int32(1))}}, nil
}

// freePods is the pod garbage collector: what a node out of service carries is gone at once, unless it is idle.
func (a *API) freePods(action k8stesting.Action) (bool, runtime.Object, error) {
	node := action.(k8stesting.UpdateAction).GetObject().(*corev1.Node)
	if a.IdleGC || !slices.ContainsFunc(node.Spec.Taints, outOfService) {
		return false, nil, nil
	}
	return false, nil, a.eachPodOn(node.Name, func(pod *corev1.Pod) error {
		return a.Tracker().Delete(PodResource(), pod.Namespace, pod.Name)
	})
}

func outOfService(taint corev1.Taint) bool { return taint.Key == corev1.TaintNodeOutOfService }

// drivePodsOut is the taint manager: pods that do not tolerate a taint are marked for deletion, and why, unless it is idle.
func (a *API) drivePodsOut(action k8stesting.Action) (bool, runtime.Object, error) {
	node := action.(k8stesting.UpdateAction).GetObject().(*corev1.Node)
	var errs []error
	for _, taint := range node.Spec.Taints {
		if a.IdleTaintManager || taint.Effect != corev1.TaintEffectNoExecute || outOfService(taint) {
			continue
		}
		errs = append(errs, a.eachPodOn(node.Name, func(pod *corev1.Pod) error {
			tolerated := slices.ContainsFunc(pod.Spec.Tolerations, func(t corev1.Toleration) bool {
				return t.ToleratesTaint(klog.Background(), &taint, true)
			})
			if tolerated || pod.DeletionTimestamp != nil {
				return nil
			}
			pod = pod.DeepCopy()
			pod.DeletionTimestamp = Ptr(metav1.Now())
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue,
				Reason: "DeletionByTaintManager"}}
			return a.Tracker().Update(PodResource(), pod, pod.Namespace)
		}))
	}
	return false, nil, errors.Join(errs...)
}

func (a *API) eachPodOn(node string, do func(*corev1.Pod) error) error {
	list, err := a.Tracker().List(PodResource(), PodResource().GroupVersion().WithKind("Pod"), Namespace)
	if err != nil {
		return err
	}
	for _, pod := range list.(*corev1.PodList).Items {
		if pod.Spec.NodeName == node {
			err = errors.Join(err, do(&pod))
		}
	}
	return err
}

// evictPod deletes the pod as the real server does, unless a budget forbids it.
func (a *API) evictPod(action k8stesting.Action) (bool, runtime.Object, error) {
	if a.Refusals--; a.Budget || a.Refusals >= 0 {
		return true, nil, apierrors.NewTooManyRequests("it would violate the pod's disruption budget", 1)
	}
	eviction := action.(k8stesting.CreateAction).GetObject().(*policyv1.Eviction)
	found, err := a.Tracker().Get(PodResource(), eviction.Namespace, eviction.Name)
	if err != nil {
		return true, nil, err
	}
	pod := found.(*corev1.Pod).DeepCopy()
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue,
		Reason: "EvictionByEvictionAPI"}}
	if err := a.Tracker().Update(PodResource(), pod, eviction.Namespace); err != nil {
		return true, nil, err
	}
	return a.deletePod(k8stesting.NewDeleteActionWithOptions(PodResource(), eviction.Namespace, eviction.Name, *eviction.DeleteOptions))
}

func (a *API) deletePod(action k8stesting.Action) (bool, runtime.Object, error) {
	request := action.(k8stesting.DeleteActionImpl)
	resource := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	found, err := a.Tracker().Get(resource, request.Namespace, request.Name)
	if err != nil {
		return true, nil, err
	}
	pod := found.(*corev1.Pod).DeepCopy()
	if want := request.DeleteOptions.Preconditions; want == nil || want.UID == nil || *want.UID != pod.UID {
		return true, nil, apierrors.NewConflict(resource.GroupResource(), request.Name, errors.New("the UID in the precondition does not match"))
	}
	if grace := request.DeleteOptions.GracePeriodSeconds; grace != nil && *grace == 0 {
		return true, nil, a.Tracker().Delete(resource, request.Namespace, request.Name)
	}
	now := metav1.Now()
	pod.DeletionTimestamp = &now
	if a.Kubelet {
		pod.Status.Phase = corev1.PodFailed
		pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 143}}
	}
	return true, nil, a.Tracker().Update(resource, pod, request.Namespace)
}

// World is everything that a disturbance works with.
type World struct {
	Faults  faults.Catalogue
	Cluster *Cluster
	Emitter *historytest.Emitter
	API     *API
	Chaos   *Chaos
	Env     faults.Env
	Dir     string // of the journal
}

// New makes a world that knows the faults of some families. A driver and an executor are on worker-1, another one on worker-2.
func New(t *testing.T, families ...faults.Family) *World {
	t.Helper()
	driver := faults.Pod{Namespace: Namespace, Name: "driver", Node: "worker-1"}
	executors := []faults.Pod{{Namespace: Namespace, Name: "exec-1", Node: "worker-1"},
		{Namespace: Namespace, Name: "exec-2", Node: "worker-2"}}
	driver.UID = string(RunningPod(driver).UID)
	for i := range executors {
		executors[i].UID = string(RunningPod(executors[i]).UID)
	}
	machines := NewCluster()
	dir := t.TempDir()
	journal, err := faults.OpenJournal(dir, faults.Catalogue(families).Undos())
	if err != nil {
		t.Fatal(err)
	}
	w := &World{Faults: families, Cluster: machines, Emitter: &historytest.Emitter{Err: ErrBroken},
		API: newAPI(append(executors, driver), machines.Workers), Dir: dir}
	w.Chaos = newChaos(w.API)
	w.Env = faults.Env{
		Run: "run-1", Fault: "f", Kind: "a kind", ClusterKind: "embedded", Namespace: Namespace, Machines: machines, Client: w.API,
		Targets: Targets{Pod: driver, Others: executors}, Emitter: w.Emitter, Journal: journal, Chaos: w.Chaos,
		CloudSecret: &faults.CloudSecret{Namespace: "clouds", Name: "key"}, Cluster: Identity(),
		LandWithin: 20 * time.Second, RecoverWithin: 20 * time.Second, PollEvery: time.Millisecond,
	}.WithDefaults()
	return w
}

// Identity is that of the fake cluster.
func Identity() cluster.Identity { return cluster.Identity{UID: "uid-of-test", CA: "ca-of-test"} }

// CleanerOf cleans up after faults of the world on a cluster, and may do what it asks for.
func (w *World) CleanerOf(machines faults.Machines, client kubernetes.Interface, chaos faults.Chaos) *faults.Cleaner {
	return &faults.Cleaner{
		Kinds: w.Faults.Undos(), Machines: machines, Cluster: Identity(), Client: client, Chaos: chaos,
		Confirm: func(string) error { return nil },
	}
}

// Cleaner cleans up the world.
func (w *World) Cleaner() *faults.Cleaner { return w.CleanerOf(w.Cluster, w.API, w.Chaos) }

// Records returns the open undo records.
func (w *World) Records(t *testing.T) []faults.Record {
	t.Helper()
	records, err := faults.Pending(w.Dir, w.Faults.Undos())
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// Example returns arguments of a kind with which it lands.
func (w *World) Example(t *testing.T, kind string) any {
	t.Helper()
	for _, k := range w.Faults.Kinds() {
		if k.Name == kind {
			return k.Example()
		}
	}
	t.Fatalf("no fault %s", kind)
	return nil
}

// Undo undoes what a fault did to its target, as the run itself does.
func (w *World) Undo(t *testing.T, target faults.Target) (faults.Effect, error) {
	t.Helper()
	undoing, err := w.Faults.Undos().Decode(faults.Record{Run: w.Env.Run, Fault: w.Env.Fault, Kind: w.Env.Kind, Object: target.Object,
		Node: target.Node, Undo: target.Undo})
	if err != nil {
		t.Fatal(err)
	}
	return undoing.Do(t.Context(), faults.UndoEnv{Machines: w.Cluster, Client: w.API, Chaos: w.Chaos, Now: w.Env.Now,
		Confirm: func(string) error { return nil }})
}

// Suiting brings the world into the state that a kind of fault needs: most hit a healthy node.
func (w *World) Suiting(kind string) *World {
	switch kind {
	case "nodeOutOfService":
		w.SwitchOff("worker-1")
	case "clockSkew":
		w.Env.Heartbeats = Skewed{Chaos: w.Chaos}
	}
	return w
}

// SwitchOff takes a node's power without telling anybody.
func (w *World) SwitchOff(name string) {
	node := w.Cluster.Node(name)
	node.Power, node.Kubelet, node.Processes, node.BootID = cluster.Off, false, 0, ""
}

// Open returns the faults whose undo records are open on disk.
func (w *World) Open(t *testing.T) []string {
	t.Helper()
	records, err := faults.Pending(w.Dir, w.Faults.Undos())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, record := range records {
		names = append(names, record.Fault)
	}
	return names
}

// Disturbance prepares a fault by the means that it prefers.
func (w *World) Disturbance(t *testing.T, name, kind string, args any) *faults.Disturbance {
	t.Helper()
	return w.DisturbanceBy(t, name, kind, "", args)
}

// DisturbanceBy prepares a fault by a means.
func (w *World) DisturbanceBy(t *testing.T, name, kind, by string, args any) *faults.Disturbance {
	t.Helper()
	d, err := w.Faults.Disturbance(name, kind, by, args, w.Env)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func Ptr[T any](v T) *T { return &v }

func ExpectError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// IgnoreDeletions accepts deletions and evictions and does nothing.
func (a *API) IgnoreDeletions() {
	a.PrependReactor("create", "pods/eviction", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
	a.PrependReactor("delete", "pods", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
}

// ChangePod changes a pod as somebody else would.
func (w *World) ChangePod(t *testing.T, name string, change func(*corev1.Pod)) {
	t.Helper()
	found, err := w.API.Tracker().Get(PodResource(), Namespace, name)
	if err != nil {
		t.Fatal(err)
	}
	pod := found.(*corev1.Pod).DeepCopy()
	change(pod)
	if err := w.API.Tracker().Update(PodResource(), pod, Namespace); err != nil {
		t.Fatal(err)
	}
}

// IgnoreNodeUpdates accepts changes of nodes and does nothing.
func (a *API) IgnoreNodeUpdates() {
	a.PrependReactor("update", "nodes", func(action k8stesting.Action) (bool, runtime.Object, error) {
		return true, action.(k8stesting.UpdateAction).GetObject(), nil
	})
}

func (w *World) Node(t *testing.T, name string) *corev1.Node {
	t.Helper()
	node, err := w.API.CoreV1().Nodes().Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return node
}

// Change changes a node's object as somebody else would.
func (w *World) Change(t *testing.T, name string, change func(*corev1.Node)) {
	t.Helper()
	node := w.Node(t, name)
	change(node)
	if err := w.API.Tracker().Update(schema.GroupVersionResource{Version: "v1", Resource: "nodes"}, node, ""); err != nil {
		t.Fatal(err)
	}
}

// Impatient hides a fault's own patience.
type Impatient struct{ faults.Fault }

func Changes(w *World) int {
	n := 0
	for _, action := range w.API.Actions() {
		if action.GetVerb() == "delete" || action.GetVerb() == "update" || action.GetVerb() == "patch" {
			n++
		}
	}
	return n
}

// Resolved is a fault whose target was found before.
type Resolved struct {
	faults.Fault
	Target faults.Target
}

func (r Resolved) Resolve(context.Context, faults.Env) (faults.Target, error) { return r.Target, nil }

func NodeNamed(name string) scenario.NodeSelector { return scenario.NodeSelector{Name: name} }
