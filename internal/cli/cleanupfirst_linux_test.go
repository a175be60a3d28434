package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	faultcatalogue "github.com/sparkchaos/sparkchaos/pkg/faults/catalogue"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// watchedContext serves a cluster whose kube-system has the UID uid-lab, and notes what is written to it; every write is forbidden.
type watchedContext struct {
	kubeconfig string

	mu     sync.Mutex
	writes []string
}

func watchContext(t *testing.T) *watchedContext {
	t.Helper()
	w := &watchedContext{kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	node := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker-1", UID: "uid-of-node"}}
	answers := map[string]any{
		"/version": map[string]string{"gitVersion": "v1.36.3"},
		"/api/v1/namespaces/kube-system": corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
			ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: "uid-lab"}},
		"/api/v1/nodes": corev1.NodeList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NodeList"},
			Items: []corev1.Node{node}},
		"/api/v1/pods": corev1.PodList{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"},
			Items:    []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Spec: corev1.PodSpec{NodeName: "worker-1"}}},
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, r *http.Request) {
		response.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/selfsubjectaccessreviews") { // a question, which changes nothing
			answer := authorizationv1.SelfSubjectAccessReview{TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1",
				Kind: "SelfSubjectAccessReview"}}
			_ = json.NewEncoder(response).Encode(answer) // who asks notices
			return
		}
		if r.Method != http.MethodGet {
			w.mu.Lock()
			w.writes = append(w.writes, r.Method+" "+r.URL.Path)
			w.mu.Unlock()
			response.WriteHeader(http.StatusForbidden)
			// who asks notices
			_ = json.NewEncoder(response).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure",
				Reason: metav1.StatusReasonForbidden, Code: 403})
			return
		}
		answer, ok := answers[r.URL.Path]
		if !ok {
			response.WriteHeader(http.StatusNotFound)
			answer = metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure",
				Reason: metav1.StatusReasonNotFound, Code: 404}
		}
		_ = json.NewEncoder(response).Encode(answer) // who asks notices
	}))
	t.Cleanup(server.Close)
	config := api.NewConfig()
	config.Clusters["c"] = &api.Cluster{Server: server.URL}
	config.Contexts["default"] = &api.Context{Cluster: "c"} // as every k3s calls its context
	if err := clientcmd.WriteToFile(*config, w.kubeconfig); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestNothingIsCleanedUpBeforeTheQuestion has a killed run on a context of the same name. What of it may be touched depends on which
// cluster it was on, and on what a person says.
func TestNothingIsCleanedUpBeforeTheQuestion(t *testing.T) {
	for name, tt := range map[string]struct {
		args   []string
		of     cluster.Identity // of the cluster of the killed run
		code   ExitCode
		says   []string
		never  string // said
		writes bool   // allowed, and refused by the server
	}{
		"a run, nobody to ask": {
			args: []string{"run", "executor-node-cordon", "--image", "i"}, of: cluster.Identity{UID: "uid-lab"},
			code: ExitUsage, says: []string{"worker-1: shop/web", "--yes says that it may"}, never: "cleaning up",
		},
		"a clean-up, nobody to ask": {
			args: []string{"cleanup"}, of: cluster.Identity{UID: "uid-lab"},
			code: ExitUsage, says: []string{"worker-1: shop/web", "--yes says that it may"}, never: "cleaning up",
		},
		"a run beside a run on another cluster of the name": {
			args: []string{"run", "executor-node-cordon", "--image", "i", "--yes"}, of: cluster.Identity{UID: "uid-other"}, writes: true,
			code: ExitError, says: []string{"kube-system has UID uid-other", "reaches the cluster whose kube-system has UID uid-lab", "remove "},
			never: "cleaning up",
		},
		"a clean-up of another cluster of the name": {
			args: []string{"cleanup", "--yes"}, of: cluster.Identity{UID: "uid-other"}, writes: true,
			code: ExitCleanUpLeftovers, says: []string{"kube-system has UID uid-other"}, never: "cleaning up",
		},
		"the cluster of the run": {
			args: []string{"cleanup", "--yes"}, of: cluster.Identity{UID: "uid-lab"}, writes: true,
			code: ExitCleanUpLeftovers, says: []string{"cleaning up after run r-exist"},
		},
		"an old record": {
			args: []string{"cleanup", "--yes"}, writes: true,
			code: ExitCleanUpLeftovers, says: []string{"nothing proves that they are one", "Yes, says --yes"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			state, done := t.TempDir(), filepath.Join(t.TempDir(), "done")
			t.Setenv("SPARKCHAOS_STATE", state)
			w := watchContext(t) // the cache is the usual one: in a new one the jar of the witness would be built again, by Maven
			directory := runner.Directory(t.TempDir())
			active := runner.ActiveRuns{Dir: filepath.Join(state, "runs")}
			run, err := active.Register(runner.ActiveRecord{RunID: "r-exist", Directory: string(directory), ClusterKind: "existing",
				ClusterName: "default", Cluster: tt.of})
			if err != nil {
				t.Fatal(err)
			}
			run.Release()
			journal, err := faults.OpenJournal(directory.Undo(), faultcatalogue.All().Undos())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := journal.Write(faults.Record{
				Run: "r-exist", Fault: "lose", Kind: "nodePowerOff", ClusterKind: "existing", Cluster: "default", ClusterID: tt.of,
				Object: history.Object{Kind: "Node", Name: "worker-1", UID: "uid-of-node"}, Node: "worker-1",
				Undo: faults.Undo{Kind: faults.UndoMachine, Data: []byte(`{"action":"power-off"}`)},
			}); err != nil {
				t.Fatal(err)
			}
			actions := filepath.Join(t.TempDir(), "actions.yaml")
			text := "apiVersion: sparkchaos.dev/v1alpha1\nkind: NodeActions\nnodes: {command: [echo, '[{\"name\": \"worker-1\", \"power\": " +
				"\"off\", \"kubelet\": false}]']}\n" +
				"actions: {power-off: {command: [touch, '" + done + "-{node}']}, power-on: {command: [touch, '" + done + "-{node}']}}\n"
			if err := os.WriteFile(actions, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			args := append(tt.args, "--cluster", "existing", "--kubeconfig", w.kubeconfig, "--context", "default", "--allow-context", "default",
				"--pod-image", "s", "--node-actions", actions)
			if tt.args[0] == "run" {
				args = append(args, "--out", t.TempDir())
			}
			code, said := runCLI(t, args...)
			if code != int(tt.code) || tt.never != "" && strings.Contains(said, tt.never) {
				t.Errorf("%d, %s; want %d and nothing of %q", code, said, tt.code, tt.never)
			}
			for _, words := range tt.says {
				if !strings.Contains(said, words) {
					t.Errorf("%s\nlacks %q", said, words)
				}
			}
			if !tt.writes && len(w.writes) > 0 {
				t.Errorf("written before anybody allowed it: %v", w.writes)
			}
			if _, err := os.Stat(done + "-worker-1"); err == nil {
				t.Error("the user's command for machines was run")
			}
			if dead, err := active.Dead(t.Context()); err != nil || len(dead) != 1 {
				t.Errorf("%d records, %v; want that of the killed run", len(dead), err)
			}
			if open, err := faults.Pending(directory.Undo(), faultcatalogue.All().Undos()); err != nil || len(open) != 1 {
				t.Errorf("%d undo records, %v", len(open), err)
			}
		})
	}
}
