//go:build linux

package suites_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

// short is a scenario that takes seconds: %[1]s is the fault, %[2]s more settings of Spark.
const short = `apiVersion: sparkchaos.dev/v1alpha1
kind: Scenario
metadata: {name: bad-luck}
spec:
  cluster: {workers: 3, timing: fast}
  workload:
    application:
      name: wordcount
      mainClass: dev.sparkchaos.workloads.WordCount
      jar: local:///opt/spark/workloads/workloads.jar
      args: ["--partitions=16", "--task-ms=500", "--output=/shared/results"]
    driver: {kind: Job, tolerationSeconds: 2}
    executors: {instances: 2, cores: 1, memory: 512m, tolerationSeconds: 2}
    conf:
      spark.network.timeout: 20s
      spark.network.timeoutInterval: 2s
      spark.executor.heartbeatInterval: 2s
      spark.executor.heartbeat.maxFailures: "8"
      spark.kubernetes.executor.missingPodDetectDelta: 1s
%[2]s
  faults: %[1]s
  expect:
  - completes: {within: 4m}
  - nothingLeftBehind: {}
  settle: 2m
`

// strike is a fault at the driver's node, undone soon after the new driver runs.
func strike(kind string) string {
	return fmt.Sprintf("[{name: strike, inject: {%s: {node: {of: driver}}}, when: {driverRunning: {}, delay: 1s}, recover: {when: {driverRescheduled: {}}}}]", kind)
}

// harness is sparkchaos as a process of its own, which can be killed.
type harness struct {
	*exec.Cmd
	runs   string
	output *bytes.Buffer
}

// startHarness starts a run of a scenario on the cluster of a name. It ends with the spec at the latest.
func startHarness(name, scenario string, changes ...func(*harness)) *harness {
	GinkgoHelper()
	executable, err := os.Executable()
	Expect(err).NotTo(HaveOccurred())
	runs := GinkgoT().TempDir()
	file := filepath.Join(runs, "scenario.yaml")
	Expect(os.WriteFile(file, []byte(scenario), 0o600)).To(Succeed())
	out := filepath.Join(runs, "out")
	h := &harness{Cmd: exec.Command(executable, "run", file, "--seed", "1", "--cluster-name", name, "--out", out), runs: out, output: &bytes.Buffer{}}
	h.Env = append(os.Environ(), asProgram+"=1")
	for _, change := range changes {
		change(h)
	}
	h.Stdout, h.Stderr = h.output, h.output
	Expect(h.Start()).To(Succeed())
	DeferCleanup(func() {
		if h.ProcessState == nil {
			_ = h.Process.Kill()
			_ = h.Wait()
		}
	})
	return h
}

