// Package billing_test is a suite of a team's own: it runs a Spark application on a cluster of this machine, injects a fault, and judges
// what was recorded.
package billing_test

import (
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/sparkchaos/sparkchaos"
	"github.com/sparkchaos/sparkchaos/invariant"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/sparkchaostest"
)

// TestMain calls Main first: the machines of an embedded cluster are processes of this program.
func TestMain(m *testing.M) {
	sparkchaos.Main()
	os.Exit(m.Run())
}

func TestBilling(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Billing")
}

var cluster *sparkchaos.Cluster

var _ = BeforeSuite(func(ctx SpecContext) {
	// Or Kind(3), or Existing("lab", AllowContext("lab"), Images(…)) with the option Allow.
	cluster = must(sparkchaos.Start(ctx, sparkchaos.Embedded(3), sparkchaos.Log(GinkgoWriter)))
	DeferCleanup(cluster.Close)
}, NodeTimeout(15*time.Minute))

var _ = It("survives the loss of an executor", func(ctx SpecContext) {
	// An application of your own is launched by .Application("billing.jar", "com.example.Billing").
	v, err := cluster.Run(ctx, sparkchaos.Scenario("executor-pod-kill").
		Expect(invariant.DriverKept(), noDuplicateInvoices()))
	Expect(err).NotTo(HaveOccurred())
	Expect(v).To(sparkchaostest.HavePassed())
}, SpecTimeout(20*time.Minute))

// noDuplicateInvoices is an invariant of the team's own: no key of the application's ledger is committed by two drivers.
func noDuplicateInvoices() check.Expectation {
	definition := check.Definition{
		Name: "noDuplicateInvoices",
		Doc:  "No invoice is written by two drivers.",
		Args: func() any { return &check.NoArgs{} },
		New:  func(any) check.Checker { return check.CheckerFunc(checkInvoices) },
	}
	return definition.Expect(&check.NoArgs{})
}

func checkInvoices(m *model.Model) check.Result {
	f := check.NewFinding(m)
	for key, commits := range m.Ledger.Commits {
		for _, again := range commits {
			if first := commits[0]; again.Incarnation != first.Incarnation {
				f.Cite(first.At, "pod %s writes %s", first.Pod, key)
				f.Cite(again.At, "pod %s writes it again", again.Pod)
				return f.Proven("%s was written by %s and by %s", key, first.Pod, again.Pod)
			}
		}
	}
	f.Cite(m.Horizon(), "nothing was written twice by then")
	return f.Held("nothing was written twice")
}

func must[T any](value T, err error) T {
	GinkgoHelper()
	Expect(err).NotTo(HaveOccurred())
	return value
}
