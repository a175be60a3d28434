//go:build linux

package kind_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/kind"
)

// kindTests is set where tests may and must start clusters of kind.
const kindTests = "SPARKCHAOS_KIND_TESTS"

// lab is a cluster under test.
type lab struct {
	*testing.T
	provider kind.Provider
	cluster  *kind.Cluster
	client   kubernetes.Interface
}

func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Getenv(kindTests) == "" {
		t.Skipf("starts a cluster of kind: needs root, Docker and a node image; set %s=1, or call make test-kind", kindTests)
	}
	engine, err := kind.FindEngine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cache, err := paths.Cache(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	env := image.Env{Cache: cache}
	node, err := image.LastKindNode(env)
	if err != nil {
		t.Fatal(err)
	}
	toolbox, err := image.Toolbox(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	provider := kind.Provider{State: t.TempDir(), Engine: engine, Progress: func(line string) { t.Log(line) }}
	name := fmt.Sprintf("test-%d", os.Getpid())
	t.Cleanup(func() {
		if _, err := provider.Down(context.Background(), name); err != nil {
			t.Error(err)
		}
	})
	c, made, err := provider.Up(t.Context(), kind.Options{Name: name, Workers: 2, Timing: cluster.Fast(), NodeImage: node.Reference,
		Images: []string{toolbox.Path}})
	if err != nil || !made {
		t.Fatalf("Up: made %v, %v", made, err)
	}
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return &lab{T: t, provider: provider, cluster: c, client: client}
}

func TestKindCluster(t *testing.T) {
	l := newLab(t)
	node := l.cluster.Name() + "-worker"
	for _, tt := range []struct {
		name string
		run  func(*lab, string)
	}{
		{"a second up changes nothing", upAgain},
		{"pods on both nodes reach each other and the harness", reach},
		{"power-off and power-on", powerOffAndOn},
		{"shutdown and power-on", shutdownAndOn},
		{"freeze and thaw", freezeAndThaw},
		{"isolate and rejoin keeps the address", isolateAndRejoin},
		{"kubelet stops and starts", kubeletStopsAndStarts},
		{"what makes no sense is refused", refuse},
		{"disks are read while their node is off", readDisk},
		{"a container that was removed by hand is missed", removedByHand}, // breaks the cluster: the last one
	} {
		if !t.Run(tt.name, func(t *testing.T) { tt.run(&lab{t, l.provider, l.cluster, l.client}, node) }) {
			return // the next one would only stumble over what is left
		}
	}
}

func (l *lab) do(action cluster.Action, node string) cluster.Evidence {
	l.Helper()
	evidence, err := l.cluster.Do(l.Context(), action, node)
	if err != nil {
		l.Fatal(err)
	}
	if len(evidence.Observations) == 0 {
		l.Fatalf("%s was not observed", action)
	}
	return evidence
}

// awaitReady waits for what Kubernetes thinks of a node.
func (l *lab) awaitReady(node string, want corev1.ConditionStatus) {
	l.Helper()
	ctx, cancel := context.WithTimeout(l.Context(), 3*time.Minute)
	defer cancel()
	err := cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		object, err := l.client.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		for _, condition := range object.Status.Conditions {
			if condition.Type == corev1.NodeReady {
				is := condition.Status == want || want != corev1.ConditionTrue && condition.Status != corev1.ConditionTrue
				return is, fmt.Sprintf("%+v", condition)
			}
		}
		return false, "no condition"
	})
	if err != nil {
		l.Fatalf("node %s, Ready %s: %v", node, want, err)
	}
}

func (l *lab) node(name string) cluster.Node {
	l.Helper()
	nodes, err := l.cluster.Nodes(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	for _, node := range nodes {
		if node.Name == name {
			return node
		}
	}
	l.Fatalf("no node %s among %+v", name, nodes)
	return cluster.Node{}
}

func upAgain(l *lab, _ string) {
	c, made, err := l.provider.Up(l.Context(), kind.Options{Name: l.cluster.Name(), Workers: 2, Timing: cluster.Fast()})
	if err != nil || made || c.Workers() != 2 {
		l.Errorf("made %v, %v", made, err)
	}
	names, err := l.provider.Names()
	if err != nil || len(names) != 1 {
		l.Errorf("names %v, %v", names, err)
	}
}

// pod runs the toolbox on a node.
func (l *lab) pod(name, node string, args ...string) *corev1.Pod {
	l.Helper()
	zero := int64(0)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault},
		Spec: corev1.PodSpec{
			NodeName: node, RestartPolicy: corev1.RestartPolicyOnFailure, TerminationGracePeriodSeconds: &zero,
			Containers: []corev1.Container{{Name: "toolbox", Image: image.ToolboxReference, ImagePullPolicy: corev1.PullNever, Args: args}},
		},
	}
	made, err := l.client.CoreV1().Pods(pod.Namespace).Create(l.Context(), pod, metav1.CreateOptions{})
	if err != nil {
		l.Fatal(err)
	}
	return made
}

