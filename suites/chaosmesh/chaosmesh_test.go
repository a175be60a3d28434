//go:build linux

package chaosmesh_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"github.com/sparkchaos/sparkchaos/internal/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/suites/support"
)

func TestMain(m *testing.M) { support.Main(m) }

func TestChaosMesh(t *testing.T) { support.RunSuite(t, "Chaos Mesh", support.ClusterTests) }

// partition parts the driver from an executor and joins them when the driver has completed.
const partition = "[{name: strike, inject: {networkPartition: {pod: {of: executor, index: 0}, from: {of: driver}}}, when: " +
	"{tasksCompleted: {atLeast: 2}}}]"

// The cluster of this process.
var (
	name, runs string
	lab        *embedded.Cluster
	client     kubernetes.Interface
	chaos      *chaosmesh.Client
)

var _ = BeforeSuite(func(SpecContext) {
	support.OwnState()
	name, runs = fmt.Sprintf("chaos-%d", os.Getpid()), support.RunsDirectory()
	lab, client = support.UpEmbedded(name)
	config, err := lab.RESTConfig()
	Expect(err).NotTo(HaveOccurred())
	chaos, err = chaosmesh.NewClient(config)
	Expect(err).NotTo(HaveOccurred())
}, NodeTimeout(support.SpecLimit))

