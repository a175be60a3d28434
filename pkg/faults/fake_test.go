package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

const namespace = "run-1"

var errBroken = errors.New("broken on purpose")

// fakeCluster has nodes that do as they are told, unless a hook says otherwise.
type fakeCluster struct {
	mu    sync.Mutex
	nodes []cluster.Node
	can   []cluster.Action
	boots int
	done  []string // actions that were done, "power-off worker-1"

	refuse   map[cluster.Action]error // Do fails and changes nothing
	mute     map[cluster.Action]bool  // Do says that it acted, and nothing changed
	silent   bool                     // Do acts, but returns no observation
	nodesErr error
	meanders func(cluster.Action, *cluster.Node) // what happens beside the action
}

func newFakeCluster() *fakeCluster {
	c := &fakeCluster{can: cluster.Actions(), refuse: map[cluster.Action]error{}, mute: map[cluster.Action]bool{}}
	for i := 1; i <= 3; i++ {
		c.nodes = append(c.nodes, cluster.Node{Name: fmt.Sprintf("worker-%d", i), Power: cluster.On, Kubelet: true, BootID: fmt.Sprintf("boot-0-%d", i), Processes: 10})
	}
	return c
}

func (c *fakeCluster) Name() string          { return "test" }
func (c *fakeCluster) Can() []cluster.Action { return c.can }

func (c *fakeCluster) Nodes(context.Context) ([]cluster.Node, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.nodes), c.nodesErr
}

func (c *fakeCluster) node(name string) *cluster.Node {
	for i := range c.nodes {
		if c.nodes[i].Name == name {
			return &c.nodes[i]
		}
	}
	return &cluster.Node{}
}

func (c *fakeCluster) Do(ctx context.Context, action cluster.Action, name string) (cluster.Evidence, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	evidence := cluster.Evidence{Action: action, Node: name, Begun: time.Now()}
	if err := errors.Join(ctx.Err(), c.refuse[action]); err != nil {
		return evidence, err
	}
	node := c.node(name)
	if !c.mute[action] {
		if err := c.act(action, node); err != nil {
			return evidence, err
		}
	}
	if c.meanders != nil {
		c.meanders(action, node)
	}
	c.done = append(c.done, string(action)+" "+name)
	if !c.silent {
		evidence.Observations = []cluster.Observation{{What: string(action), How: "fake", At: time.Now()}}
	}
	return evidence, nil
}

func (c *fakeCluster) act(action cluster.Action, node *cluster.Node) error {
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

func (c *fakeCluster) did() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.done)
}

// fakeEmitter keeps events and can refuse those of one type.
type fakeEmitter struct {
	mu     sync.Mutex
	events []history.Event
	refuse string
}

func (e *fakeEmitter) Append(source history.Source, eventType string, object *history.Object, data any) (history.Event, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if eventType == e.refuse {
		return history.Event{}, errBroken
	}
	encoded, err := json.Marshal(data)
	event := history.Event{Seq: int64(len(e.events) + 1), Source: source, Type: eventType, Object: object, Data: encoded}
	e.events = append(e.events, event)
	return event, err
}

func (e *fakeEmitter) types() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var types []string
	for _, event := range e.events {
		types = append(types, event.Type)
	}
	return types
}

func (e *fakeEmitter) data(t *testing.T, eventType string) history.FaultData {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, event := range e.events {
		if event.Type != eventType {
			continue
		}
		var data history.FaultData
		if err := json.Unmarshal(event.Data, &data); err != nil {
			t.Fatalf("data of %s: %v", eventType, err)
		}
		return data
	}
	t.Fatalf("no event %s", eventType)
	return history.FaultData{}
}

type fakeTargets struct {
	driver     Pod
	executors  []Pod
	err        error
	components map[string][]Pod
}

func (f fakeTargets) Driver() (Pod, error)      { return f.driver, f.err }
func (f fakeTargets) Executors() ([]Pod, error) { return f.executors, f.err }

func (f fakeTargets) Component(role string) ([]Pod, error) { return f.components[role], f.err }

// fakeHeartbeats are when pods were last heard of; their clocks are right.
type fakeHeartbeats map[string]time.Time

func (f fakeHeartbeats) Ahead(string) time.Duration { return 0 }

func (f fakeHeartbeats) Last(uid string) (time.Time, bool) {
	at, ok := f[uid]
	return at, ok
}

