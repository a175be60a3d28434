package cli

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/internal/fakeworld"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// provenScenario is one that a fake world can run, with the fault of the stored run that the advice comes from.
const provenScenario = `
apiVersion: sparkchaos.dev/v1alpha1
kind: Scenario
metadata: {name: executor-node-power-off, description: The driver's node loses its power.}
spec:
  cluster: {workers: 3, timing: fast}
  workload:
    application: {name: app, mainClass: x.Y, jar: "local:///x.jar"}
    driver: {kind: Job, podReplacementPolicy: TerminatingOrFailed, backoffLimit: 6, tolerationSeconds: 2}
    executors: {instances: 2, cores: 1, memory: 512m, tolerationSeconds: 2}
    conf: {spark.kubernetes.allocation.batch.delay: 5s}
  faults:
  - name: FAULT
    inject: {nodePowerOff: {node: {of: driver}}}
    when: {executorsRegistered: {atLeast: 2}}
    recover: {when: {executorsRegistered: {atLeast: 2}}}
  expect:
  - driverRescheduled: {within: 90s}
  settle: 2m
`

// TestProveRunsBothSidesInTurn proves a change in a fake world, where it has no effect: the runs differ in the change alone, and the result
// is inconclusive.
func TestProveRunsBothSidesInTurn(t *testing.T) {
	t.Parallel()
	directory, number, chosen := slowRun(t)
	text := strings.ReplaceAll(provenScenario, "FAULT", chosen.Delay.Fault)
	if err := os.WriteFile(filepath.Join(directory, "scenario.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	world := fakeworld.New(t, fakeworld.Script{Working: fakeworld.UntilLost})
	chooses := &clusterChoice{kind: fakeworld.KindName, name: "c", kinds: []cluster.Kind{world.Kind()}, owners: map[string]string{}}
	state, runs := t.TempDir(), filepath.Join(t.TempDir(), "runs")
	getenv := func(name string) string { // the cache is the usual one: in each new one the jar of the witness would be built again
		if name == paths.StateVariable {
			return state
		}
		return os.Getenv(name)
	}
	code, out, message := run(t.Context(), newAdviseCommandOn(chooses, getenv), directory, "--prove", strconv.Itoa(number), "--repeat", "2",
		"--out", runs, "--plain")
	if code != ExitInconclusive || !strings.Contains(message, "the difference that the change makes is inconclusive") {
		t.Errorf("exit code %d, %s\n%s", code, message, out)
	}
	for _, want := range []string{"without", "with", chosen.Delay.Name, "Inconclusive: "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	made, err := filepath.Glob(filepath.Join(runs, "2*"))
	if err != nil || len(made) != 4 {
		t.Fatalf("%d runs were made, %v", len(made), err)
	}
	for i, directory := range made { // by their times
		p, err := loadPlan(filepath.Join(directory, report.PlanFile))
		if err != nil {
			t.Fatal(err)
		}
		const key = "spark.kubernetes.allocation.batch.delay"
		want := []string{"5s", chosen.Change.Assignments[0].Then}[i%2]
		if got := p.Workload.Conf[key]; got != scenario.Plain(want) || p.Seed == 0 {
			t.Errorf("run %d has %s=%v, want %s", i+1, key, got, want)
		}
	}
}
