//go:build linux

package suites_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

// streaming is a run of a streaming application without faults: %[1]s is the class, %[2]s its arguments, %[3]s settings.
const streaming = `apiVersion: sparkchaos.dev/v1alpha1
kind: Scenario
metadata: {name: streaming}
spec:
  cluster: {workers: 3, timing: fast}
  workload:
    application:
      name: stream
      mainClass: dev.sparkchaos.workloads.%[1]s
      jar: local:///opt/spark/workloads/workloads.jar
      args: [%[2]s]
    driver: {kind: Job, memory: 600m}
    executors: {instances: 2, cores: 1, memory: 512m}
    conf: {spark.locality.wait: "0", spark.sql.shuffle.partitions: "2"%[3]s}
  expect:
  - completes: {within: 4m}
  - nothingLeftBehind: {}
  settle: 4m
`

var _ = Describe("streaming applications", Label("streaming"), Ordered, ContinueOnFailure, func() {
	var name, runs string

	BeforeAll(func() {
		name, runs = fmt.Sprintf("streaming-%d", os.Getpid()), GinkgoT().TempDir()
		DeferCleanup(func() {
			code, _ := sparkchaos("cluster", "down", "--name", name)
			Expect(code).To(Equal(0))
		})
	})

	for _, app := range []struct {
		class, args, conf, result string
		batches                   int // there are at least
	}{
		{
			"NetworkWordCount",
			`--host=$(SPARKCHAOS_SOURCE_HOST), --port=$(SPARKCHAOS_SOURCE_PORT), --checkpoint=/shared/checkpoint, --batch-ms=1000, --until=1200`,
			`, spark.streaming.receiver.writeAheadLog.enable: "true"`, "networkwordcount",
			1, // a late receiver finds all words waiting, and one batch may take them
		},
		{
			"StructuredWordCount",
			`--source=$(SPARKCHAOS_SOURCE_URL), --checkpoint=/shared/checkpoint, --batch-ms=1000, --max-per-batch=400, --until=1200`,
			"", "structuredwordcount",
			3,
		},
	} {
		It(app.class+" counts the words of the harness's source to its end", func(ctx SpecContext) {
			file := filepath.Join(runs, app.class+".yaml")
			Expect(os.WriteFile(file, fmt.Appendf(nil, streaming, app.class, app.args, app.conf), 0o600)).To(Succeed())
			code, out := sparkchaos("run", file, "--seed", "1", "--cluster-name", name, "--keep-cluster", "--out", runs)
			Expect(code).To(Equal(0), out)
			directory, err := filepath.EvalSymlinks(filepath.Join(runs, "latest"))
			Expect(err).NotTo(HaveOccurred())
			verdict, _, err := report.Load(directory)
			Expect(err).NotTo(HaveOccurred())
			Expect(verdict.Verdict).To(Equal(check.Pass), verdict.Reason)

			records := witnessed(filepath.Join(directory, "history.ndjson"))
			Expect(records[history.BatchCompleted]).To(BeNumerically(">=", app.batches), "batches that were completed")
			Expect(records["ledger/"+app.result]).To(Equal(1), "the counts at the end are committed once")
		}, SpecTimeout(specTimeout))
	}
})

// witnessed counts the witness's records by type, those of the ledger by key.
func witnessed(path string) map[string]int {
	GinkgoHelper()
	file, err := os.Open(path)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = file.Close() }()
	counts := map[string]int{}
	reader := history.NewReader(file)
	for event, err := range reader.All() {
		Expect(err).NotTo(HaveOccurred())
		if event.Source != history.Witness {
			continue
		}
		counts[event.Type]++
		if event.Type == history.Ledger {
			var record history.WitnessRecord
			Expect(json.Unmarshal(event.Data, &record)).To(Succeed())
			counts["ledger/"+record.Detail["key"]]++
		}
	}
	Expect(reader.Problems()).To(BeEmpty())
	return counts
}
