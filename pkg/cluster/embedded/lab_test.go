//go:build linux

package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
)

// clusterTests is set where tests may and must start clusters.
const clusterTests = "SPARKCHAOS_CLUSTER_TESTS"

// upHelper makes this program bring a cluster up, for tests that kill it while it does.
const upHelper = "SPARKCHAOS_TEST_UP"

func TestMain(m *testing.M) {
	if code, ok := embedded.Main(os.Args); ok {
		os.Exit(code)
	}
	if state := os.Getenv(upHelper); state != "" {
		os.Exit(upAndExit(state))
	}
	os.Exit(m.Run())
}

func upAndExit(state string) int {
	cache, err := paths.Cache(os.Getenv)
	if err != nil {
		return 1
	}
	provider, err := embedded.NewProvider(state, cache, nil)
	if err != nil {
		return 1
	}
	if _, err := provider.Up(context.Background(), options("killed", 2)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func options(name string, workers int) embedded.Options {
	return embedded.Options{Name: name, Workers: workers, Timing: cluster.Fast(), Capacity: embedded.DefaultCapacity()}
}

// newProvider returns a provider with a state of its own, so that no other cluster of the machine is met.
func newProvider(t *testing.T) embedded.Provider {
	t.Helper()
	if os.Getenv(clusterTests) == "" {
		t.Skipf("starts a real cluster: needs root and built components; set %s=1, or call make test", clusterTests)
	}
	cache, err := paths.Cache(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := embedded.NewProvider(filepath.Join(t.TempDir(), "state"), cache, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		names, err := provider.Names()
		if err != nil {
			t.Error(err)
		}
		for _, name := range names {
			if _, err := provider.Down(context.Background(), name); err != nil {
				t.Error(err)
			}
		}
	})
	return provider
}

// lab is a cluster under test.
type lab struct {
	*testing.T
	provider embedded.Provider
	cluster  *embedded.Cluster
	config   *rest.Config
	client   kubernetes.Interface
}

func newLab(t *testing.T, provider embedded.Provider, name string, workers int) *lab {
	t.Helper()
	started, err := provider.Up(t.Context(), options(name, workers))
	if err != nil {
		t.Fatal(err)
	}
	config, err := started.Cluster.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return &lab{T: t, provider: provider, cluster: started.Cluster, config: config, client: client}
}

// with is the same lab for a subtest.
func (l *lab) with(t *testing.T) *lab {
	same := *l
	same.T = t
	return &same
}

func (l *lab) do(action cluster.Action, node string) cluster.Evidence {
	l.Helper()
	evidence, err := l.cluster.Do(l.Context(), action, node)
	if err != nil {
		l.Fatal(err)
	}
	if len(evidence.Observations) == 0 || evidence.Observed().Before(evidence.Begun) {
		l.Fatalf("%s of %s came without evidence: %+v", action, node, evidence)
	}
	return evidence
}

// refused expects an action to fail with a message.
func (l *lab) refused(action cluster.Action, node, says string) {
	l.Helper()
	if _, err := l.cluster.Do(l.Context(), action, node); err == nil || !strings.Contains(err.Error(), says) {
		l.Errorf("%s of %s: error %v, want one that says %q", action, node, err, says)
	}
}

// eventually waits for a condition; the limit is only there to end a test that hangs.
func (l *lab) eventually(what string, condition func() (bool, string)) {
	l.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for {
		ok, seen := condition()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			l.Fatalf("%s: not so; last seen: %s", what, seen)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// eventuallyReady waits until Kubernetes takes a node for ready, or no more. One that boots is ready only once kubelet has told of the
// new boot, and the taints of the time before are gone: until a node's silence is noticed it is still shown as it was, and what is then
// placed on it is evicted.
func (l *lab) eventuallyReady(node string, want bool) {
	l.Helper()
	l.eventually(fmt.Sprintf("node %s Ready: %v", node, want), func() (bool, string) {
		n, err := l.client.CoreV1().Nodes().Get(l.Context(), node, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		seen := fmt.Sprintf("%+v, boot %s, taints %v", n.Status.Conditions, n.Status.NodeInfo.BootID, n.Spec.Taints)
		if !want {
			return !cluster.NodeReady(*n), seen
		}
		machines, err := l.cluster.Nodes(l.Context())
		if err != nil {
			return false, err.Error()
		}
		for _, m := range machines {
			if m.Name == node && m.BootID != n.Status.NodeInfo.BootID {
				return false, seen + ", expected boot " + m.BootID
			}
		}
		return cluster.NodeReady(*n) && len(n.Spec.Taints) == 0, seen
	})
}

// pod returns a pod of the toolbox image that is evicted from a dead node within a second.
func pod(name string, args ...string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}}, Spec: podSpec(args...)}
}

func podSpec(args ...string) corev1.PodSpec {
	grace, soon := int64(2), int64(1)
	tolerate := func(key string) corev1.Toleration {
		return corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &soon}
	}
	return corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, TerminationGracePeriodSeconds: &grace,
		Tolerations: []corev1.Toleration{tolerate(corev1.TaintNodeNotReady), tolerate(corev1.TaintNodeUnreachable)},
		Containers: []corev1.Container{{
			Name: "main", Image: image.ToolboxReference, ImagePullPolicy: corev1.PullNever, Args: args,
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m")}},
		}},
	}
}

