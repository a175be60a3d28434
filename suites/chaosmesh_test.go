//go:build linux

package suites_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// throughChaosMesh says whether a scenario has a fault that goes through Chaos Mesh.
func throughChaosMesh(s *scenario.Scenario) bool {
	return s.Metadata.Labels["fault-by"] == "chaos-mesh"
}

// partition parts the driver from an executor and joins them when the driver has completed.
const partition = "[{name: strike, inject: {networkPartition: {pod: {of: executor, index: 0}, from: {of: driver}}}, when: {tasksCompleted: {atLeast: 2}}}]"

var _ = Describe("Chaos Mesh", Label("chaos-mesh"), Ordered, ContinueOnFailure, func() {
	var name, runs string
	var lab *embedded.Cluster
	var client kubernetes.Interface
	var chaos *chaosmesh.Client

	BeforeAll(func(ctx SpecContext) {
		name, runs = fmt.Sprintf("chaos-%d", os.Getpid()), GinkgoT().TempDir()
		DeferCleanup(func() {
			code, _ := sparkchaos("cluster", "down", "--name", name)
			Expect(code).To(Equal(0), "the cluster goes with everything")
		})
		code, out := sparkchaos("cluster", "up", "--name", name)
		Expect(code).To(Equal(0), out)
		lab, client = open(name)
		config, err := lab.RESTConfig()
		Expect(err).NotTo(HaveOccurred())
		chaos, err = chaosmesh.NewClient(config)
		Expect(err).NotTo(HaveOccurred())
	})

	It("is installed for a run that needs it, goes with the run", func(ctx SpecContext) {
		expectChaosMesh(ctx, chaos, chaosmesh.Status{})
		for _, s := range shipped() {
			if s.Metadata.Name == forWholeRun {
				runThroughChaosMesh(ctx, s, runs, name)
			}
		}
		expectChaosMesh(ctx, chaos, chaosmesh.Status{})
	}, SpecTimeout(specTimeout))

	It("is installed by a command, once", func(ctx SpecContext) {
		for _, want := range []string{"Chaos Mesh is installed", "Chaos Mesh works there already"} {
			code, out := sparkchaos("chaos-mesh", "install", "--name", name)
			Expect(code).To(Equal(0))
			Expect(out).To(ContainSubstring(want))
		}
		expectChaosMesh(ctx, chaos, chaosmesh.Status{Installed: true, Ours: true, Webhook: true, Daemons: 3, Nodes: 3})
	}, SpecTimeout(specTimeout))

	for _, s := range shipped() {
		if throughChaosMesh(s) && s.Metadata.Name != forWholeRun {
			It(s.Metadata.Name, labels(s), func(ctx SpecContext) {
				if s.Metadata.Labels["kernel"] == "netem" && !hasNetem(ctx) {
					expectRefusal(s, runs, name)
					return
				}
				runThroughChaosMesh(ctx, s, runs, name)
			}, SpecTimeout(specTimeout))
		}
	}

	It("cleanup frees what a run left that was killed", func(ctx SpecContext) {
		h := startHarness(name, fmt.Sprintf(short, partition, ""), func(h *harness) { h.Args = append(h.Args, "--keep-cluster") })
		h.awaitEvent(ctx, `"type":"landed"`)
		Expect(h.Process.Kill()).To(Succeed())
		_ = h.Wait() // killed is what it is to be
		Expect(verdictOf(h)).NotTo(Equal(check.Pass), "a run that was killed must never pass")
		code, out := sparkchaos("cleanup")
		Expect(code).To(Equal(0), out)
		expectNothingDisturbed(ctx, lab, client)
		left, err := chaos.All(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(left).To(BeEmpty())
	}, SpecTimeout(specTimeout))

	It("its webhook knows the kinds of clouds; without a cloud nothing more can be seen of them", func(ctx SpecContext) {
		for kind, specs := range map[string]struct{ good, bad chaosmesh.Spec }{
			v1alpha1.KindAWSChaos: {
				v1alpha1.AWSChaosSpec{Action: v1alpha1.Ec2Stop, Duration: ptr.To("15m0s"), SecretName: ptr.To("cloud"), AWSSelector: v1alpha1.AWSSelector{AWSRegion: "us-east-1", Ec2Instance: "i-0"}},
				v1alpha1.AWSChaosSpec{Action: v1alpha1.DetachVolume, AWSSelector: v1alpha1.AWSSelector{AWSRegion: "us-east-1", Ec2Instance: "i-0"}},
			},
			v1alpha1.KindGCPChaos: {
				v1alpha1.GCPChaosSpec{Action: v1alpha1.NodeStop, Duration: ptr.To("15m0s"), SecretName: ptr.To("cloud"), GCPSelector: v1alpha1.GCPSelector{Project: "p", Zone: "z", Instance: "i"}},
				v1alpha1.GCPChaosSpec{Action: v1alpha1.DiskLoss, GCPSelector: v1alpha1.GCPSelector{Project: "p", Zone: "z", Instance: "i"}},
			},
			v1alpha1.KindAzureChaos: {
				v1alpha1.AzureChaosSpec{Action: v1alpha1.AzureVmStop, Duration: ptr.To("15m0s"), AzureSelector: v1alpha1.AzureSelector{SubscriptionID: "s", ResourceGroupName: "g", VMName: "v", SecretName: ptr.To("cloud")}},
				v1alpha1.AzureChaosSpec{Action: v1alpha1.AzureDiskDetach, AzureSelector: v1alpha1.AzureSelector{SubscriptionID: "s", ResourceGroupName: "g", VMName: "v"}},
			},
		} {
			resource := chaosmesh.Resource{Kind: kind, Namespace: "default", Name: "probe"}
			_, err := chaos.Create(ctx, resource, "none", specs.good, true)
			Expect(err).NotTo(HaveOccurred(), kind)
			_, err = chaos.Create(ctx, resource, "none", specs.bad, true)
			Expect(err).To(MatchError(ContainSubstring("admission webhook")), kind)
		}
	}, SpecTimeout(specTimeout))

	It("is made whole again when its controller is gone", func(ctx SpecContext) {
		existed, err := lab.StopBeside(ctx, "chaos-controller-manager")
		Expect(err).NotTo(HaveOccurred())
		Expect(existed).To(BeTrue())
		status, err := chaos.Status(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(status.Works()).To(BeFalse(), "its webhook is away")
		code, out := sparkchaos("chaos-mesh", "install", "--name", name)
		Expect(code).To(Equal(0), out)
		expectChaosMesh(ctx, chaos, chaosmesh.Status{Installed: true, Ours: true, Webhook: true, Daemons: 3, Nodes: 3})
	}, SpecTimeout(specTimeout))

	It("is removed by a command", func(ctx SpecContext) {
		for _, want := range []string{"Chaos Mesh is removed", "Chaos Mesh is not installed"} {
			code, out := sparkchaos("chaos-mesh", "uninstall", "--name", name)
			Expect(code).To(Equal(0))
			Expect(out).To(ContainSubstring(want))
		}
		expectChaosMesh(ctx, chaos, chaosmesh.Status{})
	}, SpecTimeout(specTimeout))
})

func expectChaosMesh(ctx context.Context, chaos *chaosmesh.Client, want chaosmesh.Status) {
	GinkgoHelper()
	status, err := chaos.Status(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(status).To(Equal(want))
}

// runThroughChaosMesh runs a shipped scenario and expects its plan to say by what means, and why.
// hasNetem says whether this machine's kernel, which all nodes share, can delay and lose packets.
func hasNetem(ctx context.Context) bool {
	return exec.CommandContext(ctx, "unshare", "--net", "--", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms").Run() == nil
}

// expectRefusal expects that a run is refused for what the kernel lacks before a workload is launched.
func expectRefusal(s *scenario.Scenario, runs, name string) {
	GinkgoHelper()
	code, _ := sparkchaos("run", s.Metadata.Name, "--seed", "1", "--cluster-name", name, "--keep-cluster", "--out", runs)
	Expect(code).To(Equal(3))
	history, err := os.ReadFile(filepath.Join(runs, "latest", "history.ndjson"))
	Expect(err).NotTo(HaveOccurred())
	Expect(string(history)).To(ContainSubstring("has no queueing discipline netem"))
	Expect(string(history)).NotTo(ContainSubstring(`"type":"workloadLaunched"`))
}

func runThroughChaosMesh(ctx context.Context, s *scenario.Scenario, runs, name string) {
	GinkgoHelper()
	directory, _ := runShipped(ctx, s, runs, name)
	planned, err := os.ReadFile(filepath.Join(directory, "plan.yaml"))
	Expect(err).NotTo(HaveOccurred())
	Expect(string(planned)).To(ContainSubstring("by: " + scenario.ByChaosMesh))
	Expect(string(planned)).To(ContainSubstring("why: "))
}

// forWholeRun is the scenario whose run installs Chaos Mesh by itself.
const forWholeRun = "executor-pod-kill-chaos-mesh"
