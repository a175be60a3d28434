//go:build linux

package suites_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/kind"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// kindTests is set where tests may and must start clusters of kind.
const kindTests = "SPARKCHAOS_KIND_TESTS"

// onKind are the shipped scenarios that are run on kind, too: their verdict must not depend on how nodes are made.
func onKind() []string {
	return []string{"driver-node-power-off", "executor-pod-kill", "executor-pod-kill-chaos-mesh", "driver-node-isolated", "driver-as-pod"}
}

var _ = Describe("kind", Label("kind"), Ordered, ContinueOnFailure, func() {
	var name, runs string

	BeforeAll(func() {
		if os.Getenv(kindTests) == "" {
			Skip("starts a cluster of kind: needs Docker and a node image; set " + kindTests + "=1, or call make test-kind")
		}
		name, runs = fmt.Sprintf("kind-%d", os.Getpid()), GinkgoT().TempDir()
		DeferCleanup(func() {
			code, _ := sparkchaos("cluster", "down", "--cluster", "kind", "--name", name)
			Expect(code).To(Equal(0), "the cluster goes with everything")
		})
	})

	for _, s := range shipped() {
		for _, chosen := range onKind() {
			if s.Metadata.Name != chosen {
				continue
			}
			It(s.Metadata.Name+" has the same verdict as on the embedded cluster", smokeUnlessControl(s), func(ctx SpecContext) {
				_, info := runShipped(ctx, s, runs, name, "--cluster", "kind")
				Expect(info.Environment.ClusterKind).To(Equal("kind"))
			}, SpecTimeout(specTimeout))
		}
	}

	for _, fault := range []string{"nodePowerOff", "nodeIsolate", "nodeFreeze"} {
		It("cleanup undoes a run with "+fault+" that was killed", func(ctx SpecContext) {
			h := startHarness(name, fmt.Sprintf(short, strike(fault), ""), func(h *harness) { h.Args = append(h.Args, "--cluster", "kind") })
			h.awaitEvent(ctx, `"type":"landed"`)
			Expect(h.Process.Kill()).To(Succeed())
			_ = h.Wait() // killed is what it is to be
			Expect(verdictOf(h)).NotTo(Equal(check.Pass), "a run that was killed must never pass")
			code, out := sparkchaos("cleanup")
			Expect(code).To(Equal(0), out)
			lab, client := openKind(ctx, name)
			expectNothingDisturbed(ctx, lab, client)
		}, SpecTimeout(specTimeout))
	}

	It("is taken for an existing cluster, with the same verdict", Label("existing"), func(ctx SpecContext) {
		code, out := sparkchaos("cluster", "up", "--cluster", "kind", "--name", name) // unless an earlier spec did
		Expect(code).To(Equal(0), out)
		lab, client := openKind(ctx, name)
		there := take(ctx, lab, "kind")
		for _, s := range shipped() {
			if s.Metadata.Name == "driver-node-power-off" {
				runShipped(ctx, s, runs, name, there.flags...)
			}
		}
		expectNothingDisturbed(ctx, lab, client)
		expectNothingOfHarness(ctx, client)
	}, SpecTimeout(specTimeout))

	It("a broken image archive is named and brought to no node", func(SpecContext) {
		broken := filepath.Join(runs, "broken.tar")
		Expect(os.WriteFile(broken, []byte("no archive"), 0o600)).To(Succeed())
		code, _ := sparkchaos("cluster", "load", broken, "--cluster", "kind", "--name", name)
		Expect(code).NotTo(Equal(0))
	})

	// The last one: without its daemon no cluster of it lives on.
	It("an engine that ends in the middle of a run is an error, no violation, and cleanup removes the rest when it is back", Label("engine"), func(ctx SpecContext) {
		daemon, err := strconv.Atoi(os.Getenv(ownDaemon))
		if err != nil {
			Skip("the Docker daemon belongs to somebody else: " + ownDaemon + " names no process of the tests' own")
		}
		other := name + "-e"
		h := startHarness(other, fmt.Sprintf(short, strike("nodePowerOff"), ""), func(h *harness) { h.Args = append(h.Args, "--cluster", "kind") })
		h.awaitEvent(ctx, `"type":"landed"`)
		Expect(syscall.Kill(daemon, syscall.SIGKILL)).To(Succeed())
		_ = h.Wait() // its exit code is looked at below
		Expect(h.ProcessState.ExitCode()).To(Equal(3), h.output.String())
		Expect(verdictOf(h)).To(Equal(check.Error), "nobody could look whether anything is left")
		Expect(h.output.String()).To(ContainSubstring("sparkchaos cleanup"))

		Expect(exec.CommandContext(ctx, filepath.Join("..", "scripts", "docker-for-tests"), "start").Run()).To(Succeed())
		code, out := sparkchaos("cleanup")
		Expect(code).To(Equal(0), out)
		code, out = sparkchaos("cluster", "status", "--cluster", "kind", "--name", other)
		Expect(code).NotTo(Equal(0), out)
	}, SpecTimeout(specTimeout))
})

// ownDaemon is the number of the process of a Docker daemon that was started for the tests alone.
const ownDaemon = "SPARKCHAOS_TEST_DOCKERD"

// smokeUnlessControl labels what is run with each change of the code.
func smokeUnlessControl(s *scenario.Scenario) Labels {
	if s.Spec.Control != nil {
		return nil
	}
	return Labels{"smoke"}
}

// openKind finds a cluster of kind and a client for it.
func openKind(ctx context.Context, name string) (*kind.Cluster, kubernetes.Interface) {
	GinkgoHelper()
	state, err := paths.State(os.Getenv)
	Expect(err).NotTo(HaveOccurred())
	engine, err := kind.FindEngine(ctx)
	Expect(err).NotTo(HaveOccurred())
	c, err := kind.Provider{State: state, Engine: engine, Progress: func(line string) { fmt.Fprintln(GinkgoWriter, line) }}.Open(ctx, name)
	Expect(err).NotTo(HaveOccurred())
	config, err := c.RESTConfig()
	Expect(err).NotTo(HaveOccurred())
	client, err := kubernetes.NewForConfig(config)
	Expect(err).NotTo(HaveOccurred())
	return c, client
}
