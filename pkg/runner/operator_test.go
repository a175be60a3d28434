package runner_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/internal/fakeworld"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// A driver of an operator that fails is started again or not, as the restart policy says, and the invariants judge what comes of it.
func TestTheRestartPolicyOfAnOperatorIsJudged(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]struct {
		verdict check.Verdict
		says    string
	}{
		scenario.RestartOnFailure: {check.Pass, "the application ended well"},
		scenario.RestartNever:     {check.Violation, "the application failed"},
	} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			w := fakeworld.New(t, fakeworld.Script{Fails: func(incarnation int) bool { return incarnation == 1 }})
			p := bySparkSubmit(t, "completes")
			p.Workload.Launcher, p.Workload.Driver.RestartPolicy = scenario.LauncherSparkApplication, policy
			p.Baseline, p.Steps = false, nil
			o := optionsIn(t, w, p)
			finished, err := runner.Run(t.Context(), o)
			if err != nil || finished.Err != nil {
				t.Fatal(err, finished.Err)
			}
			got := judged(t, finished.Directory).Results
			if len(got) != 1 || got[0].Verdict != want.verdict || !strings.Contains(got[0].Message, want.says) {
				t.Errorf("got %+v, want %s that says %q", got, want.verdict, want.says)
			}
			checkNothingIsLeft(t, w, o, finished)
		})
	}
}

// An operator that is to be installed is there before the launch, and the run tells its version; without it nothing is launched.
func TestAnOperatorIsMadeReadyBeforeTheLaunch(t *testing.T) {
	t.Parallel()
	broken := errors.New("its image is missing")
	for name, failing := range map[string]error{"ready": nil, "broken": broken} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := fakeworld.New(t, fakeworld.Script{})
			p := bySparkSubmit(t, "completes")
			p.Workload.Launcher, p.Workload.Driver.RestartPolicy = scenario.LauncherSparkApplication, scenario.RestartNever
			p.Baseline, p.Steps = false, nil
			o := optionsIn(t, w, p)
			asked := 0
			o.Operator = func(_ context.Context, c cluster.Cluster, workload scenario.Workload) (map[string]string, error) {
				asked++
				if c == nil || workload.Launcher != scenario.LauncherSparkApplication {
					t.Errorf("asked for cluster %v, launcher %s", c, workload.Launcher)
				}
				return map[string]string{"spark-operator": "9.8.7"}, failing
			}
			finished, err := runner.Run(t.Context(), o)
			if err != nil || !errors.Is(finished.Err, failing) || asked != 1 {
				t.Fatal(err, finished.Err, asked)
			}
			environment, _ := os.ReadFile(finished.Directory.Environment()) // a run that ends before has none
			history, err := os.ReadFile(finished.Directory.History())
			if err != nil {
				t.Fatal(err)
			}
			launched, told := strings.Contains(string(history), `"type":"workloadLaunched"`), strings.Contains(string(environment), "9.8.7")
			if ready := failing == nil; launched != ready || told != ready {
				t.Errorf("launched %v, version told %v, want both %v", launched, told, ready)
			}
			checkNothingIsLeft(t, w, o, finished)
		})
	}
}
