package existing

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

func labelled(mark string) func(*corev1.Node) {
	return func(node *corev1.Node) { node.Labels = map[string]string{mark: ""} }
}

func tainted(mark string) func(*corev1.Node) {
	return func(node *corev1.Node) { node.Spec.Taints = []corev1.Taint{{Key: mark}} }
}

func silent(node *corev1.Node) { node.Status.Conditions[0].Status = corev1.ConditionUnknown }

func TestNodes(t *testing.T) {
	t.Parallel()
	all := []runtime.Object{
		apiNode("worker-2", silent), apiNode("worker-1"),
		apiNode("control-1", labelled("node-role.kubernetes.io/control-plane")), apiNode("control-2", tainted("node-role.kubernetes.io/master")),
	}
	byAPI := []cluster.Node{
		{Name: "worker-1", Power: cluster.On, Kubelet: true, Address: "10.0.0.7", BootID: "api-boot"},
		{Name: "worker-2", Power: cluster.Off, Address: "10.0.0.7"},
	}
	for name, tt := range map[string]struct {
		change   func(*fakeLab)
		machines []cluster.Node
		want     []cluster.Node
		says     string
	}{
		"as the API sees them": {change: func(l *fakeLab) { l.options.Actions = nil }, want: byAPI},
		"as the command sees them": {
			machines: []cluster.Node{machine("worker-1", cluster.On, "b1"), machine("worker-2", cluster.On, "b2"),
				machine("control-1", cluster.On, "b3")},
			want: []cluster.Node{
				{Name: "worker-1", Power: cluster.On, Kubelet: true, Address: "10.0.0.7", BootID: "b1"},
				{Name: "worker-2", Power: cluster.On, Kubelet: true, Address: "10.0.0.7", BootID: "b2"},
			},
		},
		"the command knows not all": {machines: []cluster.Node{machine("worker-1", cluster.On, "b1")},
			says: "says nothing of the machines of nodes worker-2"},
		"with the control plane": {
			change: func(l *fakeLab) { l.options.Actions, l.options.ControlPlane = nil, true },
			want: []cluster.Node{
				{Name: "control-1", Power: cluster.On, Kubelet: true, Address: "10.0.0.7", BootID: "api-boot"},
				{Name: "control-2", Power: cluster.On, Kubelet: true, Address: "10.0.0.7", BootID: "api-boot"}, byAPI[0], byAPI[1],
			},
		},
	} {
		lab := newFakeLab(t, all...)
		lab.has(t, tt.machines...)
		if tt.change != nil {
			tt.change(lab)
		}
		got, err := lab.Nodes(context.Background())
		if tt.says != "" {
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s: %v, want %q", name, err, tt.says)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestDo(t *testing.T) {
	t.Parallel()
	lab := newFakeLab(t, apiNode("worker-1"), nodeLease("worker-1", 1))
	lab.has(t, machine("worker-1", cluster.On, "b1"))
	lab.will(t, cluster.PowerOff, machine("worker-1", cluster.Off, ""))
	lab.will(t, cluster.PowerOn, machine("worker-1", cluster.On, "b2"))
	var off atomic.Bool
	off.Store(true)
	evidence, err := lab.Do(context.Background(), cluster.PowerOff, "worker-1")
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, o := range evidence.Observations {
		seen = append(seen, o.What)
	}
	if diff := cmp.Diff([]string{"power-off is in effect", "kubelet renews the node's lease no more"}, seen); diff != "" {
		t.Errorf("power-off was observed as (-want +got):\n%s", diff)
	}
	if _, err := lab.Do(context.Background(), cluster.PowerOff, "worker-1"); err == nil ||
		!strings.Contains(err.Error(), "it is off; nothing was changed") {
		t.Errorf("power-off of what is off: %v", err)
	}
	off.Store(false)
	lab.renewing(t, "worker-1", 1, &off)
	evidence, err = lab.Do(context.Background(), cluster.PowerOn, "worker-1")
	if err != nil {
		t.Fatal(err)
	}
	seen = nil
	for _, o := range evidence.Observations {
		seen = append(seen, o.What)
	}
	if diff := cmp.Diff([]string{"power-off is not in effect any more", "kubelet renews the node's lease"}, seen); diff != "" {
		t.Errorf("power-on was observed as (-want +got):\n%s", diff)
	}
}

func TestAnExitCodeIsNoEvidence(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		after []cluster.Node
		lives bool // kubelet continues renewing its lease
		says  string
	}{
		"the machine is still on": {after: []cluster.Node{machine("worker-1", cluster.On, "b1")},
			says: "the command ended well, and yet: expected to see that power-off is in effect"},
		"Kubernetes still hears of the node": {after: []cluster.Node{machine("worker-1", cluster.Off, "")}, lives: true,
			says: "expected to see that kubelet renews the node's lease no more"},
	} {
		const long = 60 // seconds: no pause of the fake kubelet is taken for silence
		lab := newFakeLab(t, apiNode("worker-1"), nodeLease("worker-1", long))
		lab.has(t, machine("worker-1", cluster.On, "b1"))
		lab.will(t, cluster.PowerOff, tt.after...)
		var stopped atomic.Bool
		stopped.Store(!tt.lives)
		lab.renewing(t, "worker-1", long, &stopped)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() {
			_, err := lab.Do(ctx, cluster.PowerOff, "worker-1")
			ended <- err
		}()
		select {
		case err := <-ended:
			t.Errorf("%s: ended by itself: %v", name, err)
		case <-afterSomeLooks():
		}
		cancel()
		if err := <-ended; err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}

// TestNodesOfTheControlPlane has the roles that kubeadm, RKE2, k3s and others give.
func TestNodesOfTheControlPlane(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"control-plane", "controlplane", "master", "etcd"} {
		for name, change := range map[string]func(*corev1.Node){
			"label": labelled("node-role.kubernetes.io/" + role), "taint": tainted("node-role.kubernetes.io/" + role),
		} {
			lab := newFakeLab(t, apiNode("worker-1"), apiNode("special", change))
			lab.has(t, machine("worker-1", cluster.On, "b1"), machine("special", cluster.On, "b2"))
			radius, err := lab.BlastRadius(t.Context())
			if err != nil || len(radius.Nodes) != 1 || len(radius.ControlPlane) != 1 {
				t.Errorf("%s of %s: %+v, %v", name, role, radius, err)
			}
			if _, err := lab.Do(t.Context(), cluster.Freeze, "special"); err == nil {
				t.Errorf("%s of %s: it was acted on", name, role)
			}
		}
	}
	lab := newFakeLab(t, apiNode("worker-1", labelled("node-role.kubernetes.io/worker")))
	if radius, err := lab.BlastRadius(t.Context()); err != nil || len(radius.Nodes) != 1 {
		t.Errorf("a worker: %+v, %v", radius, err)
	}
}

// TestWhatWasConfirmedIsHeldTo has nodes join, and one be recreated, after the question.
func TestWhatWasConfirmedIsHeldTo(t *testing.T) {
	t.Parallel()
	withUID := func(uid types.UID) func(*corev1.Node) { return func(node *corev1.Node) { node.UID = uid } }
	lab := newFakeLab(t, apiNode("worker-1", withUID("u1")), apiNode("worker-2", withUID("u2")))
	lab.has(t, machine("worker-1", cluster.On, "b1"), machine("worker-2", cluster.On, "b2"), machine("worker-3", cluster.On, "b3"))
	lab.will(t, cluster.PowerOff, machine("worker-1", cluster.Off, ""), machine("worker-2", cluster.Off, ""),
		machine("worker-3", cluster.Off, ""))
	radius, err := lab.BlastRadius(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lab.Confine(radius)
	nodes := corev1.SchemeGroupVersion.WithResource("nodes")
	if err := errors.Join(lab.client.Tracker().Add(apiNode("worker-3", withUID("u3"))),
		lab.client.Tracker().Update(nodes, apiNode("worker-2", withUID("u4")), "")); err != nil {
		t.Fatal(err)
	}
	seen, err := lab.Nodes(t.Context())
	if err != nil || len(seen) != 1 || seen[0].Name != "worker-1" {
		t.Errorf("workers: %+v, %v", seen, err)
	}
	for _, name := range []string{"worker-2", "worker-3"} {
		if _, err := lab.Do(t.Context(), cluster.PowerOff, name); err == nil ||
			!strings.Contains(err.Error(), "after it was confirmed which nodes may be disturbed") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := lab.Disk(t.Context(), name); err == nil {
			t.Errorf("the disk of %s is read", name)
		}
	}
	if left := lab.agents("run-1", mustWorkers(t,
		lab)).Spec.Template.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms; len(left) != 1 {
		t.Errorf("agents go to %+v", left)
	}
}

func mustWorkers(t *testing.T, lab *fakeLab) []corev1.Node {
	t.Helper()
	workers, err := lab.workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return workers
}

// TestTheBlastRadiusIsListedByPages has an API server that gives the pods in parts.
func TestTheBlastRadiusIsListedByPages(t *testing.T) {
	t.Parallel()
	lab := newFakeLab(t, apiNode("worker-1"))
	var asked []metav1.ListOptions
	lab.client.PrependReactor("list", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		options := action.(clienttesting.ListActionImpl).ListOptions
		asked = append(asked, options)
		page := &corev1.PodList{Items: []corev1.Pod{{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-" + options.Continue}, Spec: corev1.PodSpec{NodeName: "worker-1"},
		}}}
		if options.Continue == "" {
			page.Continue = "2"
		}
		return true, page, nil
	})
	radius, err := lab.BlastRadius(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"shop/web-", "shop/web-2"}, radius.Nodes[0].Pods); diff != "" {
		t.Error(diff)
	}
	if len(asked) != 2 || asked[0].Limit <= 0 {
		t.Errorf("asked for %+v, want pages of a limited size", asked)
	}
}