var _ = Describe("bad luck", Label("badluck"), Ordered, ContinueOnFailure, func() {
	var name string
	var lab *embedded.Cluster
	var client kubernetes.Interface

	start := func(scenario string, changes ...func(*harness)) *harness {
		GinkgoHelper()
		return startHarness(name, scenario, changes...)
	}

	BeforeAll(func(ctx SpecContext) {
		name = fmt.Sprintf("badluck-%d", os.Getpid())
		code, _ := sparkchaos("cluster", "up", "--name", name)
		Expect(code).To(Equal(0))
		DeferCleanup(func() {
			code, _ := sparkchaos("cluster", "down", "--name", name)
			Expect(code).To(Equal(0), "the cluster goes with everything")
		})
		lab, client = open(name)
	}, NodeTimeout(specTimeout))

	// Each moment is the first event that holds the text.
	for _, moment := range []struct{ fault, event string }{
		{"nodePowerOff", `"type":"phaseStarted","data":{"phase":"cluster"}`},
		{"nodePowerOff", `"type":"workloadLaunched"`},
		{"nodePowerOff", `"type":"anchorAwaited"`},
		{"nodePowerOff", `"type":"journaled"`},
		{"nodePowerOff", `"type":"injecting"`},
		{"nodePowerOff", `"type":"landed"`},
		{"nodePowerOff", `"type":"recovering"`},
		{"nodeIsolate", `"type":"injecting"`},
		{"nodeIsolate", `"type":"landed"`},
		{"nodeFreeze", `"type":"injecting"`},
		{"nodeFreeze", `"type":"landed"`},
		{"nodeFreeze", `"type":"phaseStarted","data":{"phase":"cleanup"}`},
	} {
		It(fmt.Sprintf("cleanup undoes a run with %s that was killed at %s", moment.fault, moment.event), func(ctx SpecContext) {
			h := start(fmt.Sprintf(short, strike(moment.fault), ""))
			h.awaitEvent(ctx, moment.event)
			Expect(h.Process.Kill()).To(Succeed())
			_ = h.Wait() // killed is what it is to be
			Expect(verdictOf(h)).NotTo(Equal(check.Pass), "a run that was killed must never pass")

			// A node whose power-off was broken off half-way is switched off and on, which is never done unasked.
			code, out := sparkchaos("cleanup", "--yes")
			Expect(code).To(Equal(0), out)
			expectNothingDisturbed(ctx, lab, client)
		}, SpecTimeout(specTimeout))
	}

	It("cleanup removes a cluster whose start was killed, even if it was to be kept", func(ctx SpecContext) {
		other := name + "-b"
		h := start(fmt.Sprintf(short, "[]", ""), func(h *harness) {
			h.Args[slices.Index(h.Args, name)] = other
			h.Args = append(h.Args, "--keep-cluster")
		})
		Eventually(ctx, func() int { return processOf("kube-apiserver", other) }).WithTimeout(time.Minute).WithPolling(10*time.Millisecond).ShouldNot(BeZero(), h.output.String())
		Expect(h.Process.Kill()).To(Succeed())
		_ = h.Wait() // killed is what it is to be

		code, out := sparkchaos("cleanup")
		Expect(code).To(Equal(0), out)
		Expect(processOf("kube-apiserver", other)).To(BeZero())
		code, out = sparkchaos("cluster", "status", "--name", other)
		Expect(code).NotTo(Equal(0), out)
		expectNothingDisturbed(ctx, lab, client)
	}, SpecTimeout(specTimeout))

	It("a cluster that someone removes during the run is an error at once, and leaves nothing", func(ctx SpecContext) {
		other := name + "-c"
		h := start(fmt.Sprintf(short, strike("nodePowerOff"), ""), func(h *harness) { h.Args[slices.Index(h.Args, name)] = other })
		h.awaitEvent(ctx, `"type":"landed"`)
		code, out := complaint("cluster", "down", "--name", other)
		Expect(code).To(Equal(3), out)
		Expect(out).To(ContainSubstring("is held by run "), "a run has its cluster for itself")
		code, out = sparkchaos("cluster", "down", "--name", other, "--force")
		Expect(code).To(Equal(0), out)
		removed := time.Now()
		_ = h.Wait() // its exit code is looked at below
		Expect(time.Since(removed)).To(BeNumerically("<", time.Minute), "nothing is waited for that cannot come")
		Expect(h.ProcessState.ExitCode()).To(Equal(3), h.output.String())
		Expect(h.output.String()).To(ContainSubstring("was removed while the run went on"))
		Expect(h.output.String()).NotTo(ContainSubstring("clean-up is incomplete"))
		expectNothingDisturbed(ctx, lab, client)
	}, SpecTimeout(specTimeout))

	It("an interrupt undoes the fault, keeps the run directory and exits with 130", func(ctx SpecContext) {
		h := start(fmt.Sprintf(short, strike("nodePowerOff"), ""))
		h.awaitEvent(ctx, `"type":"landed"`)
		Expect(h.Process.Signal(syscall.SIGINT)).To(Succeed())
		_ = h.Wait() // its exit code is looked at below
		Expect(h.ProcessState.ExitCode()).To(Equal(130), h.output.String())
		verdict, _, err := report.Load(h.directory())
		Expect(err).NotTo(HaveOccurred())
		Expect(verdict.Verdict).To(Equal(check.Inconclusive), verdict.Reason)
		expectNothingDisturbed(ctx, lab, client)
	}, SpecTimeout(specTimeout))

	It("after all that a run passes", func(ctx SpecContext) {
		h := start(fmt.Sprintf(short, strike("nodePowerOff"), ""))
		Expect(h.Wait()).To(Succeed(), h.output.String())
		expectNothingDisturbed(ctx, lab, client)
	}, SpecTimeout(specTimeout))

	It("an image that nobody has is an error at once, and named", func(ctx SpecContext) {
		scenario := strings.Replace(fmt.Sprintf(short, "[]", ""), "    driver:", "    image: docker.io/nobody/nothing:1\n    driver:", 1)
		h := start(scenario)
		_ = h.Wait() // its exit code is looked at below
		Expect(h.ProcessState.ExitCode()).To(Equal(3), h.output.String())
		Expect(h.output.String()).To(ContainSubstring("docker.io/nobody/nothing:1"))
		expectNothingDisturbed(ctx, lab, client)
	}, SpecTimeout(specTimeout))

	It("without the witness's HTTP the nodes' disks decide", func(ctx SpecContext) {
		// An address of the cluster's network that nobody has: requests fall into silence.
		// Without the witness no anchor tells that Spark has started: the fault comes late enough for that.
		late := strings.Replace(strike("nodePowerOff"), "delay: 1s", "delay: 6s", 1)
		h := start(strings.Replace(fmt.Sprintf(short, late, "      spark.sparkchaos.witness.url: http://172.30.0.250:9"),
			"  - completes", "  - atMostOneDriver: {overlap: 0s}\n  - applicationIdsUnique: {}\n  - completes", 1))
		Expect(h.Wait()).To(Succeed(), h.output.String())
		history, err := os.ReadFile(filepath.Join(h.directory(), "history.ndjson"))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(history)).To(ContainSubstring(`"via":"disk"`))
		Expect(string(history)).NotTo(ContainSubstring(`"via":"http"`))
	}, SpecTimeout(specTimeout))

	It("an API server that is away for 20 s is not taken for a dead workload", func(ctx SpecContext) {
		h := start(fmt.Sprintf(short, "[]", ""))
		h.awaitEvent(ctx, `"type":"stageSubmitted"`)
		server := processOf("kube-apiserver", name)
		Expect(server).NotTo(BeZero())
		Expect(syscall.Kill(server, syscall.SIGSTOP)).To(Succeed())
		time.Sleep(20 * time.Second)
		Expect(syscall.Kill(server, syscall.SIGCONT)).To(Succeed())
		_ = h.Wait() // its exit code is looked at below
		// Somebody else disturbed the cluster, so the run proves nothing of a fault; but it breaks no invariant either.
		Expect(h.ProcessState.ExitCode()).To(Equal(2), h.output.String())
		Expect(h.output.String()).To(ContainSubstring("was not Ready any more (Unknown), which no fault explains"))
		Expect(h.output.String()).To(MatchRegexp(`completes +│ pass`))
	}, SpecTimeout(specTimeout))

	It("a disk that is full while the history is written is an error, never a pass", func(ctx SpecContext) {
		saved := GinkgoT().TempDir()
		// A small file system of its own, in a mount namespace that ends with the harness.
		const script = `mount -t tmpfs -o size=500k tmpfs "$1" && shift 2 && "$@"; code=$?; cp -r "$OUT"/. "$SAVED"; exit $code`
		h := start(fmt.Sprintf(short, "[]", ""), func(h *harness) {
			Expect(os.MkdirAll(h.runs, 0o755)).To(Succeed())
			env := h.Env
			h.Cmd = exec.Command("unshare", append([]string{"--mount", "sh", "-c", script, "sh", h.runs, "--"}, h.Args...)...)
			h.Env = append(env, "OUT="+h.runs, "SAVED="+saved)
		})
		_ = h.Wait() // its exit code is looked at below
		Expect(h.ProcessState.ExitCode()).To(Equal(3), h.output.String())
		Expect(h.output.String()).To(ContainSubstring("no space left"))
		h.runs = saved
		Expect(verdictOf(h)).NotTo(Equal(check.Pass))
		code, out := sparkchaos("cleanup")
		Expect(code).To(Equal(0), out)
		expectNothingDisturbed(ctx, lab, client)
	}, SpecTimeout(specTimeout))
})

