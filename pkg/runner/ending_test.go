package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/catalogue"
	"github.com/sparkchaos/sparkchaos/pkg/faults/machine"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/pkg/witness"
)

// fakeMachines is a cluster of machines that do what they are told.
type fakeMachines struct {
	cluster.Cluster
	mu      sync.Mutex
	nodes   map[string]*cluster.Node
	disks   map[string]fs.FS // a node without one cannot be read
	removed []string         // directories
	silent  error            // anyone who knows of the machines does not answer
}

func newFakeMachines(names ...string) *fakeMachines {
	f := &fakeMachines{nodes: map[string]*cluster.Node{}, disks: map[string]fs.FS{}}
	for _, name := range names {
		f.nodes[name] = &cluster.Node{Name: name, Power: cluster.On, Kubelet: true, Processes: 1}
	}
	return f
}

func (f *fakeMachines) Name() string { return "c" }

func (f *fakeMachines) Can() []cluster.Action { return cluster.Actions() }

func (f *fakeMachines) Nodes(context.Context) ([]cluster.Node, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []cluster.Node
	if f.silent != nil {
		return nil, f.silent
	}
	for _, node := range f.nodes {
		all = append(all, *node)
	}
	return all, nil
}

func (f *fakeMachines) Do(_ context.Context, action cluster.Action, name string) (cluster.Evidence, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.silent != nil {
		return cluster.Evidence{}, f.silent
	}
	switch action {
	case cluster.PowerOff:
		*f.nodes[name] = cluster.Node{Name: name, Power: cluster.Off}
	case cluster.PowerOn:
		*f.nodes[name] = cluster.Node{Name: name, Power: cluster.On, Kubelet: true, Processes: 1}
	default:
		return cluster.Evidence{}, fmt.Errorf("unexpected %s", action)
	}
	now := time.Now()
	return cluster.Evidence{Action: action, Node: name, Begun: now,
		Observations: []cluster.Observation{{What: "done", How: "told", At: now}}}, nil
}

func (f *fakeMachines) Disk(_ context.Context, node string) (fs.FS, error) {
	if disk, ok := f.disks[node]; ok {
		return disk, nil
	}
	return nil, errors.New("the disk is broken")
}

func (f *fakeMachines) RemoveDirectory(_ context.Context, path string) error {
	f.removed = append(f.removed, path)
	return nil
}

// fakeAPI knows the nodes, whose kubelets renew their leases whenever someone looks.
func fakeAPI(objects ...runtime.Object) *fake.Clientset {
	client := fake.NewClientset(objects...)
	var mu sync.Mutex
	looks := 0
	client.PrependReactor("get", "leases", func(k8stesting.Action) (bool, runtime.Object, error) {
		mu.Lock()
		defer mu.Unlock()
		looks++
		renewed := metav1.NewMicroTime(time.Unix(int64(looks), 0))
		return true, &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{RenewTime: &renewed}}, nil
	})
	return client
}

func readyNode(name string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "uid-of-n1"},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
	}
}

// limitedFile is a history on a disk that fills up.
type limitedFile struct {
	*os.File
	mu   sync.Mutex
	full bool
}

var errFull = errors.New("no space left on device")

func (l *limitedFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		return 0, errFull
	}
	return l.File.Write(p)
}

func (l *limitedFile) fill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.full = true
}

// runOn is a run in the middle of its faults, with its history on the file.
func runOn(t *testing.T, file history.File, directory Directory, machines *fakeMachines, client *fake.Clientset) *run {
	t.Helper()
	options := someOptions(t, &fakeClusters{opened: machines})
	r := &run{Options: options, id: "r", directory: directory, cluster: machines, client: client}
	r.log, r.live = onFile(file)
	var err error
	if r.journal, err = faults.OpenJournal(directory.Undo(), catalogue.All().Undos()); err != nil {
		t.Fatal(err)
	}
	r.session = &session{run: r, id: "r", log: r.log, live: r.live, witness: &witnessing{
		directory: "/w", stop: func() {}, servers: &errgroup.Group{},
		inbox: witness.NewInbox(func(history.WitnessRecord) error { return nil }),
	}}
	return r
}