var _ = Describe("Chaos Mesh that is not installed", Label("chaos-mesh"), func() {
	BeforeEach(func(ctx SpecContext) {
		code, out := support.Sparkchaos("chaos-mesh", "uninstall", "--name", name)
		Expect(code).To(Equal(0), out)
		expectChaosMesh(ctx, chaos, chaosmesh.Status{})
	})

	It("is installed for a run that needs it, and goes with the run", func(ctx SpecContext) {
		runThroughChaosMesh(support.Select(support.ForWholeRun)[0])
		expectChaosMesh(ctx, chaos, chaosmesh.Status{})
	}, SpecTimeout(support.SpecLimit))

	It("is installed once, repaired and removed by commands", func(ctx SpecContext) {
		whole := chaosmesh.Status{Installed: true, Ours: true, Webhook: true, Daemons: 3, Nodes: 3}
		command("install", "Chaos Mesh is installed")
		command("install", "Chaos Mesh works there already")
		expectChaosMesh(ctx, chaos, whole)

		existed, err := lab.StopBeside(ctx, "chaos-controller-manager")
		Expect(err).NotTo(HaveOccurred())
		Expect(existed).To(BeTrue())
		status, err := chaos.Status(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(status.Works()).To(BeFalse(), "its webhook is away")
		command("install", "Chaos Mesh ")
		expectChaosMesh(ctx, chaos, whole)

		command("uninstall", "Chaos Mesh is removed")
		command("uninstall", "Chaos Mesh is not installed")
		expectChaosMesh(ctx, chaos, chaosmesh.Status{})
	}, SpecTimeout(support.SpecLimit))
})

// command calls a subcommand of chaos-mesh and expects what it prints.
func command(subcommand, want string) {
	GinkgoHelper()
	code, out := support.Sparkchaos("chaos-mesh", subcommand, "--name", name)
	Expect(code).To(Equal(0))
	Expect(out).To(ContainSubstring(want))
}

var _ = Describe("Chaos Mesh", Label("chaos-mesh"), func() {
	BeforeEach(func() {
		code, out := support.Sparkchaos("chaos-mesh", "install", "--name", name) // unless an earlier spec did
		Expect(code).To(Equal(0), out)
	})

	DescribeTable("scenarios", func(ctx SpecContext, s *scenario.Scenario) {
		if s.Metadata.Labels["kernel"] == "netem" && !hasNetem(ctx) {
			expectRefusal(s)
			return
		}
		runThroughChaosMesh(s)
	}, support.Entries(thatIsInstalled))

	It("cleanup frees what a run left that was killed", func(ctx SpecContext) {
		h := support.StartProcess(name, fmt.Sprintf(support.Short, partition, ""),
			func(h *support.Process) { h.Args = append(h.Args, "--keep-cluster") })
		h.AwaitEvent(ctx, `"type":"landed"`)
		h.End(h.Process.Kill)
		Expect(h.Verdict().Verdict).NotTo(Equal(check.Pass), "a run that was killed must never pass")
		code, out := support.Sparkchaos("cleanup")
		Expect(code).To(Equal(0), out)
		support.ExpectNothingDisturbed(ctx, lab, client)
		left, err := chaos.All(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(left).To(BeEmpty())
	}, SpecTimeout(support.SpecLimit))

	It("its webhook knows the kinds of clouds; without a cloud nothing more can be seen of them", func(ctx SpecContext) {
		for kind, specs := range map[string]struct{ good, bad chaosmesh.Spec }{
			v1alpha1.KindAWSChaos: {
				v1alpha1.AWSChaosSpec{Action: v1alpha1.Ec2Stop, Duration: ptr.To("15m0s"), SecretName: ptr.To("cloud"),
					AWSSelector: v1alpha1.AWSSelector{AWSRegion: "us-east-1", Ec2Instance: "i-0"}},
				v1alpha1.AWSChaosSpec{Action: v1alpha1.DetachVolume, AWSSelector: v1alpha1.AWSSelector{AWSRegion: "us-east-1", Ec2Instance: "i-0"}},
			},
			v1alpha1.KindGCPChaos: {
				v1alpha1.GCPChaosSpec{Action: v1alpha1.NodeStop, Duration: ptr.To("15m0s"), SecretName: ptr.To("cloud"),
					GCPSelector: v1alpha1.GCPSelector{Project: "p", Zone: "z", Instance: "i"}},
				v1alpha1.GCPChaosSpec{Action: v1alpha1.DiskLoss, GCPSelector: v1alpha1.GCPSelector{Project: "p", Zone: "z", Instance: "i"}},
			},
			v1alpha1.KindAzureChaos: {
				v1alpha1.AzureChaosSpec{Action: v1alpha1.AzureVmStop, Duration: ptr.To("15m0s"),
					AzureSelector: v1alpha1.AzureSelector{SubscriptionID: "s", ResourceGroupName: "g", VMName: "v", SecretName: ptr.To("cloud")}},
				v1alpha1.AzureChaosSpec{Action: v1alpha1.AzureDiskDetach,
					AzureSelector: v1alpha1.AzureSelector{SubscriptionID: "s", ResourceGroupName: "g", VMName: "v"}},
			},
		} {
			resource := chaosmesh.Resource{Kind: kind, Namespace: "default", Name: "probe"}
			_, err := chaos.Create(ctx, resource, "none", specs.good, true)
			Expect(err).NotTo(HaveOccurred(), kind)
			_, err = chaos.Create(ctx, resource, "none", specs.bad, true)
			Expect(err).To(MatchError(ContainSubstring("admission webhook")), kind)
		}
	}, SpecTimeout(support.SpecLimit))
})

func expectChaosMesh(ctx context.Context, chaos *chaosmesh.Client, want chaosmesh.Status) {
	GinkgoHelper()
	status, err := chaos.Status(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(status).To(Equal(want))
}

// hasNetem reports whether this machine's kernel, which all nodes share, can delay and lose packets.
func hasNetem(ctx context.Context) bool {
	return exec.CommandContext(ctx, "unshare", "--net", "--", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms").Run() == nil
}

// expectRefusal expects that a run is refused for what the kernel lacks before a workload is launched.
func expectRefusal(s *scenario.Scenario) {
	GinkgoHelper()
	code, _ := support.Sparkchaos("run", s.Metadata.Name, "--seed", "1", "--cluster-name", name, "--keep-cluster", "--out", runs)
	Expect(code).To(Equal(3))
	history, err := os.ReadFile(filepath.Join(runs, "latest", "history.ndjson"))
	Expect(err).NotTo(HaveOccurred())
	Expect(string(history)).To(ContainSubstring("has no queueing discipline netem"))
	Expect(string(history)).NotTo(ContainSubstring(`"type":"workloadLaunched"`))
}

// runThroughChaosMesh runs a shipped scenario and expects its plan to say by what means, and why.
func runThroughChaosMesh(s *scenario.Scenario) {
	GinkgoHelper()
	directory, _ := support.RunShipped(s, runs, name)
	planned, err := os.ReadFile(filepath.Join(directory, "plan.yaml"))
	Expect(err).NotTo(HaveOccurred())
	Expect(string(planned)).To(ContainSubstring("by: " + scenario.ByChaosMesh))
	Expect(string(planned)).To(ContainSubstring("why: "))
}

// thatIsInstalled selects the scenarios that find Chaos Mesh there.
func thatIsInstalled(s *scenario.Scenario) bool {
	return support.ThroughChaosMesh(s) && s.Metadata.Name != support.ForWholeRun
}