// open finds the suite's cluster and a client for it.
func open(name string) (*embedded.Cluster, kubernetes.Interface) {
	GinkgoHelper()
	state, err := paths.State(os.Getenv)
	Expect(err).NotTo(HaveOccurred())
	cache, err := paths.Cache(os.Getenv)
	Expect(err).NotTo(HaveOccurred())
	provider, err := embedded.NewProvider(state, cache, nil)
	Expect(err).NotTo(HaveOccurred())
	c, err := provider.Open(name)
	Expect(err).NotTo(HaveOccurred())
	config, err := c.RESTConfig()
	Expect(err).NotTo(HaveOccurred())
	client, err := kubernetes.NewForConfig(config)
	Expect(err).NotTo(HaveOccurred())
	return c, client
}

// directory is the run's.
func (h *harness) directory() string {
	GinkgoHelper()
	directory, err := filepath.EvalSymlinks(filepath.Join(h.runs, "latest"))
	Expect(err).NotTo(HaveOccurred())
	return directory
}

// awaitEvent returns when the run's history holds the text.
func (h *harness) awaitEvent(ctx context.Context, text string) {
	GinkgoHelper()
	Eventually(ctx, func() string {
		history, err := os.ReadFile(filepath.Join(h.runs, "latest", "history.ndjson"))
		if err != nil {
			return "" // not made yet
		}
		return string(history)
	}).WithTimeout(3*time.Minute).WithPolling(10*time.Millisecond).Should(ContainSubstring(text), h.output.String())
}

