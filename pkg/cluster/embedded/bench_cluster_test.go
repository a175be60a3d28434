//go:build linux

package embedded_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
)

// rounds is how often each figure is measured; the median is printed.
const rounds = 5

// figures collects measurements by name, in the order in which they were first made.
type figures struct {
	names  []string
	values map[string][]float64
}

func (f *figures) add(name string, value float64) {
	if _, known := f.values[name]; !known {
		f.names = append(f.names, name)
	}
	f.values[name] = append(f.values[name], value)
}

func (f *figures) seconds(name string, since time.Time) {
	f.add(name+" [s]", time.Since(since).Seconds())
}

// print writes to the standard output: a benchmark's log is cut off after ten lines.
func (f *figures) print() {
	for _, name := range f.names {
		sorted := slices.Sorted(slices.Values(f.values[name]))
		fmt.Printf("%-60s median %8.2f   all %.2f\n", name, sorted[len(sorted)/2], f.values[name])
	}
}

// BenchmarkCluster measures a cluster's life and prints the medians: go test -bench Cluster -benchtime 1x -timeout 30m.
func BenchmarkCluster(b *testing.B) {
	if os.Getenv(clusterTests) == "" {
		b.Skipf("starts real clusters: needs root and built components; set %s=1, or call make bench", clusterTests)
	}
	cache, err := paths.Cache(os.Getenv)
	if err != nil {
		b.Fatal(err)
	}
	provider, err := embedded.NewProvider(filepath.Join(b.TempDir(), "state"), cache, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		names, _ := provider.Names()
		for _, name := range names {
			_, _ = provider.Down(context.Background(), name)
		}
	}()
	f := &figures{values: map[string][]float64{}}
	for range b.N {
		for range rounds {
			measureLife(b, provider, f)
		}
		measureWorkers(b, provider, f)
	}
	f.print()
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// measureLife takes one cluster of three workers up, through the faults, and down.
func measureLife(b *testing.B, provider embedded.Provider, f *figures) {
	ctx := b.Context()
	began := time.Now()
	started, err := provider.Up(ctx, options("bench", 3))
	must(b, err)
	f.seconds("up, 3 workers", began)
	for _, phase := range started.Phases {
		f.add("  of which "+phase.Name+" [s]", phase.Took.Seconds())
	}
	c := started.Cluster
	config, err := c.RESTConfig()
	must(b, err)
	client, err := kubernetes.NewForConfig(config)
	must(b, err)
	status, err := c.Status(ctx)
	must(b, err)
	f.add("control plane and 3 workers, PSS [MiB]", float64(status.Memory>>20))

	job, deployment := makeVictims(b, client)
	node := awaitPod(b, client, job, "")
	must(b, pinned(ctx, client, deployment, node))
	off := time.Now()
	evidence, err := c.Do(ctx, cluster.PowerOff, node)
	must(b, err)
	f.add("power-off: last process gone [s]", evidence.Observed().Sub(evidence.Begun).Seconds())
	awaitNode(b, client, node, false)
	f.seconds("fast: NotReady after power-off", off)
	awaitPod(b, client, deployment, node)
	f.seconds("Deployment's replacement Running after power-off", off)
	awaitPod(b, client, job, node)
	f.seconds("Job's replacement Running after power-off", off)
	on := time.Now()
	_, err = c.Do(ctx, cluster.PowerOn, node)
	must(b, err)
	awaitNode(b, client, node, true)
	f.seconds("power-on to Ready", on)

	_, err = c.Do(ctx, cluster.Isolate, node)
	must(b, err)
	awaitNode(b, client, node, false)
	rejoined := time.Now()
	_, err = c.Do(ctx, cluster.Rejoin, node)
	must(b, err)
	awaitNode(b, client, node, true)
	f.seconds("rejoin to Ready", rejoined)

	down := time.Now()
	_, err = provider.Down(ctx, "bench")
	must(b, err)
	f.seconds("down", down)
}

// measureWorkers says what each worker more costs, by clusters of 3 and of 10.
func measureWorkers(b *testing.B, provider embedded.Provider, f *figures) {
	ctx := b.Context()
	took, memory := map[int]float64{}, map[int]float64{}
	for _, workers := range []int{3, 10} {
		began := time.Now()
		started, err := provider.Up(ctx, options("bench", workers))
		must(b, err)
		took[workers] = time.Since(began).Seconds()
		status, err := started.Cluster.Status(ctx)
		must(b, err)
		for _, machine := range status.Machines {
			if machine.Ready != "" {
				memory[workers] += float64(machine.Memory >> 20)
			}
		}
		_, err = provider.Down(ctx, "bench")
		must(b, err)
	}
	f.add("up, 10 workers [s]", took[10])
	f.add("each worker more [s]", (took[10]-took[3])/7)
	f.add("each worker, PSS [MiB]", (memory[10]-memory[3])/7)
}

// makeVictims creates a Job and a Deployment of one pod each; both are found by the label app.
func makeVictims(b *testing.B, client kubernetes.Interface) (job, deployment string) {
	b.Helper()
	policy, one := batchv1.TerminatingOrFailed, int32(1)
	template := func(name string, restart corev1.RestartPolicy) corev1.PodTemplateSpec {
		spec := podSpec("sleep", "1h")
		spec.RestartPolicy = restart
		return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": name}}, Spec: spec}
	}
	_, err := client.BatchV1().Jobs(ns).Create(b.Context(), &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "job"}, Spec: batchv1.JobSpec{
		PodReplacementPolicy: &policy, Template: template("job", corev1.RestartPolicyNever),
	}}, metav1.CreateOptions{})
	must(b, err)
	_, err = client.AppsV1().Deployments(ns).Create(b.Context(),
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "deployment"}, Spec: appsv1.DeploymentSpec{
			Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "deployment"}},
			Template: template("deployment", corev1.RestartPolicyAlways),
		}}, metav1.CreateOptions{})
	must(b, err)
	return "job", "deployment"
}

