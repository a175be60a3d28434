package runner

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/catalogue"
	"github.com/sparkchaos/sparkchaos/pkg/faults/machine"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// cleanUpOf cleans up all fake clusters, and may do what it asks for.
func cleanUpOf(active ActiveRuns, clusters cluster.Provider) CleanUpOptions {
	return CleanUpOptions{
		Active: active, Clusters: clusters,
		Confirm: func(string) error { return nil }, Say: func(string, ...any) {},
	}
}

// reachedCluster is a cluster with an API server, whose requests are noted.
type reachedCluster struct {
	*fakeMachines
	config *rest.Config
	close  func() // the API server ends

	mu       sync.Mutex
	requests []string // method and path of all that are not reads
}

func (c *reachedCluster) RESTConfig() (*rest.Config, error) { return rest.CopyConfig(c.config), nil }

func (c *reachedCluster) written() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests
}

// reach serves an API in which worker-1 has the UID and the boot ID of the record, and nothing of a run is left.
func reach(t *testing.T, machines *fakeMachines) *reachedCluster {
	t.Helper()
	c := &reachedCluster{fakeMachines: machines}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			c.mu.Lock()
			c.requests = append(c.requests, r.Method+" "+r.URL.Path)
			c.mu.Unlock()
		}
		w.Header().Set("Content-Type", "application/json")
		var answer any
		switch {
		case r.URL.Path == "/api/v1/namespaces/kube-system":
			answer = map[string]any{"kind": "Namespace", "apiVersion": "v1", "metadata": map[string]any{"name": "kube-system", "uid": "uid-of-c"}}
		case strings.HasPrefix(r.URL.Path, "/api/v1/nodes/"):
			answer = map[string]any{
				"kind": "Node", "apiVersion": "v1", "metadata": map[string]any{"name": filepath.Base(r.URL.Path), "uid": "uid-of-node"},
				"status": map[string]any{"nodeInfo": map[string]any{"bootID": "boot-1"}},
			}
		default:
			w.WriteHeader(http.StatusNotFound)
			answer = map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
		}
		_ = json.NewEncoder(w).Encode(answer) // who asks notices
	}))
	t.Cleanup(server.Close)
	c.close = server.Close
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	c.config = &rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}
	return c
}

// killed leaves what a run that was killed left: its record, and the undo record of a power-off of n1, written with the same identity.
func killed(t *testing.T, active ActiveRuns, record ActiveRecord) ActiveRecord {
	t.Helper()
	record.RunID, record.Directory = "r", t.TempDir()
	journal, err := faults.OpenJournal(Directory(record.Directory).Undo(), catalogue.All().Undos())
	if err != nil {
		t.Fatal(err)
	}
	undo := faults.Record{Run: "r", Fault: "lose", Kind: "nodePowerOff", ClusterKind: record.ClusterKind, Cluster: record.ClusterName,
		ClusterID: record.Cluster}
	undo.Object, undo.Node = history.Object{Kind: "Node", Name: "n1", UID: "uid-of-node"}, "n1"
	undo.Undo = faults.Undo{Kind: faults.UndoMachine, Data: []byte(`{"action":"power-off","boot":"boot-1"}`)}
	if _, err := journal.Write(undo); err != nil {
		t.Fatal(err)
	}
	run, err := active.Register(record)
	if err != nil {
		t.Fatal(err)
	}
	run.Release()
	return record
}

func identified(t *testing.T, c cluster.Cluster) cluster.Identity {
	t.Helper()
	identity, err := cluster.Identify(t.Context(), c)
	if err != nil || !identity.Known() {
		t.Fatalf("%v, %v", identity, err)
	}
	return identity
}

