package sparkchaos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos"
	"github.com/sparkchaos/sparkchaos/fault"
	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/internal/fakekube"
	"github.com/sparkchaos/sparkchaos/internal/fakeworld"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/anchor"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/when"
)

// ownScenario names a fault, anchors and an invariant of a team's own, as a file does.
const ownScenario = `
apiVersion: sparkchaos.dev/v1alpha1
kind: Scenario
metadata: {name: quarantine}
spec:
  cluster: {workers: 3, timing: fast}
  workload:
    application: {name: app, mainClass: x.Y, jar: "local:///x.jar"}
    executors: {instances: 2, cores: 1, memory: 512m}
  faults:
  - name: quarantine-node
    inject: {nodeQuarantine: {node: {of: driver}, reason: noisy}}
    when: {driverBusy: {atLeast: 2}}
  expect:
  - driverSeen: {}
`

// place is where the runs of a test keep what they keep.
type place struct{ state, runs string }

func placeIn(dir string) place {
	return place{state: filepath.Join(dir, "state"), runs: filepath.Join(dir, "runs")}
}

// getenv has state in a place of its own. The cache is the usual one: in each new one the jar of the witness would be built again, by
// Maven.
func (p place) getenv(name string) string {
	if name == paths.StateVariable {
		return p.state
	}
	return os.Getenv(name)
}

// start takes the cluster of a world.
func start(t *testing.T, w *fakeworld.World, p place, catalogue sparkchaos.Vocabulary) (*sparkchaos.Cluster, error) {
	t.Helper()
	c, err := sparkchaos.Start(t.Context(), sparkchaos.Of(w.Kind(), "c"),
		sparkchaos.Use(catalogue), sparkchaos.RunsIn(p.runs), sparkchaos.Getenv(p.getenv))
	if err == nil {
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return c, err
}

// untilLanded lets an application work until the fault of its run has landed.
func (p place) untilLanded(ctx context.Context, _ string, _ int) {
	err := await.Until(ctx, 10*time.Millisecond, func(context.Context) await.Result {
		written, err := os.ReadFile(runner.Directory(filepath.Join(p.runs, "latest")).History())
		if err != nil {
			return await.NotYet(err)
		}
		if !bytes.Contains(written, []byte(`"type":"`+history.FaultLanded+`"`)) {
			return await.NotYet(errors.New("no fault has landed"))
		}
		return await.Done()
	})
	_ = err // the end of the world
}

// ownTrial is the scenario of the file, in Go.
func ownTrial() sparkchaos.Trial {
	return sparkchaos.NewScenario("quarantine", "").
		Application("local:///x.jar", "x.Y").
		Inject("quarantine-node",
			fault.Of("nodeQuarantine", quarantineArgs{Node: fault.NodeOfDriver(), Reason: "noisy"}),
			when.Of("driverBusy", anchor.AtLeast{AtLeast: 2})).
		Expect(driverSeen().Expect(&check.NoArgs{})).
		Change(func(s *scenario.Scenario) {
			s.Spec.Cluster = scenario.Cluster{Workers: 3, Timing: scenario.Timing{Name: scenario.TimingFast}}
			s.Spec.Workload.Executors = scenario.Executors{Instances: 2, Cores: 1, Memory: "512m"}
		})
}

func TestAWholeRunOfATeamsOwnFaultAnchorAndInvariant(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "quarantine.yaml")
	if err := os.WriteFile(file, []byte(ownScenario), 0o600); err != nil {
		t.Fatal(err)
	}
	var plans []string
	for name, trial := range map[string]sparkchaos.Trial{"in YAML": sparkchaos.File(file), "in Go": ownTrial()} {
		p := placeIn(t.TempDir())
		w := fakeworld.New(t, fakeworld.Script{Working: p.untilLanded})
		c, err := start(t, w, p, teamCatalogue())
		if err != nil {
			t.Fatal(err)
		}
		verdict, err := c.Run(t.Context(), trial.Seed(7))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !verdict.Passed() || len(verdict.Faults) != 1 || !verdict.Faults[0].Landed || verdict.Results[0].Invariant != "driverSeen" {
			t.Errorf("%s:\n%s", name, verdict.Table())
		}
		if left := append(w.Left(), annotated(w)...); len(left) > 0 {
			t.Errorf("%s: left are %q", name, left)
		}
		again, err := sparkchaos.Judge(t.Context(), verdict.Directory, teamCatalogue())
		if err != nil || !cmp.Equal(again.Results, verdict.Results) {
			t.Errorf("%s: judged again: %v, %+v", name, err, again.Results)
		}
		plan, err := os.ReadFile(runner.Directory(verdict.Directory).Plan())
		if err != nil {
			t.Fatal(err)
		}
		plans = append(plans, string(plan))
	}
	if diff := cmp.Diff(plans[0], plans[1]); diff != "" {
		t.Errorf("the plans of the scenario in YAML and in Go:\n%s", diff)
	}
}

