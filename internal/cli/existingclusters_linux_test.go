package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// fakeContext serves a cluster with one worker, on which somebody else's pod runs, and returns a kubeconfig with its context lab.
func fakeContext(t *testing.T) (kubeconfig string) {
	t.Helper()
	answers := map[string]any{
		"/version": map[string]string{"gitVersion": "v1.36.3"},
		"/api/v1/nodes": corev1.NodeList{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NodeList"},
			Items:    []corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "worker-1"}}},
		},
		"/api/v1/pods": corev1.PodList{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"},
			Items:    []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Spec: corev1.PodSpec{NodeName: "worker-1"}}},
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		if !ok {
			t.Errorf("%s %s was asked for", r.Method, r.URL.Path)
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer) // who asks notices
	}))
	t.Cleanup(server.Close)
	config := api.NewConfig()
	config.Clusters["lab"] = &api.Cluster{Server: server.URL}
	config.Contexts["lab"] = &api.Context{Cluster: "lab"}
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, kubeconfig); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}

func TestAnActionToANodeOfOthersIsAskedFor(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	actions, done := filepath.Join(directory, "actions.yaml"), filepath.Join(directory, "done-worker-1")
	text := `apiVersion: sparkchaos.dev/v1alpha1
kind: NodeActions
nodes: {command: [echo, '[{"name": "worker-1", "power": "on", "kubelet": true}]']}
actions: {power-off: {command: [touch, "` + directory + `/done-{node}"]}, power-on: {command: [rm, "` + directory + `/done-{node}"]}}
`
	if err := os.WriteFile(actions, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	lab := []string{"--cluster", "existing", "--context", "lab", "--kubeconfig", fakeContext(t), "--node-actions", actions}
	for name, tt := range map[string]struct {
		args  []string
		code  ExitCode
		says  []string
		never string
	}{
		"not allowed": {args: []string{"power-off", "worker-1"}, code: ExitUsage, says: []string{"context lab was not allowed"},
			never: "shop/web"},
		"nobody to ask": {args: []string{"power-off", "worker-1", "--allow-context", "lab"}, code: ExitUsage,
			says: []string{"worker-1: shop/web", "--yes says that it may"}},
		"no such worker": {args: []string{"power-off", "worker-7", "--allow-context", "lab"}, code: ExitError,
			says: []string{`no worker "worker-7": expected one of worker-1`}, never: "shop/web"},
		"only looked at": {args: []string{"list", "--allow-context", "lab"}, code: ExitPass, never: "shop/web"},
	} {
		code, said := runCLI(t, append(append([]string{"cluster", "node"}, tt.args...), lab...)...)
		if code != int(tt.code) || tt.never != "" && strings.Contains(said, tt.never) {
			t.Errorf("%s: %d, %q, want %d and nothing of %q", name, code, said, tt.code, tt.never)
		}
		for _, words := range tt.says {
			if !strings.Contains(said, words) {
				t.Errorf("%s: %q, want %q", name, said, words)
			}
		}
	}
	if _, err := os.Stat(done); err == nil {
		t.Error("the node was acted on")
	}
}
