package existing

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// fakeLab is a cluster whose API and machines are made up: the API is client-go's fake, a machine is an entry of a file.
type fakeLab struct {
	*Cluster
	client *fake.Clientset
	states string // file that the fake command prints
}

func newFakeLab(t *testing.T, objects ...runtime.Object) *fakeLab {
	t.Helper()
	client := fake.NewClientset(objects...)
	lab := &fakeLab{client: client, states: filepath.Join(t.TempDir(), "states.json")}
	lab.Cluster = &Cluster{
		client: client, config: &rest.Config{Host: "https://api.example"},
		options: Options{Context: "lab", Image: "registry.example/staging:1", Holder: "me", Actions: &NodeActions{
			Nodes: Command{Command: []string{"cat", lab.states}}, Actions: map[string]Command{},
		}},
	}
	return lab
}

// has sets what the fake machines are.
func (l *fakeLab) has(t *testing.T, nodes ...cluster.Node) {
	t.Helper()
	content, err := json.Marshal(nodes)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.states, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// will has an action's command turn the fake machines into others.
func (l *fakeLab) will(t *testing.T, action cluster.Action, nodes ...cluster.Node) {
	t.Helper()
	content, err := json.Marshal(nodes)
	if err != nil {
		t.Fatal(err)
	}
	after := l.states + "." + string(action)
	if err := os.WriteFile(after, content, 0o600); err != nil {
		t.Fatal(err)
	}
	l.options.Actions.Actions[string(action)] = Command{Command: []string{"cp", after, l.states}}
}

func machine(name string, power cluster.Power, bootID string) cluster.Node {
	return cluster.Node{Name: name, Power: power, Kubelet: power == cluster.On, BootID: bootID}
}

func apiNode(name string, change ...func(*corev1.Node)) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.0.0.7"}}
	node.Status.NodeInfo.BootID = "api-boot"
	for _, c := range change {
		c(node)
	}
	return node
}

func nodeLease(name string, seconds int32) *coordinationv1.Lease {
	now := metav1.NowMicro()
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: corev1.NamespaceNodeLease},
		Spec:       coordinationv1.LeaseSpec{LeaseDurationSeconds: &seconds, RenewTime: &now},
	}
}

// renewing renews a lease as a fake kubelet does, until the test ends; stopped says when it does not.
func (l *fakeLab) renewing(t *testing.T, name string, seconds int32, stopped *atomic.Bool) {
	t.Helper()
	done := make(chan struct{})
	ended := make(chan struct{})
	t.Cleanup(func() { close(done); <-ended })
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
			if !stopped.Load() {
				// The tracker alone: a fake kubelet needs no client.
				_ = l.client.Tracker().Update(coordinationv1.SchemeGroupVersion.WithResource("leases"), nodeLease(name, seconds),
					corev1.NamespaceNodeLease)
			}
		}
	}()
}