// annotated returns the nodes that the team's fault has quarantined.
func annotated(w *fakeworld.World) []string {
	var nodes []string
	for _, node := range w.API.List(fakekube.Nodes(), "") {
		if _, is := node.GetAnnotations()[quarantined]; is {
			nodes = append(nodes, "quarantined node "+node.GetName())
		}
	}
	return nodes
}

// killedRun is all that is left of a run that was killed.
type killedRun struct {
	fakeworld.Moment
	place
}

// killedWithItsFault returns what a run leaves that is killed while its own fault is in effect.
func killedWithItsFault(t *testing.T) killedRun {
	t.Helper()
	p := placeIn(t.TempDir())
	w := fakeworld.New(t, fakeworld.Script{Working: p.untilLanded})
	killed := killedRun{place: placeIn(t.TempDir())}
	c, err := start(t, w, p, teamCatalogue())
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	w.Reached = func(context.Context, string) {
		if len(annotated(w)) == 0 {
			return
		}
		once.Do(func() {
			killed.Moment, err = w.Keep(filepath.Join(killed.state, "disks"))
			err = errors.Join(err, fakeworld.CopyTree(killed.state, p.state), fakeworld.CopyTree(killed.runs, filepath.Join(p.runs, "latest")))
		})
	}
	verdict, runErr := c.Run(t.Context(), ownTrial())
	if err := errors.Join(err, runErr, killed.relocate()); err != nil || !verdict.Passed() {
		t.Fatal(err, verdict.Table())
	}
	return killed
}

// relocate has the record of the run tell where its directory is now.
func (k killedRun) relocate() error {
	found, err := filepath.Glob(filepath.Join(k.state, "runs", "*.json"))
	if err != nil || len(found) != 1 {
		return errors.Join(err, errors.New("the run was not killed"))
	}
	content, err := os.ReadFile(found[0])
	var record runner.ActiveRecord
	if err == nil {
		err = json.Unmarshal(content, &record)
	}
	record.Directory = k.runs
	content, encoding := json.Marshal(record)
	return errors.Join(err, encoding, os.WriteFile(found[0], content, 0o600))
}

func TestTheCleanUpUndoesATeamsOwnFault(t *testing.T) {
	t.Parallel()
	killed := killedWithItsFault(t)
	w, _ := killed.Begin(t)
	if len(annotated(w)) != 1 {
		t.Fatalf("at the moment of its end %q are quarantined", annotated(w))
	}
	left := new(sparkchaos.CleanUpError)
	_, err := start(t, w, killed.place, sparkchaos.Catalogue())
	if !errors.As(err, &left) || !strings.Contains(err.Error(), `undo of kind "quarantine" is unknown`) || len(annotated(w)) != 1 {
		t.Errorf("a program that does not know the fault: %v, %q; want it to say so, and to leave it", err, annotated(w))
	}
	if _, err := start(t, w, killed.place, teamCatalogue()); err != nil {
		t.Error(err)
	}
	if left := append(w.Left(), annotated(w)...); len(left) > 0 {
		t.Errorf("left are %q", left)
	}
}

func TestANameIsAddedToACatalogueOnce(t *testing.T) {
	t.Parallel()
	for name, addition := range map[string]sparkchaos.Addition{
		`fault "nodeQuarantine"`: sparkchaos.Fault(nodeQuarantine()), `kind of undo "quarantine"`: sparkchaos.Undo(quarantineUndo()),
		`anchor "driverBusy"`: sparkchaos.Anchor(tasksOfDriver()), `invariant "driverSeen"`: sparkchaos.Invariant(driverSeen()),
	} {
		source := sparkchaos.Of(fakeworld.New(t, fakeworld.Script{}).Kind(), "c")
		_, err := sparkchaos.Prepare(source, sparkchaos.Use(teamCatalogue().With(addition)))
		if err == nil || !strings.Contains(err.Error(), name+" cannot be added") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