func (l *lab) awaitPod(name string, is func(*corev1.Pod) bool) *corev1.Pod {
	l.Helper()
	ctx, cancel := context.WithTimeout(l.Context(), 2*time.Minute)
	defer cancel()
	var pod *corev1.Pod
	err := cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		var err error
		if pod, err = l.client.CoreV1().Pods(metav1.NamespaceDefault).Get(ctx, name, metav1.GetOptions{}); err != nil {
			return false, err.Error()
		}
		return is(pod), fmt.Sprintf("%+v", pod.Status)
	})
	if err != nil {
		l.Fatalf("pod %s: %v", name, err)
	}
	return pod
}

func running(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodRunning && pod.Status.PodIP != ""
}
func succeeded(pod *corev1.Pod) bool { return pod.Status.Phase == corev1.PodSucceeded }

func reach(l *lab, node string) {
	other := node + "2"
	l.pod("server", node, "serve", ":8080")
	server := l.awaitPod("server", running)
	l.pod("client", other, "get", "http://"+server.Status.PodIP+":8080/")
	l.awaitPod("client", succeeded)
	listener, err := l.cluster.Listen(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	heard := make(chan string, 1)
	harness := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		select {
		case heard <- request.URL.Path:
		default: // the pod was started again
		}
	})}
	defer harness.Close()
	go func() { _ = harness.Serve(listener) }() // ends with the test
	l.pod("caller", other, "get", "http://"+listener.Addr().String()+"/called")
	l.awaitPod("caller", succeeded)
	if path := <-heard; path != "/called" {
		l.Errorf("the harness was asked for %q", path)
	}
}

func powerOffAndOn(l *lab, node string) {
	before := l.node(node)
	l.do(cluster.PowerOff, node)
	if off := l.node(node); off.Power != cluster.Off || off.Processes != 0 {
		l.Errorf("after power-off: %+v", off)
	}
	l.awaitReady(node, corev1.ConditionUnknown)
	if off := l.node(node); off.Power != cluster.Off {
		l.Errorf("it came back by itself: %+v", off)
	}
	l.do(cluster.PowerOn, node)
	l.awaitReady(node, corev1.ConditionTrue)
	if on := l.node(node); on.BootID == before.BootID || on.BootID == "" || !on.Kubelet || on.Isolated {
		l.Errorf("after power-on: %+v, before %+v", on, before)
	}
	// Its pods have a network again.
	l.pod("after-power-on", node, "serve", ":8080")
	l.pod("asks-after-power-on", node+"2", "get", "http://"+l.awaitPod("after-power-on", running).Status.PodIP+":8080/")
	l.awaitPod("asks-after-power-on", succeeded)
}

func shutdownAndOn(l *lab, node string) {
	l.do(cluster.Shutdown, node)
	l.awaitReady(node, corev1.ConditionUnknown)
	l.do(cluster.PowerOn, node)
	l.awaitReady(node, corev1.ConditionTrue)
}

func freezeAndThaw(l *lab, node string) {
	before := l.node(node)
	l.do(cluster.Freeze, node)
	if frozen := l.node(node); !frozen.Frozen || frozen.Power != cluster.On || frozen.Processes == 0 {
		l.Errorf("after freeze: %+v", frozen)
	}
	l.awaitReady(node, corev1.ConditionUnknown)
	l.do(cluster.Thaw, node)
	l.awaitReady(node, corev1.ConditionTrue)
	if thawed := l.node(node); thawed.Frozen || thawed.BootID != before.BootID {
		l.Errorf("after thaw: %+v, before %+v", thawed, before)
	}
	l.do(cluster.Freeze, node)
	l.do(cluster.PowerOff, node) // also one that is frozen
	l.do(cluster.PowerOn, node)
	l.awaitReady(node, corev1.ConditionTrue)
}

