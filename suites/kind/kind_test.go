//go:build linux

package kind_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/suites/support"
)

func TestMain(m *testing.M) { support.Main(m) }

func TestKind(t *testing.T) { support.RunSuite(t, "kind", support.KindTests) }

// onKind are the shipped scenarios that are run on kind, too: their verdict must not depend on how nodes are made.
func onKind() []string {
	return []string{"driver-node-power-off", "executor-pod-kill", "executor-pod-kill-chaos-mesh", "driver-node-isolated", "driver-as-pod"}
}

// Docker has one daemon and memory for one cluster: the specs share it, whatever the number of processes.
var _ = Describe("kind", Label("kind"), Ordered, ContinueOnFailure, func() {
	var name, runs string

	BeforeAll(func() {
		name, runs = fmt.Sprintf("kind-%d", os.Getpid()), support.RunsDirectory()
		DeferCleanup(func() { support.Down(name, "kind") })
	})

	for _, s := range support.Select(onKind()...) {
		It(s.Metadata.Name+" has the same verdict as on the embedded cluster", smokeUnlessControl(s), func(SpecContext) {
			_, info := support.RunShipped(s, runs, name, "--cluster", "kind")
			Expect(info.Environment.ClusterKind).To(Equal("kind"))
		}, SpecTimeout(support.SpecLimit))
	}

	for _, fault := range []string{"nodePowerOff", "nodeIsolate", "nodeFreeze"} {
		It("cleanup undoes a run with "+fault+" that was killed", func(ctx SpecContext) {
			h := support.StartProcess(name, fmt.Sprintf(support.Short, support.Strike(fault), ""),
				func(h *support.Process) { h.Args = append(h.Args, "--cluster", "kind") })
			h.AwaitEvent(ctx, `"type":"landed"`)
			h.End(h.Process.Kill)
			Expect(h.Verdict().Verdict).NotTo(Equal(check.Pass), "a run that was killed must never pass")
			code, out := support.Sparkchaos("cleanup")
			Expect(code).To(Equal(0), out)
			lab, client := support.OpenKind(ctx, name)
			support.ExpectNothingDisturbed(ctx, lab, client)
		}, SpecTimeout(support.SpecLimit))
	}

	It("is taken for an existing cluster, with the same verdict", Label("existing"), func(ctx SpecContext) {
		code, out := support.Sparkchaos("cluster", "up", "--cluster", "kind", "--name", name) // unless an earlier spec did
		Expect(code).To(Equal(0), out)
		lab, client := support.OpenKind(ctx, name)
		there := support.Take(ctx, lab, "kind")
		support.RunShipped(support.Select("driver-node-power-off")[0], runs, name, there.Flags...)
		support.ExpectNothingDisturbed(ctx, lab, client)
		support.ExpectNothingOfHarness(ctx, client)
	}, SpecTimeout(support.SpecLimit))

	It("a broken image archive is named and brought to no node", func(SpecContext) {
		broken := filepath.Join(runs, "broken.tar")
		Expect(os.WriteFile(broken, []byte("no archive"), 0o600)).To(Succeed())
		code, _ := support.Sparkchaos("cluster", "load", broken, "--cluster", "kind", "--name", name)
		Expect(code).NotTo(Equal(0))
	})

	daemon, err := strconv.Atoi(os.Getenv(ownDaemon))
	if err != nil {
		return // the Docker daemon belongs to somebody else
	}
	// The last one: without its daemon no cluster of it keeps running.
	It("an engine that ends in the middle of a run is an error, no violation, and cleanup removes the rest when it is back", Label("engine"),
		func(ctx SpecContext) {
			other := name + "-e"
			h := support.StartProcess(other, fmt.Sprintf(support.Short, support.Strike("nodePowerOff"), ""),
				func(h *support.Process) { h.Args = append(h.Args, "--cluster", "kind") })
			h.AwaitEvent(ctx, `"type":"landed"`)
			Expect(syscall.Kill(daemon, syscall.SIGKILL)).To(Succeed())
			_ = h.Wait() // its exit code is looked at below
			Expect(h.ProcessState.ExitCode()).To(Equal(3), h.Output.String())
			Expect(h.Verdict().Verdict).To(Equal(check.Error), "nobody could look whether anything is left")
			Expect(h.Output.String()).To(ContainSubstring("sparkchaos cleanup"))

			Expect(exec.CommandContext(ctx, filepath.Join("..", "..", "scripts", "docker-for-tests"), "start").Run()).To(Succeed())
			code, out := support.Sparkchaos("cleanup")
			Expect(code).To(Equal(0), out)
			code, out = support.Sparkchaos("cluster", "status", "--cluster", "kind", "--name", other)
			Expect(code).NotTo(Equal(0), out)
		}, SpecTimeout(support.SpecLimit))
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
