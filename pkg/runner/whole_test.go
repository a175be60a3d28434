package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/fakeworld"
	"github.com/sparkchaos/sparkchaos/pkg/anchor"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	faultcatalogue "github.com/sparkchaos/sparkchaos/pkg/faults/catalogue"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// driverLosesItsNode is the shipped scenario driver-node-power-off in short, but for further arguments of the fault and its recovery.
const driverLosesItsNode = `
apiVersion: sparkchaos.dev/v1alpha1
kind: Scenario
metadata: {name: driver-loses-its-node, description: The driver's node loses its power.}
spec:
  cluster: {workers: 3, timing: fast}
  workload:
    application: {name: app, mainClass: x.Y, jar: "local:///x.jar"}
    driver: {kind: Job, podReplacementPolicy: TerminatingOrFailed, backoffLimit: 6, tolerationSeconds: 2}
    executors: {instances: 2, cores: 1, memory: 512m, tolerationSeconds: 2}
    profile: resilient
  baseline: true
  faults:
  - name: lose-driver-node
    inject: {nodePowerOff: {node: {of: driver}%s}}
    when: {executorsRegistered: {atLeast: 2}}
    %s
  expect:
  - driverRescheduled: {within: 90s}
  - atMostOneDriver: {overlap: 0s}
  - executorNamesUnique: {}
  - applicationIdsUnique: {}
  - staleExecutorsGone: {within: 2m}
  - recoveryWithin: {detection: 30s, eviction: 30s, rescheduling: 60s, driverStart: 90s, executorsBack: 90s, firstProgress: 90s, total: 4m}
  - resultEqualsBaseline: {}
  - completes: {within: 8m}
  - nothingLeftBehind: {}
  settle: 2m
`

// whileItWorks is the recovery while the second driver works.
const whileItWorks = "recover: {when: {executorsRegistered: {atLeast: 2}}}"

// planned decides the scenario for a fake cluster; more are further arguments of the fault.
func planned(t *testing.T, more string) *plan.Plan { return plannedWith(t, more, whileItWorks) }

func plannedWith(t *testing.T, more, recovery string) *plan.Plan {
	t.Helper()
	catalogue := scenario.Catalogue{Faults: faultcatalogue.All().Entries(), Anchors: anchor.Entries(), Invariants: check.Entries()}
	s, err := scenario.Load("scenario.yaml", fmt.Appendf(nil, driverLosesItsNode, more, recovery), catalogue)
	if err != nil {
		t.Fatal(err)
	}
	can, err := new(fakeworld.World).Kind().Can()
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(s, 7, can, catalogue)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// silent shows nothing.
type silent struct{}

func (silent) Say(string, ...any) {}

func (silent) Await(string, time.Duration, func() string) func() { return func() {} }

// optionsIn are those of a run of a plan in a world.
func optionsIn(t *testing.T, w *fakeworld.World, p *plan.Plan) runner.Options {
	t.Helper()
	dir := t.TempDir()
	return runner.Options{
		Task:  runner.Task{Plan: p},
		Place: runner.Place{ClusterName: "c", Clusters: w.Provider()},
		Supplies: runner.Supplies{
			Image: func(ctx context.Context, _ scenario.Workload) (runner.Image, error) {
				return runner.Image{Reference: "image", Digest: "sha256:1"}, ctx.Err()
			},
			WitnessJar: func(context.Context) ([]byte, error) { return []byte("jar"), nil },
		},
		Files: runner.Files{
			Runs: filepath.Join(dir, "runs"), Baselines: filepath.Join(dir, "baselines"),
			Active: runner.ActiveRuns{Dir: filepath.Join(dir, "active")},
		},
		Harness: runner.Harness{Progress: silent{}, Version: "test"},
	}
}

func judged(t *testing.T, run runner.Directory) check.RunVerdict {
	t.Helper()
	file, err := os.Open(run.History())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // opened for reading only
	report, err := check.Judge(t.Context(), history.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// undoRecord precedes the ID of one.
const undoRecord = "undo record "

// openIn returns what a run directory and the records of runs say that is to be undone.
func openIn(run runner.Directory, active runner.ActiveRuns) ([]string, error) {
	records, err := faults.Pending(run.Undo(), faultcatalogue.All().Undos())
	var open []string
	for _, record := range records {
		open = append(open, undoRecord+record.ID)
	}
	dead, deadErr := active.Dead(context.Background())
	for _, run := range dead {
		open = append(open, "active run "+run.Record().RunID)
		run.Release()
	}
	return open, errors.Join(err, deadErr)
}

// checkNothingIsLeft looks after a run that has ended by itself.
func checkNothingIsLeft(t *testing.T, w *fakeworld.World, o runner.Options, finished runner.Finished) {
	t.Helper()
	open, err := openIn(finished.Directory, o.Active)
	if left := append(w.Left(), open...); err != nil || len(left) > 0 || finished.LeftBehind != nil {
		t.Errorf("left are %q, %v; the run says %v", left, err, finished.LeftBehind)
	}
}

// TestAWholeRunPasses has the node come back while the second driver works, or only when nothing but a pod on it keeps the Job from
// being complete.
func TestAWholeRunPasses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		recovery  string
		recovered string // the phase in which the fault is
		makes     bool   // the cluster is made for the run
	}{
		"recovered while it works": {recovery: whileItWorks, recovered: runner.PhaseFaults},
		"recovered at the end":     {recovered: runner.PhaseSettle},
		"on a cluster made for it": {recovery: whileItWorks, recovered: runner.PhaseFaults, makes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := fakeworld.New(t, fakeworld.Script{Working: fakeworld.UntilLost})
			w.SetGone(tt.makes)
			o := optionsIn(t, w, plannedWith(t, "", tt.recovery))
			finished, err := runner.Run(t.Context(), o)
			if err != nil || finished.Err != nil {
				t.Fatal(err, finished.Err)
			}
			checkPassed(t, o.Plan, finished.Directory)
			checkBaselineTook(t, finished.Directory)
			checkNothingIsLeft(t, w, o, finished)
			if gone := w.SetGone(false); gone != tt.makes {
				t.Errorf("the cluster is gone: %t, want %t", gone, tt.makes)
			}
			if phase := phaseOf(t, finished.Directory, history.FaultRecovered); phase != tt.recovered {
				t.Errorf("the fault was recovered in the phase %q, want %q", phase, tt.recovered)
			}
		})
	}
}