func newLimitedFile(t *testing.T, directory Directory) *limitedFile {
	t.Helper()
	file, err := os.Create(directory.History())
	if err != nil {
		t.Fatal(err)
	}
	return &limitedFile{File: file}
}

func TestWhatIsLeftOnDisksIsFound(t *testing.T) {
	t.Parallel()
	directory := Directory(t.TempDir())
	machines := newFakeMachines("n1", "n2")
	machines.disks["n1"] = fstest.MapFS{"var/lib/sparkchaos/shuffle/r-base/blockmgr-1/0c/shuffle_0_0_0.data": {}}
	r := runOn(t, newLimitedFile(t, directory), directory, machines, fakeAPI())
	found, err := r.directoriesLeft(t.Context())
	want := []history.Object{{Kind: "Directory", Name: "n1:/var/lib/sparkchaos/shuffle/r-base"}}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	if err == nil || !strings.Contains(err.Error(), "the disk is broken") {
		t.Errorf("%v, want that the other disk could not be looked at", err)
	}
}

func TestAFullDiskKeepsNothingFromBeingUndone(t *testing.T) {
	t.Parallel()
	directory := Directory(t.TempDir())
	file := newLimitedFile(t, directory)
	machines := newFakeMachines("n1")
	machines.disks["n1"] = fstest.MapFS{}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "r", Labels: map[string]string{launcher.RunLabel: "r"}}}
	client := fakeAPI(readyNode("n1"), namespace)
	r := runOn(t, file, directory, machines, client)
	fault, err := catalogue.All().Disturbance("strike", "nodePowerOff", "", &machine.NodePowerOffArgs{Node: scenario.NodeSelector{Name: "n1"}},
		faults.Env{
			Run: "r", ClusterKind: "fake", Namespace: "r", Machines: machines, Client: client, Emitter: r.log, Journal: r.journal,
			PollEvery: time.Millisecond,
		})
	if err != nil {
		t.Fatal(err)
	}
	r.disturbed = []*faults.Disturbance{fault}
	if err := fault.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	file.fill()
	trouble := r.tell("anything", nil)
	if !errors.Is(trouble, errFull) {
		t.Fatalf("the disk is not full: %v", trouble)
	}

	if left := r.cleanUp(t.Context()); left != nil {
		t.Errorf("left behind: %v; what only the history did not learn of is undone", left)
	}
	if node := machines.nodes["n1"]; node.Power != cluster.On {
		t.Errorf("the node is %s after the clean-up", node.Power)
	}
	if open := r.journal.Open(); len(open) != 0 {
		t.Errorf("undo records are open: %v", open)
	}
	if _, err := client.CoreV1().Namespaces().Get(t.Context(), "r", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the namespace: %v, want that it is gone", err)
	}
	if diff := cmp.Diff(slices.Concat(directories("r-base"), directories("r")), machines.removed); diff != "" {
		t.Errorf("directories removed: %s", diff)
	}
	ended := r.end(trouble)
	if !errors.Is(ended, errFull) || strings.Count(ended.Error(), errFull.Error()) != 1 {
		t.Errorf("the run ended with %v; want the trouble, once", ended)
	}
	stored, err := os.Open(directory.History())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stored.Close() }()
	if verdict, err := check.Judge(t.Context(), history.NewReader(stored)); err != nil || verdict.Verdict == check.Pass {
		t.Errorf("judged %s, %v", verdict.Verdict, err)
	}
}

