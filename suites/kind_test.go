//go:build linux

package suites_test

import (
	"fmt"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

// kindTests is set where tests may and must start clusters of kind.
const kindTests = "SPARKCHAOS_KIND_TESTS"

// onKind are the shipped scenarios that are run on kind, too: their verdict must not depend on how nodes are made.
func onKind() []string {
	return []string{"driver-node-power-off", "executor-pod-kill", "driver-node-isolated", "driver-as-pod"}
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
			It(s.Metadata.Name+" has the same verdict as on the embedded cluster", func(ctx SpecContext) {
				code, out := sparkchaos("run", s.Metadata.Name, "--seed", "1", "--cluster", "kind", "--cluster-name", name, "--keep-cluster", "--out", runs)
				directory, err := filepath.EvalSymlinks(filepath.Join(runs, "latest"))
				Expect(err).NotTo(HaveOccurred())
				Expect(code).To(Equal(0), "%s\n%s", out, directory)
				verdict, info, err := report.Load(directory)
				Expect(err).NotTo(HaveOccurred())
				Expect(info.Environment.ClusterKind).To(Equal("kind"))
				Expect(verdict.Verdict).To(Equal(check.Pass), verdict.Reason)
				expectWhatTheFileSays(s, verdict)
				expectTheSameVerdictOffline(ctx, directory)
			}, SpecTimeout(specTimeout))
		}
	}
})
