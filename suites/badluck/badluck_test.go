//go:build linux

package badluck_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/suites/support"
)

func TestMain(m *testing.M) { support.Main(m) }

func TestBadLuck(t *testing.T) { support.RunSuite(t, "bad luck", support.ClusterTests) }

// lab is the cluster of this process.
var (
	name   string
	lab    *embedded.Cluster
	client kubernetes.Interface
)

var _ = BeforeSuite(func(SpecContext) {
	support.OwnState()
	name = fmt.Sprintf("badluck-%d", os.Getpid())
	lab, client = support.UpEmbedded(name)
}, NodeTimeout(support.SpecLimit))

// A run that is killed, interrupted or otherwise disturbed leaves nothing behind for long, and never passes.
var _ = Describe("bad luck", Label("badluck"), func() {

	start := func(scenario string, changes ...func(*support.Process)) *support.Process {
		GinkgoHelper()
		return support.StartProcess(name, scenario, changes...)
	}

	// Each moment is the first event of the history that holds the text.
	DescribeTable("cleanup undoes a run that was killed", func(ctx SpecContext, fault, event string) {
		h := start(fmt.Sprintf(support.Short, support.Strike(fault), ""))
		h.AwaitEvent(ctx, event)
		h.End(h.Process.Kill)
		Expect(h.Verdict().Verdict).NotTo(Equal(check.Pass), "a run that was killed must never pass")

		// A node whose power-off was broken off half-way is switched off and on, which is never done unasked.
		code, out := support.Sparkchaos("cleanup", "--yes")
		Expect(code).To(Equal(0), out)
		support.ExpectNothingDisturbed(ctx, lab, client)
	},
		EntryDescription("with %s, at %s"),
		Entry(nil, SpecTimeout(support.SpecLimit), "nodePowerOff", `"type":"phaseStarted","data":{"phase":"cluster"}`),
		Entry(nil, SpecTimeout(support.SpecLimit), "nodePowerOff", `"type":"workloadLaunched"`),
		Entry(nil, SpecTimeout(support.SpecLimit), "nodePowerOff", `"type":"anchorAwaited"`),
		Entry(nil, SpecTimeout(support.SpecLimit), "nodePowerOff", `"type":"journaled"`),
		Entry(nil, SpecTimeout(support.SpecLimit), "nodePowerOff", `"type":"injecting"`),
		Entry(nil, SpecTimeout(support.SpecLimit), "nodePowerOff", `"type":"landed"`),
		Entry(nil, SpecTimeout(support.SpecLimit), "nodePowerOff", `"type":"recovering"`),
		Entry(nil, SpecTimeout(support.SpecLimit), "nodeIsolate", `"type":"injecting"`),
		Entry(nil, SpecTimeout(support.SpecLimit), "nodeIsolate", `"type":"landed"`),
		Entry(nil, SpecTimeout(support.SpecLimit), "nodeFreeze", `"type":"injecting"`),
		Entry(nil, SpecTimeout(support.SpecLimit), "nodeFreeze", `"type":"landed"`),
		Entry(nil, SpecTimeout(support.SpecLimit), "nodeFreeze", `"type":"phaseStarted","data":{"phase":"cleanup"}`),
	)

	It("cleanup removes a cluster whose start was killed, even if it was to be kept", func(ctx SpecContext) {
		other := name + "-b"
		h := start(fmt.Sprintf(support.Short, "[]", ""), func(h *support.Process) {
			h.Args[slices.Index(h.Args, name)] = other
			h.Args = append(h.Args, "--keep-cluster")
		})
		Eventually(ctx, func() int {
			return support.ProcessOf("kube-apiserver",
				other)
		}).WithTimeout(time.Minute).WithPolling(10*time.Millisecond).ShouldNot(BeZero(), h.Output.String())
		h.End(h.Process.Kill)

		code, out := support.Sparkchaos("cleanup")
		Expect(code).To(Equal(0), out)
		Expect(support.ProcessOf("kube-apiserver", other)).To(BeZero())
		code, out = support.Sparkchaos("cluster", "status", "--name", other)
		Expect(code).NotTo(Equal(0), out)
		support.ExpectNothingDisturbed(ctx, lab, client)
	}, SpecTimeout(support.SpecLimit))

	It("a cluster that someone removes during the run is an error at once, and leaves nothing", func(ctx SpecContext) {
		other := name + "-c"
		h := start(fmt.Sprintf(support.Short, support.Strike("nodePowerOff"), ""),
			func(h *support.Process) { h.Args[slices.Index(h.Args, name)] = other })
		h.AwaitEvent(ctx, `"type":"landed"`)
		code, out := support.Complaint("cluster", "down", "--name", other)
		Expect(code).To(Equal(3), out)
		Expect(out).To(ContainSubstring("is held by run "), "a run has its cluster for itself")
		code, out = support.Sparkchaos("cluster", "down", "--name", other, "--force")
		Expect(code).To(Equal(0), out)
		removed := time.Now()
		_ = h.Wait() // its exit code is looked at below
		Expect(time.Since(removed)).To(BeNumerically("<", time.Minute), "nothing is waited for that cannot come")
		Expect(h.ProcessState.ExitCode()).To(Equal(3), h.Output.String())
		Expect(h.Output.String()).To(ContainSubstring("was removed while the run continued"))
		Expect(h.Output.String()).NotTo(ContainSubstring("clean-up is incomplete"))
		support.ExpectNothingDisturbed(ctx, lab, client)
	}, SpecTimeout(support.SpecLimit))

	It("an interrupt undoes the fault, keeps the run directory and exits with 130", func(ctx SpecContext) {
		h := start(fmt.Sprintf(support.Short, support.Strike("nodePowerOff"), ""))
		h.AwaitEvent(ctx, `"type":"landed"`)
		Expect(h.Process.Signal(syscall.SIGINT)).To(Succeed())
		_ = h.Wait() // its exit code is looked at below
		Expect(h.ProcessState.ExitCode()).To(Equal(130), h.Output.String())
		verdict, _, err := report.Load(h.Directory())
		Expect(err).NotTo(HaveOccurred())
		Expect(verdict.Verdict).To(Equal(check.Inconclusive), verdict.Reason)
		support.ExpectNothingDisturbed(ctx, lab, client)
	}, SpecTimeout(support.SpecLimit))

	// Serial specs are the last ones: the cluster is one that killed runs were cleaned up on.
	It("after all that a run passes", Serial, func(ctx SpecContext) {
		h := start(fmt.Sprintf(support.Short, support.Strike("nodePowerOff"), ""))
		Expect(h.Wait()).To(Succeed(), h.Output.String())
		support.ExpectNothingDisturbed(ctx, lab, client)
	}, SpecTimeout(support.SpecLimit))

	It("an image that nobody has is an error at once, and named", func(ctx SpecContext) {
		scenario := strings.Replace(fmt.Sprintf(support.Short, "[]", ""), "    driver:", "    image: docker.io/nobody/nothing:1\n    driver:", 1)
		h := start(scenario)
		_ = h.Wait() // its exit code is looked at below
		Expect(h.ProcessState.ExitCode()).To(Equal(3), h.Output.String())
		Expect(h.Output.String()).To(ContainSubstring("docker.io/nobody/nothing:1"))
		support.ExpectNothingDisturbed(ctx, lab, client)
	}, SpecTimeout(support.SpecLimit))

	It("without the witness's HTTP the nodes' disks decide", func(ctx SpecContext) {
		// An address of the cluster's network that nobody has: requests fall into silence.
		// Without the witness no anchor tells that Spark has started: the fault comes late enough for that on a busy machine, and the work
		// lasts until then on a quiet one.
		late := strings.Replace(support.Strike("nodePowerOff"), "delay: 1s", "delay: 15s", 1)
		scenario := fmt.Sprintf(support.Short, late, "      spark.sparkchaos.witness.url: http://172.30.0.250:9")
		scenario = strings.Replace(scenario, "--task-ms=500", "--task-ms=3000", 1)
		h := start(strings.Replace(scenario, "  - completes", "  - atMostOneDriver: {overlap: 0s}\n  - applicationIdsUnique: {}\n  - completes",
			1))
		Expect(h.Wait()).To(Succeed(), h.Output.String())
		history, err := os.ReadFile(filepath.Join(h.Directory(), "history.ndjson"))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(history)).To(ContainSubstring(`"via":"disk"`))
		Expect(string(history)).NotTo(ContainSubstring(`"via":"http"`))
	}, SpecTimeout(support.SpecLimit))

	It("an API server that is away for 20 s is not taken for a dead workload", func(ctx SpecContext) {
		h := start(fmt.Sprintf(support.Short, "[]", ""))
		h.AwaitEvent(ctx, `"type":"stageSubmitted"`)
		server := support.ProcessOf("kube-apiserver", name)
		Expect(server).NotTo(BeZero())
		Expect(syscall.Kill(server, syscall.SIGSTOP)).To(Succeed())
		time.Sleep(20 * time.Second) // the outage itself
		Expect(syscall.Kill(server, syscall.SIGCONT)).To(Succeed())
		_ = h.Wait() // its exit code is looked at below
		// Somebody else disturbed the cluster, so the run proves nothing of a fault; but it breaks no invariant either.
		Expect(h.ProcessState.ExitCode()).To(Equal(2), h.Output.String())
		Expect(h.Output.String()).To(ContainSubstring("was not Ready any more (Unknown), which no fault explains"))
		Expect(h.Output.String()).To(MatchRegexp(`completes +│ pass`))
	}, SpecTimeout(support.SpecLimit))

	// The control of nothingLeftBehind: no scenario can leave anything, since the run's admission policy keeps its pods from that.
	It("a volume of the run that nobody deletes violates nothingLeftBehind", Label("control"), func(ctx SpecContext) {
		h := start(fmt.Sprintf(support.Short, support.Strike("nodePowerOff"), ""))
		h.AwaitEvent(ctx, `"type":"workloadLaunched"`)
		volume, err := client.CoreV1().PersistentVolumes().Create(ctx, retained(h.Verdict().RunID), metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx SpecContext) {
			Expect(client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})).To(Succeed())
			code, out := support.Sparkchaos("cleanup")
			Expect(code).To(Equal(0), out)
			support.ExpectNothingDisturbed(ctx, lab, client)
		})
		_ = h.Wait() // its exit code is looked at below
		Expect(h.ProcessState.ExitCode()).To(Equal(1), h.Output.String())
		verdict, _, err := report.Load(h.Directory())
		Expect(err).NotTo(HaveOccurred())
		Expect(verdict.Verdict).To(Equal(check.Violation), verdict.Reason)
		Expect(verdict.Results).To(ContainElement(And(HaveField("Invariant", "nothingLeftBehind"), HaveField("Verdict", check.Violation),
			HaveField("Message", ContainSubstring("PersistentVolume "+volume.Name)), HaveField("Evidence", Not(BeEmpty())))))
		Expect(verdict.Results).To(ContainElement(And(HaveField("Invariant", "completes"), HaveField("Verdict", check.Pass))))
	}, SpecTimeout(support.SpecLimit))

	It("a disk that is full while the history is written is an error, never a pass", func(ctx SpecContext) {
		saved := GinkgoT().TempDir()
		// A small file system of its own, in a mount namespace that ends with the harness.
		const script = `mount -t tmpfs -o size=500k tmpfs "$1" && shift 2 && "$@"; code=$?; cp -r "$OUT"/. "$SAVED"; exit $code`
		h := start(fmt.Sprintf(support.Short, "[]", ""), func(h *support.Process) {
			Expect(os.MkdirAll(h.Runs, 0o755)).To(Succeed())
			env := h.Env
			h.Cmd = exec.Command("unshare", append([]string{"--mount", "sh", "-c", script, "sh", h.Runs, "--"}, h.Args...)...)
			h.Env = append(env, "OUT="+h.Runs, "SAVED="+saved)
		})
		_ = h.Wait() // its exit code is looked at below
		Expect(h.ProcessState.ExitCode()).To(Equal(3), h.Output.String())
		Expect(h.Output.String()).To(ContainSubstring("no space left"))
		h.Runs = saved
		Expect(h.Verdict().Verdict).NotTo(Equal(check.Pass))
		code, out := support.Sparkchaos("cleanup")
		Expect(code).To(Equal(0), out)
		support.ExpectNothingDisturbed(ctx, lab, client)
	}, SpecTimeout(support.SpecLimit))
})

// retained is a volume that was claimed in a run's namespace and outlives the claim.
func retained(namespace string) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "retained-" + namespace},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes:                   []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Mi")},
			ClaimRef:                      &corev1.ObjectReference{Namespace: namespace, Name: "gone"},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/nowhere"}},
		},
	}
}