func TestDoWithoutCommands(t *testing.T) {
	t.Parallel()
	lab := newFakeLab(t, apiNode("worker-1"))
	lab.options.Actions = nil
	if _, err := lab.Do(context.Background(), cluster.Freeze, "worker-1"); err == nil ||
		!strings.Contains(err.Error(), "has no command for it") {
		t.Errorf("freeze: %v", err)
	}
}

func TestBlastRadius(t *testing.T) {
	t.Parallel()
	pod := func(namespace, name, node string, phase corev1.PodPhase) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: corev1.PodSpec{NodeName: node},
			Status: corev1.PodStatus{Phase: phase}}
	}
	lab := newFakeLab(t, apiNode("worker-1"), apiNode("worker-2"), apiNode("control", labelled("node-role.kubernetes.io/control-plane")),
		pod("shop", "web-2", "worker-1", corev1.PodRunning), pod("db", "store-0", "worker-1", corev1.PodRunning),
		pod("shop", "migrate", "worker-2", corev1.PodSucceeded), pod("kube-system", "etcd", "control", corev1.PodRunning))
	lab.will(t, cluster.PowerOff)
	radius, err := lab.BlastRadius(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := `On context lab (https://api.example) these nodes and everything on them may be disturbed, 2 in all:
  worker-1: db/store-0, shop/web-2
  worker-2: none
Left alone, as part of the control plane: control
2 pods of others run there; faults of machines: power-off.
`
	if diff := cmp.Diff(want, radius.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]NodeRadius{{Name: "worker-2"}}, radius.Only("worker-2").Nodes); diff != "" {
		t.Errorf("of an action to worker-2 (-want +got):\n%s", diff)
	}
	if only := radius.Only("control").Nodes; len(only) > 0 {
		t.Errorf("of an action to a node that is left alone: %v", only)
	}
}