// TestAnOpenUndoRecordIsLeftOnlyIfSomebodyCouldLook has the clean-up after a node lost its power meet a container engine, or an API
// server, that does not answer any more.
func TestAnOpenUndoRecordIsLeftOnlyIfSomebodyCouldLook(t *testing.T) {
	t.Parallel()
	silent := errors.New("the engine does not answer")
	record := []history.Object{{Kind: "UndoRecord", Name: "0001-strike"}}
	for name, tt := range map[string]struct {
		machines error
		api      bool // answers
		on       bool // the node is on again; its undoing was not proven
		found    []history.Object
		unseen   []history.Object
		judged   check.Verdict
	}{
		"nobody answers":                             {machines: silent, unseen: record, judged: check.Inconclusive},
		"only the API answers":                       {machines: silent, api: true, unseen: record, judged: check.Inconclusive},
		"all answer, and the node is off":            {api: true, found: record, judged: check.Violation},
		"only the machines do, and the node is off":  {found: record, judged: check.Violation},
		"only the machines do, and the node is on":   {on: true, unseen: record, judged: check.Inconclusive},
		"all answer, and the record is what is left": {api: true, on: true, found: record, judged: check.Violation},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := Directory(t.TempDir())
			machines := newFakeMachines("n1")
			machines.disks["n1"] = fstest.MapFS{}
			client := fakeAPI(readyNode("n1"))
			r := runOn(t, newLimitedFile(t, directory), directory, machines, client)
			fault, err := catalogue.All().Disturbance("strike", "nodePowerOff", "",
				&machine.NodePowerOffArgs{Node: scenario.NodeSelector{Name: "n1"}}, faults.Env{
					Run: "r", ClusterKind: "fake", Namespace: "r", Machines: machines, Client: client, Emitter: r.log, Journal: r.journal,
					PollEvery: time.Millisecond,
				})
			if err != nil {
				t.Fatal(err)
			}
			if err := fault.Inject(t.Context()); err != nil {
				t.Fatal(err)
			}
			if tt.on {
				*machines.nodes["n1"] = cluster.Node{Name: "n1", Power: cluster.On, Kubelet: true, Processes: 1}
			}
			machines.silent = tt.machines
			if !tt.api {
				client.PrependReactor("*", "*", func(k8stesting.Action) (bool, runtime.Object, error) {
					return true, nil, errors.New("connection refused")
				})
			}
			var left history.LeftoversData
			r.recordsLeft(t.Context(), &left)
			if diff := cmp.Diff(tt.found, left.Found); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.unseen, left.Unseen); diff != "" {
				t.Errorf("unseen (-want +got):\n%s", diff)
			}
			if got := judgeLeftovers(t, left); got.Verdict != tt.judged {
				t.Errorf("judged %s (%s), want %s", got.Verdict, got.Message, tt.judged)
			}
			if !tt.api || tt.unseen == nil {
				return
			}
			if err := r.remove(t.Context()); err == nil || !strings.Contains(err.Error(), "UndoRecord 0001-strike is open, and nobody could look") {
				t.Errorf("what is left behind: %v", err)
			}
		})
	}
}

// judgeLeftovers judges a run that expected nothing but to leave nothing.
func judgeLeftovers(t *testing.T, left history.LeftoversData) check.Result {
	t.Helper()
	story := historytest.PowerOff(historytest.Expect("nothingLeftBehind", nil))
	story.Leftovers = &left
	content, err := story.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := check.Judge(t.Context(), history.NewReader(bytes.NewReader(content)))
	if err != nil || len(verdict.Results) != 1 {
		t.Fatalf("%+v, %v", verdict, err)
	}
	return verdict.Results[0]
}