// checkPassed checks that each invariant of the plan passes.
func checkPassed(t *testing.T, p *plan.Plan, run runner.Directory) {
	t.Helper()
	report := judged(t, run)
	for _, result := range report.Results {
		if result.Verdict != check.Pass {
			t.Errorf("%s is %s: %s (%+v)", result.Invariant, result.Verdict, result.Message, result.Assumptions)
		}
	}
	if report.Verdict != check.Pass || len(report.Results) != len(p.Expect) {
		t.Errorf("the run is judged %s by %d invariants: %s", report.Verdict, len(report.Results), report.Reason)
	}
}

// checkBaselineTook reports a baseline that was made and does not say how long it took.
func checkBaselineTook(t *testing.T, run runner.Directory) {
	t.Helper()
	for _, event := range eventsOf(t, run) {
		var baseline history.BaselineData
		if event.Type != history.BaselineResult {
			continue
		}
		if err := json.Unmarshal(event.Data, &baseline); err != nil || baseline.Took <= 0 {
			t.Errorf("the baseline took %s, %v", baseline.Took, err)
		}
		return
	}
	t.Error("the history has no baseline")
}

// eventsOf returns the history of a run.
func eventsOf(t *testing.T, run runner.Directory) []history.Event {
	t.Helper()
	file, err := os.Open(run.History())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // opened for reading only
	var events []history.Event
	for event, err := range history.NewReader(file).All() {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
	}
	return events
}

// phaseOf returns the phase in which the first event of a fault of a type lies; empty if there is none.
func phaseOf(t *testing.T, run runner.Directory, eventType string) string {
	t.Helper()
	var phase history.PhaseData
	for _, event := range eventsOf(t, run) {
		switch {
		case event.Source == history.Harness && event.Type == history.PhaseStarted:
			if err := json.Unmarshal(event.Data, &phase); err != nil {
				t.Fatal(err)
			}
		case event.Source == history.Fault && event.Type == eventType:
			return phase.Phase
		}
	}
	return ""
}

func TestAWholeRunWhoseFaultDoesNotLandIsInconclusive(t *testing.T) {
	t.Parallel()
	w := fakeworld.New(t, fakeworld.Script{}) // nobody takes the power, so that nobody waits for it
	o := optionsIn(t, w, planned(t, ", dryRun: true"))
	finished, err := runner.Run(t.Context(), o)
	if err != nil || finished.Err != nil {
		t.Fatal(err, finished.Err)
	}
	report := judged(t, finished.Directory)
	if report.Verdict != check.Inconclusive || len(report.Faults) != 1 || report.Faults[0].Landed {
		t.Errorf("judged %s: %s; faults %+v", report.Verdict, report.Reason, report.Faults)
	}
	checkNothingIsLeft(t, w, o, finished)
}