func TestTheQuestionSaysWhatAWorkloadCanDo(t *testing.T) {
	t.Parallel()
	for denied, want := range map[string]string{
		"": "a policy restricts them to unprivileged executors.",
		"create": "it can become root on every node, as the user may not create validatingadmissionpolicies, create " +
			"validatingadmissionpolicybindings.",
	} {
		lab := newFakeLab(t, apiNode("worker-1"))
		lab.client.PrependReactor("create", "selfsubjectaccessreviews", func(action clienttesting.Action) (bool, runtime.Object, error) {
			review := action.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
			review.Status.Allowed = review.Spec.ResourceAttributes.Verb != denied
			return true, review, nil
		})
		radius, err := lab.BlastRadius(context.Background())
		if err == nil {
			radius.Workload, err = lab.WorkloadRights(context.Background())
		}
		if err != nil || !strings.Contains(radius.String(), want) {
			t.Errorf("%v, %s; want that %s", err, radius, want)
		}
	}
}

func TestMissingPermissionsAreListedWithARole(t *testing.T) {
	t.Parallel()
	lab := newFakeLab(t)
	denied := map[string]bool{"create namespaces": true, "create pods/exec": true, "update leases": true}
	lab.client.PrependReactor("create", "selfsubjectaccessreviews", func(action clienttesting.Action) (bool, runtime.Object, error) {
		review := action.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
		asked := review.Spec.ResourceAttributes
		what := asked.Verb + " " + asked.Resource
		if asked.Subresource != "" {
			what += "/" + asked.Subresource
		}
		review.Status.Allowed = !denied[what]
		return true, review, nil
	})
	err := lab.CheckPermissions(context.Background())
	if err == nil {
		t.Fatal("nothing is missing")
	}
	for _, want := range []string{"may not create namespaces, create pods/exec, update leases;", "kind: ClusterRole", "- pods/exec",
		"- namespaces"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	denied = nil
	if err := lab.CheckPermissions(context.Background()); err != nil {
		t.Errorf("with all that is needed: %v", err)
	}
}

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: gone, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: me, user: {token: t}}]
contexts: [{name: gone, context: {cluster: gone, user: me}}]
current-context: gone
`

func TestOpen(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{
		"gone":   "the API server of context gone, https://127.0.0.1:1, cannot be reached",
		"absent": `has no context "absent": it has gone`,
	} {
		if _, err := Open(context.Background(), Options{Context: name, Kubeconfig: file}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("context %s: %v, want %q", name, err, says)
		}
	}
}

func TestDirectoriesOfOthersAreNotTouched(t *testing.T) {
	t.Parallel()
	lab := newFakeLab(t, apiNode("worker-1"))
	for _, path := range []string{"/var/lib/kubelet", "/", HostDirectory, HostDirectory + "/../kubelet", HostDirectory + "ly/x"} {
		for what, do := range map[string]func(context.Context, string) error{"make": lab.MakeDirectory, "remove": lab.RemoveDirectory} {
			if err := do(context.Background(), path); err == nil || !strings.Contains(err.Error(), "nothing else of a node's disk is touched") {
				t.Errorf("%s %s: %v", what, path, err)
			}
		}
	}
}

// TestAgentsHaveNoMoreRightsThanTheyNeed looks at the pod that reaches the nodes' disks.
func TestAgentsHaveNoMoreRightsThanTheyNeed(t *testing.T) {
	t.Parallel()
	pod := newFakeLab(t).agents("run-1", nil).Spec.Template.Spec
	security := pod.Containers[0].SecurityContext
	if diff := cmp.Diff(&corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"DAC_OVERRIDE", "FOWNER"}},
		security.Capabilities); diff != "" {
		t.Errorf("capabilities (-want +got):\n%s", diff)
	}
	if security.Privileged != nil || *security.AllowPrivilegeEscalation || !*security.ReadOnlyRootFilesystem ||
		*pod.AutomountServiceAccountToken || security.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("the agent may do more than it needs: %+v", security)
	}
}