// fakeAPI is a client whose server deletes pods as the real one does, with a kubelet that ends them if it may.
type fakeAPI struct {
	*fake.Clientset
	mu       sync.Mutex
	renewals int
	// kubelet ends the containers of gracefully deleted pods; without it they stay as they are.
	kubelet bool
	// silentLease keeps the nodes' leases as they are.
	silentLease bool
	// idleGC leaves the pods of nodes out of service where they are.
	idleGC bool
	// idleTaintManager leaves the pods of tainted nodes where they are.
	idleTaintManager bool
	// budget forbids every eviction, refusals so many.
	budget   bool
	refusals int
}

func newFakeAPI(pods []Pod, nodes []cluster.Node) *fakeAPI {
	var objects []runtime.Object
	for _, pod := range pods {
		objects = append(objects, runningPod(pod))
	}
	for _, node := range nodes {
		objects = append(objects, &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: node.Name, UID: "uid-of-node", Labels: map[string]string{corev1.LabelTopologyRegion: "far-east-1"}},
			Spec:       corev1.NodeSpec{ProviderID: "aws:///far-east-1a/i-" + node.Name},
			Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
		})
	}
	api := &fakeAPI{Clientset: fake.NewClientset(objects...), kubelet: true}
	api.PrependReactor("get", "leases", api.lease)
	api.PrependReactor("delete", "pods", api.deletePod)
	api.PrependReactor("create", "pods/eviction", api.evictPod)
	api.PrependReactor("update", "nodes", api.freePods)
	api.PrependReactor("update", "nodes", api.drivePodsOut)
	return api
}

func runningPod(pod Pod) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: types.UID("uid-of-" + pod.Name)},
		Spec:       corev1.PodSpec{NodeName: pod.Node, Containers: []corev1.Container{{Name: "spark", Image: "spark"}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
			Name: "spark", ContainerID: "containerd://1", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		}}},
	}
}

func (a *fakeAPI) lease(action k8stesting.Action) (bool, runtime.Object, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.silentLease {
		a.renewals++
	}
	renewed := metav1.NewMicroTime(time.Unix(int64(a.renewals), 0))
	return true, &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{RenewTime: &renewed, LeaseDurationSeconds: ptr(int32(1))}}, nil
}

// freePods is the pod garbage collector: what a node out of service carries is gone at once, unless it is idle.
func (a *fakeAPI) freePods(action k8stesting.Action) (bool, runtime.Object, error) {
	node := action.(k8stesting.UpdateAction).GetObject().(*corev1.Node)
	if a.idleGC || !hasTaint(node, outOfService()) {
		return false, nil, nil
	}
	return false, nil, a.eachPodOn(node.Name, func(pod *corev1.Pod) error {
		return a.Tracker().Delete(podResource(), pod.Namespace, pod.Name)
	})
}

// drivePodsOut is the taint manager: pods that do not tolerate a taint are marked for deletion, and why, unless it is idle.
func (a *fakeAPI) drivePodsOut(action k8stesting.Action) (bool, runtime.Object, error) {
	node := action.(k8stesting.UpdateAction).GetObject().(*corev1.Node)
	var errs []error
	for _, taint := range node.Spec.Taints {
		if a.idleTaintManager || taint.Effect != corev1.TaintEffectNoExecute || sameTaint(taint, outOfService()) {
			continue
		}
		errs = append(errs, a.eachPodOn(node.Name, func(pod *corev1.Pod) error {
			if tolerates(context.Background(), *pod, taint) || pod.DeletionTimestamp != nil {
				return nil
			}
			pod = pod.DeepCopy()
			pod.DeletionTimestamp = ptr(metav1.Now())
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: byTaintManager}}
			return a.Tracker().Update(podResource(), pod, pod.Namespace)
		}))
	}
	return false, nil, errors.Join(errs...)
}

func (a *fakeAPI) eachPodOn(node string, do func(*corev1.Pod) error) error {
	list, err := a.Tracker().List(podResource(), podResource().GroupVersion().WithKind("Pod"), namespace)
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
func (a *fakeAPI) evictPod(action k8stesting.Action) (bool, runtime.Object, error) {
	if a.refusals--; a.budget || a.refusals >= 0 {
		return true, nil, apierrors.NewTooManyRequests("it would violate the pod's disruption budget", 1)
	}
	eviction := action.(k8stesting.CreateAction).GetObject().(*policyv1.Eviction)
	found, err := a.Tracker().Get(podResource(), eviction.Namespace, eviction.Name)
	if err != nil {
		return true, nil, err
	}
	pod := found.(*corev1.Pod).DeepCopy()
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: byEviction}}
	if err := a.Tracker().Update(podResource(), pod, eviction.Namespace); err != nil {
		return true, nil, err
	}
	return a.deletePod(k8stesting.NewDeleteActionWithOptions(podResource(), eviction.Namespace, eviction.Name, *eviction.DeleteOptions))
}