// verdictOf is the verdict of what the run recorded until it ended, judged offline.
func verdictOf(h *harness) check.Verdict {
	GinkgoHelper()
	code, out := sparkchaos("check", h.directory(), "-o", "json")
	Expect(code).To(BeElementOf(0, 1, 2, 3), out)
	var verdict check.RunVerdict
	Expect(json.Unmarshal([]byte(out), &verdict)).To(Succeed(), out)
	return verdict.Verdict
}

// expectNothingDisturbed looks for what a run must not leave: nodes, namespaces, records.
func expectNothingDisturbed(ctx context.Context, lab cluster.Cluster, client kubernetes.Interface) {
	GinkgoHelper()
	nodes, err := lab.Nodes(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(nodes).To(HaveLen(3))
	for _, node := range nodes {
		Expect(node.Power).To(Equal(cluster.On), node.Name)
		Expect(node.Frozen).To(BeFalse(), node.Name)
		Expect(node.Isolated).To(BeFalse(), node.Name)
	}
	namespaces, err := client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: launcher.RunLabel})
	Expect(err).NotTo(HaveOccurred())
	Expect(namespaces.Items).To(BeEmpty())
	state, err := paths.State(os.Getenv)
	Expect(err).NotTo(HaveOccurred())
	records, err := filepath.Glob(filepath.Join(state, "runs", "bad-luck-*.json"))
	Expect(err).NotTo(HaveOccurred())
	Expect(records).To(BeEmpty())
	Eventually(ctx, func(g Gomega) {
		list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		g.Expect(err).NotTo(HaveOccurred())
		for _, node := range list.Items {
			g.Expect(cluster.NodeReady(node)).To(BeTrue(), node.Name)
		}
	}).WithTimeout(time.Minute).Should(Succeed())
}