func isolateAndRejoin(l *lab, node string) {
	before := l.node(node)
	l.do(cluster.Isolate, node)
	if cut := l.node(node); !cut.Isolated || cut.Power != cluster.On || cut.Processes == 0 {
		l.Errorf("after isolate: %+v", cut)
	}
	l.awaitReady(node, corev1.ConditionUnknown)
	l.do(cluster.Rejoin, node)
	l.awaitReady(node, corev1.ConditionTrue)
	if now := l.node(node); now.Address != before.Address || now.BootID != before.BootID || now.Isolated {
		l.Errorf("after rejoin: %+v, before %+v", now, before)
	}
	l.pod("after-rejoin", node, "serve", ":8080")
	l.pod("asks-after-rejoin", node+"2", "get", "http://"+l.awaitPod("after-rejoin", running).Status.PodIP+":8080/")
	l.awaitPod("asks-after-rejoin", succeeded)
}

func kubeletStopsAndStarts(l *lab, node string) {
	l.do(cluster.KubeletStop, node)
	if stopped := l.node(node); stopped.Kubelet || stopped.Power != cluster.On {
		l.Errorf("after kubelet-stop: %+v", stopped)
	}
	l.awaitReady(node, corev1.ConditionUnknown)
	l.do(cluster.KubeletStart, node)
	l.awaitReady(node, corev1.ConditionTrue)
}

func refuse(l *lab, node string) {
	for _, action := range []cluster.Action{cluster.PowerOn, cluster.Thaw, cluster.Rejoin, cluster.KubeletStart} {
		if _, err := l.cluster.Do(l.Context(), action, node); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
			l.Errorf("%s of a node that is well: %v", action, err)
		}
	}
	if _, err := l.cluster.Do(l.Context(), cluster.PowerOff, l.cluster.Name()+"-control-plane"); err == nil {
		l.Error("the control plane could be powered off")
	}
}

func readDisk(l *lab, node string) {
	const directory = "/var/lib/sparkchaos/test"
	if err := l.cluster.MakeDirectory(l.Context(), directory); err != nil {
		l.Fatal(err)
	}
	l.do(cluster.PowerOff, node)
	disk, err := l.cluster.Disk(l.Context(), node)
	if err != nil {
		l.Fatal(err)
	}
	if _, err := fs.Stat(disk, directory[1:]); err != nil {
		l.Error(err)
	}
	if err := l.cluster.RemoveDirectory(l.Context(), directory); err != nil {
		l.Error(err)
	}
	if _, err := fs.Stat(disk, directory[1:]); !errors.Is(err, fs.ErrNotExist) {
		l.Errorf("after it was removed: %v", err)
	}
	l.do(cluster.PowerOn, node)
	l.awaitReady(node, corev1.ConditionTrue)
}

func removedByHand(l *lab, node string) {
	if out, err := exec.Command("docker", "rm", "--force", "--volumes", node).CombinedOutput(); err != nil {
		l.Fatalf("%v: %s", err, out)
	}
	if _, err := l.cluster.Nodes(l.Context()); err == nil || !strings.Contains(err.Error(), "removed by hand") {
		l.Errorf("Nodes = %v, want that one is missing", err)
	}
}

func TestAClusterOfSomebodyElseIsLeftAlone(t *testing.T) {
	if os.Getenv(kindTests) == "" {
		t.Skipf("needs Docker; set %s=1, or call make test-kind", kindTests)
	}
	engine, err := kind.FindEngine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cache, err := paths.Cache(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	node, err := image.LastKindNode(image.Env{Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("other-%d", os.Getpid())
	container := name + "-worker"
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(string(engine), args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("create", "--name", container, "--label", "io.x-k8s.kind.cluster="+name, "--label", "io.x-k8s.kind.role=worker", node.Reference)
	t.Cleanup(func() { run("rm", "--force", container) })
	provider := kind.Provider{State: t.TempDir(), Engine: engine, Progress: func(string) {}}
	if _, _, err := provider.Up(t.Context(), kind.Options{Name: name, Workers: 1, Timing: cluster.Fast(),
		NodeImage: node.Reference}); err == nil || !strings.Contains(err.Error(), "did not make") {
		t.Errorf("Up = %v, want a refusal", err)
	}
	if existed, err := provider.Down(t.Context(), name); existed || err != nil {
		t.Errorf("Down = %v, %v, want that nothing was done", existed, err)
	}
	if state := run("container", "inspect", "--format", "{{.State.Status}}", container); state != "created" {
		t.Errorf("the other's container is %s", state)
	}
}