// TestCleanUpDead has a clean-up find runs on the cluster of their record and on others of its name.
func TestCleanUpDead(t *testing.T) {
	t.Parallel()
	refused := errors.New("nobody allows it")
	other := cluster.Identity{CA: "ca-of-another"}
	for name, tt := range map[string]struct {
		record   ActiveRecord
		unknown  bool // the record does not say which cluster it is
		other    bool // it is another one
		absent   bool // there is no cluster of the name
		silent   bool // its API cannot be reached at all
		only     string
		yes      bool
		removed  []string
		on       bool // n1 has its power again
		left     int
		fails    string
		mentions string
	}{
		"its cluster":                        {on: true},
		"its cluster is gone":                {absent: true},
		"its cluster is gone, record is old": {absent: true, unknown: true},
		"another cluster of its name":        {other: true, left: 1, fails: "nothing was touched", yes: true},
		"another one, before a run":          {other: true, left: 1, mentions: "nothing was touched", yes: true, only: "c"},
		"an old record":                      {unknown: true, left: 1, fails: "nobody allows it"},
		"an old record, allowed":             {unknown: true, yes: true, on: true},
		"a cluster that was made":            {record: ActiveRecord{MadeCluster: true}, removed: []string{"c"}},
		"made, and made again by somebody": {record: ActiveRecord{MadeCluster: true}, other: true, left: 1, fails: "nothing was touched",
			yes: true},
		"made, by an old record":          {record: ActiveRecord{MadeCluster: true}, unknown: true, left: 1, fails: "nobody allows it"},
		"made, by an old record, allowed": {record: ActiveRecord{MadeCluster: true}, unknown: true, yes: true, removed: []string{"c"}},
		"made, and kept":                  {record: ActiveRecord{MadeCluster: true, KeepCluster: true}, on: true},
		"made, and it does not answer":    {record: ActiveRecord{MadeCluster: true}, silent: true, left: 1, fails: "no API server"},
		"kept, and it does not answer": {record: ActiveRecord{MadeCluster: true, KeepCluster: true}, silent: true, left: 1,
			fails: "no API server"},
		"being made":                       {record: ActiveRecord{Making: true}, unknown: true, removed: []string{"c"}},
		"being made, and made by somebody": {record: ActiveRecord{Making: true}, other: true, left: 1, fails: "nothing was touched", yes: true},
		"of another kind":                  {record: ActiveRecord{ClusterKind: "other"}, left: 1},
		"of another kind, before a run": {record: ActiveRecord{ClusterKind: "other", CleanUp: "sparkchaos cleanup --x"}, only: "c", left: 1,
			mentions: "`sparkchaos cleanup --x` cleans up after it"},
		"of another name, before a run": {record: ActiveRecord{ClusterName: "d"}, only: "c", left: 1,
			mentions: "on the fake cluster d; `sparkchaos cleanup` cleans up after it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			active := ActiveRuns{Dir: t.TempDir()}
			machines := newFakeMachines("n1")
			machines.nodes["n1"].Power, machines.nodes["n1"].Kubelet = cluster.Off, false
			reached := reach(t, machines)
			record := tt.record
			if record.ClusterKind == "" {
				record.ClusterKind = "fake"
			}
			if record.ClusterName == "" {
				record.ClusterName = "c"
			}
			switch {
			case tt.other:
				record.Cluster = other
			case !tt.unknown:
				record.Cluster = identified(t, reached)
			}
			record = killed(t, active, record)
			clusters := &fakeClusters{opened: reached}
			if tt.silent {
				clusters.opened = fakeCluster{}
			}
			if tt.absent {
				clusters.close()
			}
			options := cleanUpOf(active, clusters)
			options.Only = tt.only
			var said []string
			options.Say = func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
			options.Confirm = func(string) error {
				if tt.yes {
					return nil
				}
				return refused
			}
			err := CleanUpDead(t.Context(), options)
			if tt.fails == "" && err != nil || tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)) {
				t.Errorf("got %v, want %q", err, tt.fails)
			}
			if all := strings.Join(said, "\n"); !strings.Contains(all, tt.mentions) {
				t.Errorf("said %q, want %q", all, tt.mentions)
			}
			if diff := cmp.Diff(tt.removed, clusters.removed); diff != "" {
				t.Errorf("removed: %s", diff)
			}
			if on := machines.nodes["n1"].Power == cluster.On; on != tt.on {
				t.Errorf("n1 has its power: %v, want %v", on, tt.on)
			}
			if tt.left > 0 && len(reached.written()) > 0 {
				t.Errorf("written to the cluster: %v", reached.written())
			}
			dead, err := active.Dead(t.Context())
			if err != nil || len(dead) != tt.left {
				t.Errorf("%d records are left, %v; want %d", len(dead), err, tt.left)
			}
			undo, err := faults.Pending(Directory(record.Directory).Undo(), catalogue.All().Undos())
			if open := len(undo) == 1; err != nil || open == tt.on {
				t.Errorf("%d undo records are open, %v", len(undo), err)
			}
		})
	}
}

// TestCleanUpTellsASilentClusterOnce has the API server of a run's cluster go away before the clean-up.
func TestCleanUpTellsASilentClusterOnce(t *testing.T) {
	t.Parallel()
	active := ActiveRuns{Dir: t.TempDir()}
	machines := newFakeMachines("n1")
	machines.nodes["n1"].Power, machines.nodes["n1"].Kubelet = cluster.Off, false
	reached := reach(t, machines)
	killed(t, active, ActiveRecord{
		ClusterKind: "fake", ClusterName: "c", Cluster: identified(t, reached), Namespaces: []string{"r", "r-base"},
	})
	reached.close()
	err := CleanUpDead(t.Context(), cleanUpOf(active, &fakeClusters{opened: reached}))
	if err == nil || strings.Count(err.Error(), "connection refused") != 1 ||
		!strings.Contains(err.Error(), "the API server of the fake cluster c does not answer") {
		t.Errorf("got %v, want one error that names the cluster", err)
	}
}