func on(p *corev1.Pod, node string) *corev1.Pod {
	p.Spec.NodeSelector = map[string]string{corev1.LabelHostname: node}
	return p
}

func hostPath(p *corev1.Pod, path string) *corev1.Pod {
	kind := corev1.HostPathDirectoryOrCreate
	return mount(p, corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path, Type: &kind}})
}

func claimed(p *corev1.Pod, claim string) *corev1.Pod {
	return mount(p, corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}})
}

// mount gives the pod a volume at /data.
func mount(p *corev1.Pod, source corev1.VolumeSource) *corev1.Pod {
	p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "data", VolumeSource: source})
	p.Spec.Containers[0].VolumeMounts = append(p.Spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "data", MountPath: "/data"})
	return p
}

const ns = metav1.NamespaceDefault

func (l *lab) create(p *corev1.Pod) {
	l.Helper()
	if _, err := l.client.CoreV1().Pods(ns).Create(l.Context(), p, metav1.CreateOptions{}); err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() {
		now := int64(0)
		_ = l.client.CoreV1().Pods(ns).Delete(context.Background(), p.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
	})
}

// run creates the pod and waits until it runs.
func (l *lab) run(p *corev1.Pod) *corev1.Pod {
	l.Helper()
	l.create(p)
	return l.awaitPhase(p.Name, corev1.PodRunning)
}

func (l *lab) awaitPhase(name string, phase corev1.PodPhase) *corev1.Pod {
	l.Helper()
	var found *corev1.Pod
	l.eventually(fmt.Sprintf("pod %s is %s", name, phase), func() (bool, string) {
		p, err := l.client.CoreV1().Pods(ns).Get(l.Context(), name, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		found = p
		return p.Status.Phase == phase, fmt.Sprintf("%s %+v", p.Status.Phase, p.Status.Conditions)
	})
	return found
}

func (l *lab) claim(name, class string, mode corev1.PersistentVolumeAccessMode) {
	l.Helper()
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PersistentVolumeClaimSpec{
		StorageClassName: &class, AccessModes: []corev1.PersistentVolumeAccessMode{mode},
		Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
	}}
	if _, err := l.client.CoreV1().PersistentVolumeClaims(ns).Create(l.Context(), claim, metav1.CreateOptions{}); err != nil {
		l.Fatal(err)
	}
}

// exec runs a command in a pod, as kubectl exec does.
func (l *lab) exec(pod string, command ...string) (string, error) {
	request := l.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(ns).Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(l.config, "GET", request.URL().String())
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = executor.StreamWithContext(l.Context(), remotecommand.StreamOptions{Stdout: &out, Stderr: &out})
	return out.String(), err
}

