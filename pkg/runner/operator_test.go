package runner_test

import (
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/internal/fakeworld"
	"github.com/sparkchaos/sparkchaos/pkg/check"
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