func (a *fakeAPI) deletePod(action k8stesting.Action) (bool, runtime.Object, error) {
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
	if a.kubelet {
		pod.Status.Phase = corev1.PodFailed
		pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 143}}
	}
	return true, nil, a.Tracker().Update(resource, pod, request.Namespace)
}

// world is everything that a disturbance works with.
type world struct {
	cluster *fakeCluster
	emitter *fakeEmitter
	api     *fakeAPI
	chaos   *fakeChaos
	env     Env
	dir     string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	driver := Pod{Namespace: namespace, Name: "driver", Node: "worker-1"}
	executors := []Pod{{Namespace: namespace, Name: "exec-1", Node: "worker-1"}, {Namespace: namespace, Name: "exec-2", Node: "worker-2"}}
	driver.UID = string(runningPod(driver).UID)
	for i := range executors {
		executors[i].UID = string(runningPod(executors[i]).UID)
	}
	machines := newFakeCluster()
	dir := t.TempDir()
	journal, err := OpenJournal(dir, Undos())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{cluster: machines, emitter: &fakeEmitter{}, api: newFakeAPI(append(executors, driver), machines.nodes), dir: dir}
	w.chaos = newFakeChaos(w.api)
	w.env = Env{
		Run: "run-1", Fault: "f", Kind: "a kind", ClusterKind: "embedded", Namespace: namespace, Machines: machines, Client: w.api,
		Targets: fakeTargets{driver: driver, executors: executors}, Emitter: w.emitter, Journal: journal, Chaos: w.chaos,
		CloudSecret: &CloudSecret{Namespace: "clouds", Name: "key"}, Cluster: testIdentity(),
		LandWithin: 20 * time.Second, RecoverWithin: 20 * time.Second, PollEvery: time.Millisecond,
	}.withDefaults()
	return w
}

// testIdentity is that of the fake cluster.
func testIdentity() cluster.Identity { return cluster.Identity{UID: "uid-of-test", CA: "ca-of-test"} }

// cleanerOf cleans up the fake cluster, and may do what it asks for.
func cleanerOf(machines Machines, client kubernetes.Interface, chaos Chaos) *Cleaner {
	return &Cleaner{Kinds: Undos(), Machines: machines, Cluster: testIdentity(), Client: client, Chaos: chaos, Confirm: func(string) error { return nil }}
}

// records returns the open undo records.
func (w *world) records(t *testing.T) []Record {
	t.Helper()
	records, err := Pending(w.dir, w.env.Journal.kinds)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// undo undoes what a fault did to its target, as the run itself does.
func (w *world) undo(t *testing.T, target Target) (Effect, error) {
	t.Helper()
	undoing, err := Undos().Decode(Record{Run: w.env.Run, Fault: w.env.Fault, Kind: w.env.Kind, Object: target.Object, Node: target.Node, Undo: target.Undo})
	if err != nil {
		t.Fatal(err)
	}
	return undoing.Do(t.Context(), UndoEnv{Machines: w.cluster, Client: w.api, Chaos: w.chaos, Now: w.env.Now, Confirm: unasked})
}

// suiting brings the world into the state that a kind of fault needs: most strike a healthy node.
func (w *world) suiting(kind string) *world {
	switch kind {
	case "nodeOutOfService":
		w.switchOff("worker-1")
	case "clockSkew":
		w.env.Heartbeats = skewed{w.chaos}
	}
	return w
}

// switchOff takes a node's power without telling anybody.
func (w *world) switchOff(name string) {
	node := w.cluster.node(name)
	node.Power, node.Kubelet, node.Processes, node.BootID = cluster.Off, false, 0, ""
}

// open returns the faults whose undo records are open on disk.
func (w *world) open(t *testing.T) []string {
	t.Helper()
	records, err := Pending(w.dir, w.env.Journal.kinds)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, record := range records {
		names = append(names, record.Fault)
	}
	return names
}

func (w *world) disturbance(t *testing.T, name, kind string, args any) *Disturbance {
	t.Helper()
	return w.disturbanceBy(t, name, kind, "", args)
}

func (w *world) disturbanceBy(t *testing.T, name, kind, by string, args any) *Disturbance {
	t.Helper()
	d, err := NewDisturbance(name, kind, by, args, w.env)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func ptr[T any](v T) *T { return &v }