func (l *lab) logs(pod string) string {
	l.Helper()
	content, err := l.client.CoreV1().Pods(ns).GetLogs(pod, &corev1.PodLogOptions{}).DoRaw(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	return string(content)
}

// ticks counts the lines that a container wrote to its node's own disk.
func (l *lab) ticks(node, path string) int {
	l.Helper()
	disk, err := l.cluster.Disk(l.Context(), node)
	if err != nil {
		l.Fatal(err)
	}
	content, err := fs.ReadFile(disk, strings.TrimPrefix(path, "/"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		l.Fatal(err)
	}
	return bytes.Count(content, []byte("\n"))
}

// grows expects the container's own log to continue.
func (l *lab) grows(node, path string) {
	l.Helper()
	before := l.ticks(node, path)
	l.eventually("the container's own log continues", func() (bool, string) {
		now := l.ticks(node, path)
		return now >= before+3, fmt.Sprintf("%d lines, %d before", now, before)
	})
}

// stands expects that no line is written for a while in which a living container writes ten.
func (l *lab) stands(node, path string) {
	l.Helper()
	before := l.ticks(node, path)
	time.Sleep(time.Second)
	if now := l.ticks(node, path); now != before {
		l.Errorf("%d lines were written by a container that was to have stopped", now-before)
	}
}

// footprint is what the clusters of the given names could leave on the host. Others may live there meanwhile.
func footprint(t *testing.T, clusters ...string) map[string]string {
	t.Helper()
	read := func(path string) string {
		content, err := os.ReadFile(path)
		if err != nil {
			return err.Error()
		}
		return string(content)
	}
	found := map[string]string{
		"mounts": read("/proc/self/mountinfo"), "links": read("/proc/net/dev_mcast"), "routes": read("/proc/net/route"),
		"overcommit": read("/proc/sys/vm/overcommit_memory"), "panic": read("/proc/sys/kernel/panic"),
		"forwarding": read("/proc/sys/net/ipv4/ip_forward"), "conntrack": read("/proc/sys/net/netfilter/nf_conntrack_max"),
	}
	for _, cluster := range clusters {
		groups, err := filepath.Glob("/sys/fs/cgroup/*/sparkchaos/" + cluster + "-*")
		if err != nil {
			t.Fatal(err)
		}
		found["cgroups of "+cluster] = strings.Join(groups, "\n")
		found["machines of "+cluster] = strings.Join(machines(t, cluster), "\n")
	}
	found["listening"] = strings.Join(listening(read("/proc/net/tcp")), "\n")
	namespaces, _ := filepath.Glob("/run/netns/*")
	found["namespaces"] = strings.Join(namespaces, "\n")
	return found
}

// listening returns the addresses of listening sockets that are not on 127.0.0.1.
func listening(table string) []string {
	var found []string
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		const listen = "0A"
		if len(fields) > 3 && fields[3] == listen && !strings.HasPrefix(fields[1], "0100007F:") {
			found = append(found, fields[1])
		}
	}
	return found
}

// machines returns the PIDs of a cluster's machines' init processes, zombies left out.
func machines(t *testing.T, cluster string) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err != nil {
			continue
		}
		process := filepath.Join("/proc", entry.Name())
		command, _ := os.ReadFile(filepath.Join(process, "cmdline")) // ended meanwhile: not one of them
		groups, _ := os.ReadFile(filepath.Join(process, "cgroup"))
		// Between fork and exec the child by which an init starts a service has init's own command line, and is in init's group.
		if strings.HasPrefix(string(command), "sparkchaos-machine\x00") && strings.Contains(string(groups), "/sparkchaos/"+cluster+"-") &&
			firstOfItsNamespace(process) {
			found = append(found, entry.Name())
		}
	}
	return found
}

// firstOfItsNamespace reports whether a process is PID 1 of a PID namespace below this one, as an init is (proc_pid_status(5), NSpid).
func firstOfItsNamespace(process string) bool {
	status, _ := os.ReadFile(filepath.Join(process, "status")) // ended meanwhile: not one
	for line := range strings.Lines(string(status)) {
		if pids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			own := strings.Fields(pids)
			return len(own) > 1 && own[len(own)-1] == "1"
		}
	}
	return false
}