func TestOneDiskThatCannotBeReadKeepsNoOtherFromBeing(t *testing.T) {
	t.Parallel()
	directory := Directory(t.TempDir())
	machines := newFakeMachines("n1", "n2")
	machines.disks["n2"] = fstest.MapFS{"w": &fstest.MapFile{Mode: fs.ModeDir}}
	r := runOn(t, newLimitedFile(t, directory), directory, machines, fakeAPI())
	broken := errors.New("the server broke")
	r.session.witness.servers.Go(func() error { return broken })
	if err := r.session.collect(t.Context()); !errors.Is(err, broken) {
		t.Errorf("collect = %v, want what the server broke by", err)
	}
	stored, err := os.ReadFile(directory.History())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"node":"n1","files":0,"records":0,"torn":0,"errors":["the disk is broken"]`,
		`"node":"n2","files":0,"records":0,"torn":0,"took":`} {
		if !strings.Contains(string(stored), want) {
			t.Errorf("the history lacks %s: %s", want, stored)
		}
	}
}

func TestWhatGoesWithTheClusterIsNotLeftBehind(t *testing.T) {
	t.Parallel()
	left := errors.New("namespace r is left")
	stuck := errors.New("cannot be removed")
	for name, tt := range map[string]struct {
		made, keep bool
		remove     error
		want       []error
	}{
		"made for the run":        {made: true},
		"that cannot be removed":  {made: true, remove: stuck, want: []error{left, stuck}},
		"made, but to be kept":    {made: true, keep: true, want: []error{left}},
		"that was there before":   {want: []error{left}},
		"there before, and kept:": {keep: true, want: []error{left}},
	} {
		clusters := &fakeClusters{removeErr: tt.remove}
		r := &run{Options: someOptions(t, clusters), made: tt.made}
		r.KeepCluster = tt.keep
		got := r.removeCluster(t.Context(), left)
		if (got == nil) != (len(tt.want) == 0) {
			t.Errorf("a cluster %s: %v", name, got)
		}
		for _, want := range tt.want {
			if !errors.Is(got, want) {
				t.Errorf("a cluster %s: %v, want %v", name, got, want)
			}
		}
		if gone := len(clusters.removed) > 0; gone != (tt.made && !tt.keep) {
			t.Errorf("a cluster %s: removed %v", name, gone)
		}
	}
}

func TestAClusterWhoseStartWasKilledIsRemovedEvenIfItWasToBeKept(t *testing.T) {
	t.Parallel()
	active := ActiveRuns{Dir: t.TempDir()}
	run, err := active.Register(ActiveRecord{RunID: "r", ClusterKind: "fake", ClusterName: "c", KeepCluster: true, Directory: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Making(); err != nil {
		t.Fatal(err)
	}
	run.Release()
	clusters := &fakeClusters{opened: fakeCluster{}}
	if err := CleanUpDead(t.Context(), cleanUpOf(active, clusters)); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"c"}, clusters.removed); diff != "" {
		t.Error(diff)
	}
}

func TestARecordIsReplacedInPlaceAndNeverShorter(t *testing.T) {
	t.Parallel()
	active := ActiveRuns{Dir: t.TempDir()}
	run, err := active.Register(ActiveRecord{RunID: "r"})
	if err != nil {
		t.Fatal(err)
	}
	defer run.Release()
	path := filepath.Join(active.Dir, "r.json")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func() error{run.Making, func() error { return run.Made(true) }, func() error { return run.Made(false) }} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		after, err := os.Stat(path)
		if err != nil || !os.SameFile(before, after) || after.Size() != before.Size() {
			t.Errorf("%v, %v; want the same file with its %d bytes: a shorter one is torn for a moment", after, err, before.Size())
		}
	}
}

func TestEachDeadRunIsHeldByOne(t *testing.T) {
	t.Parallel()
	active := ActiveRuns{Dir: t.TempDir()}
	const runs = 20
	for n := range runs {
		run, err := active.Register(ActiveRecord{RunID: fmt.Sprintf("r-%d", n)})
		if err != nil {
			t.Fatal(err)
		}
		run.Release()
	}
	var mu sync.Mutex
	held := map[string]int{}
	var group errgroup.Group
	for range 8 {
		group.Go(func() error {
			dead, err := active.Dead(t.Context())
			for _, run := range dead {
				mu.Lock()
				held[run.Record().RunID]++
				mu.Unlock()
				err = errors.Join(err, run.Forget())
				run.Release()
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err) // one that was forgotten meanwhile is no damaged one
	}
	if len(held) != runs {
		t.Errorf("%d of %d runs were held", len(held), runs)
	}
	for id, times := range held {
		if times != 1 {
			t.Errorf("%s was held %d times", id, times)
		}
	}
}

func TestTheSeedCountsForTheBaselineOfWhatReadsTheSource(t *testing.T) {
	t.Parallel()
	key := func(arg string, seed uint64) string {
		t.Helper()
		r := &run{Options: someOptions(t, &fakeClusters{}), components: components.All()}
		r.Plan.Workload.Application.Args, r.Plan.Seed = []string{arg}, seed
		inputs, err := r.baselineInputs()
		if err != nil {
			t.Fatal(err)
		}
		return baselineKey(inputs)
	}
	if key("--source=$(SPARKCHAOS_SOURCE_URL)", 1) == key("--source=$(SPARKCHAOS_SOURCE_URL)", 2) {
		t.Error("other words, the same baseline")
	}
	if key("--partitions=8", 1) != key("--partitions=8", 2) {
		t.Error("the same result, another baseline")
	}
}

func TestEndingInWords(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]ending{
		"has completed":                 {completed: true, within: time.Minute},
		"has failed":                    {failed: true, within: time.Minute},
		"has not completed within 1m0s": {within: time.Minute},
	} {
		if got := e.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestNothingIsWaitedForInAClusterThatIsGone(t *testing.T) {
	t.Parallel()
	directory := Directory(t.TempDir())
	machines := newFakeMachines("n1")
	r := runOn(t, newLimitedFile(t, directory), directory, machines, fakeAPI())
	ctx, stop := r.whileClusterExists(t.Context())
	defer stop()
	if r.gone() || ctx.Err() != nil {
		t.Fatal("a cluster that is there is taken for gone")
	}
	r.Clusters.(*fakeClusters).close()
	select {
	case <-ctx.Done():
		if cause := context.Cause(ctx); !strings.Contains(cause.Error(), "was removed while the run continued") {
			t.Errorf("ended by %v", cause)
		}
	case <-time.After(10 * lookForCluster):
		t.Error("still waiting in a cluster that is gone")
	}
	if left := r.cleanUp(t.Context()); left != nil || len(machines.removed) != 0 {
		t.Errorf("left %v, removed %v; want nothing of either: it went with the cluster", left, machines.removed)
	}
}

func TestVolumesOfTheClusterItselfAreNotLeftBehind(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	volume := func(name string, made time.Time, policy corev1.PersistentVolumeReclaimPolicy, namespace string) *corev1.PersistentVolume {
		return &corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(made)},
			Spec: corev1.PersistentVolumeSpec{PersistentVolumeReclaimPolicy: policy,
				ClaimRef: &corev1.ObjectReference{Namespace: namespace, Name: "shared"}},
		}
	}
	r := &run{id: "run-1", began: began, Options: Options{Harness: Harness{Progress: &fakeProgress{}}}, client: fake.NewClientset(
		volume("stock", began.Add(-time.Hour), corev1.PersistentVolumeReclaimRetain, "run-1"),
		volume("others", began.Add(time.Second), corev1.PersistentVolumeReclaimRetain, "shop"),
		volume("retained", began.Add(time.Second), corev1.PersistentVolumeReclaimRetain, "run-1"),
		volume("old", began.Add(-time.Hour), corev1.PersistentVolumeReclaimDelete, "run-1-base"),
	)}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	found, err := r.volumesLeft(ctx)
	var names []string
	for _, object := range found {
		names = append(names, object.Name)
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"old", "retained"}, names); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