// TestADamagedRecordOfARunIsNoReasonToTouchAnything names the file.
func TestADamagedRecordOfARunIsNoReasonToTouchAnything(t *testing.T) {
	t.Parallel()
	active := ActiveRuns{Dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(active.Dir, "bad.json"), []byte(`{"runID":"r","cluster":7}`), 0o600); err != nil {
		t.Fatal(err)
	}
	clusters := &fakeClusters{opened: newFakeMachines("n1")}
	if err := CleanUpDead(t.Context(), cleanUpOf(active, clusters)); err == nil || !strings.Contains(err.Error(), "bad.json") ||
		len(clusters.removed) > 0 {
		t.Errorf("%v, removed %v", err, clusters.removed)
	}
}

// sharedCluster is one that can be lost.
type sharedCluster struct {
	cluster.Shared
	holding context.Context
}

func (s sharedCluster) Name() string             { return "c" }
func (s sharedCluster) Holding() context.Context { return s.holding }

func (s sharedCluster) Acquire(context.Context, string) error { return nil }
func (s sharedCluster) Release(context.Context) error         { return context.Cause(s.holding) }

// TestARunEndsAtOnceWhenItsClusterIsLost does not wait for looks at the cluster to fail.
func TestARunEndsAtOnceWhenItsClusterIsLost(t *testing.T) {
	t.Parallel()
	taken := errors.New("the lease was taken by another harness")
	holding, lose := context.WithCancelCause(context.Background())
	shared := sharedCluster{holding: holding}
	r := &run{Options: someOptions(t, &fakeClusters{opened: shared}), cluster: shared}
	ctx, stop := r.whileClusterExists(t.Context())
	defer stop()
	if ctx.Err() != nil {
		t.Fatalf("ended before: %v", context.Cause(ctx))
	}
	lose(taken)
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, taken) {
		t.Errorf("ended by %v, want the loss of the lease", cause)
	}
	if err := t.Context().Err(); err != nil {
		t.Error(err)
	}
	err := holdingFor(t, shared)
	if !errors.Is(err, taken) {
		t.Errorf("a clean-up of a lost cluster: %v", err)
	}
}

func holdingFor(t *testing.T, shared cluster.Shared) error {
	t.Helper()
	return holding(t.Context(), shared, "r", func(ctx context.Context) error {
		<-ctx.Done()
		return context.Cause(ctx)
	})
}

// TestUnderwayKnowsWhatIsLeft is what somebody who interrupts a run is told.
func TestUnderwayKnowsWhatIsLeft(t *testing.T) {
	t.Parallel()
	var unknown *Underway
	unknown.makes("x")
	unknown.forget()
	if unknown.Undoing() != "" || unknown.Left() != "" {
		t.Error("a nil one knows something")
	}
	directory := Directory(t.TempDir())
	machines := newFakeMachines("n1")
	r := runOn(t, newLimitedFile(t, directory), directory, machines, fakeAPI(readyNode("n1")))
	fault, err := catalogue.All().Disturbance("strike", "nodePowerOff", "", &machine.NodePowerOffArgs{Node: scenario.NodeSelector{Name: "n1"}},
		faults.Env{
			Run: "r", ClusterKind: "fake", Namespace: "r", Machines: machines, Client: r.client, Emitter: r.log, Journal: r.journal,
			PollEvery: time.Millisecond,
		})
	if err != nil {
		t.Fatal(err)
	}
	u := &Underway{}
	u.disturbs(fault)
	u.makes("namespace r")
	if got := u.Undoing(); got != "removing namespace r" {
		t.Errorf("before the fault: %q", got)
	}
	if err := fault.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if undoing, left := u.Undoing(), u.Left(); undoing != "undoing fault strike, then removing namespace r" ||
		left != "fault strike not undone; namespace r not removed" {
		t.Errorf("%q, %q", undoing, left)
	}
	if err := fault.Recover(t.Context()); err != nil || u.Left() != "namespace r not removed" {
		t.Errorf("%v, %q", err, u.Left())
	}
	u.forget()
	if u.Left() != "" {
		t.Errorf("after all: %q", u.Left())
	}
}