// pinned moves the Deployment's pod to a node by keeping it off all others while it is recreated.
func pinned(ctx context.Context, client kubernetes.Interface, deployment, node string) error {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	cordon := func(only bool) error {
		for _, n := range nodes.Items {
			if n.Name == node {
				continue
			}
			patch := fmt.Appendf(nil, `{"spec":{"unschedulable":%v}}`, only)
			if _, err := client.CoreV1().Nodes().Patch(ctx, n.Name, "application/merge-patch+json", patch, metav1.PatchOptions{}); err != nil {
				return err
			}
		}
		return nil
	}
	if err := cordon(true); err != nil {
		return err
	}
	now := int64(0)
	if err := client.CoreV1().Pods(ns).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now},
		metav1.ListOptions{LabelSelector: "app=" + deployment}); err != nil {
		return err
	}
	for {
		pods, err := client.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{LabelSelector: "app=" + deployment})
		if err != nil {
			return err
		}
		for _, p := range pods.Items {
			if p.Spec.NodeName == node && p.Status.Phase == corev1.PodRunning {
				return cordon(false)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// awaitPod returns the node of a running pod of the app that is neither on the given node nor on its way out.
func awaitPod(b *testing.B, client kubernetes.Interface, app, not string) string {
	b.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		pods, err := client.CoreV1().Pods(ns).List(b.Context(), metav1.ListOptions{LabelSelector: "app=" + app})
		must(b, err)
		for _, p := range pods.Items {
			if p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil && p.Spec.NodeName != not {
				return p.Spec.NodeName
			}
		}
	}
	b.Fatalf("no pod of %s runs off %q", app, not)
	return ""
}

func awaitNode(b *testing.B, client kubernetes.Interface, node string, ready bool) {
	b.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		n, err := client.CoreV1().Nodes().Get(b.Context(), node, metav1.GetOptions{})
		must(b, err)
		if cluster.NodeReady(*n) == ready {
			return
		}
	}
	b.Fatalf("node %s did not become Ready %v", node, ready)
}
