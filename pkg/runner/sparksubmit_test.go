package runner_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/fakeworld"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// bySparkSubmit is a plan whose driver is made by spark-submit, and in which nothing is expected but what the names say.
func bySparkSubmit(t *testing.T, expect ...string) *plan.Plan {
	t.Helper()
	p := plannedWith(t, "", "")
	w := &p.Workload
	w.Launcher = scenario.LauncherSparkSubmit
	w.Driver.Kind, w.Driver.PodReplacementPolicy, w.Driver.BackoffLimit = "", "", nil
	var expected []scenario.Expectation
	for _, expectation := range p.Expect {
		for _, name := range expect {
			if expectation.Name == name {
				expected = append(expected, expectation)
			}
		}
	}
	p.Expect, p.Settle = expected, scenario.Duration(time.Second)
	for _, expectation := range p.Expect {
		if within, ok := expectation.Args.(*check.WithinArgs); ok && expectation.Name == "driverRescheduled" {
			within.Within = scenario.Duration(time.Second)
		}
	}
	return p
}

func TestABarePodOfSparkSubmitIsNotRescheduled(t *testing.T) {
	t.Parallel()
	w := fakeworld.New(t, fakeworld.Script{Working: fakeworld.UntilLost})
	o := optionsIn(t, w, bySparkSubmit(t, "driverRescheduled", "atMostOneDriver"))
	o.Plan.Baseline = false
	finished, err := runner.Run(t.Context(), o)
	if err != nil || finished.Err != nil {
		t.Fatal(err, finished.Err)
	}
	got := judged(t, finished.Directory)
	for _, result := range got.Results {
		if want := map[string]check.Verdict{"driverRescheduled": check.Violation,
			"atMostOneDriver": check.Inconclusive}[result.Invariant]; result.Verdict != want {
			t.Errorf("%s is %s (%s), want %s", result.Invariant, result.Verdict, result.Message, want)
		}
		if result.Invariant == "driverRescheduled" && !strings.Contains(result.Message, "app-driver was a bare pod") {
			t.Errorf("%s says %q, want that the driver was a bare pod", result.Invariant, result.Message)
		}
	}
	checkNothingIsLeft(t, w, o, finished)
}

func TestAnApplicationOfSparkSubmitCompletes(t *testing.T) {
	t.Parallel()
	w := fakeworld.New(t, fakeworld.Script{})
	o := optionsIn(t, w, bySparkSubmit(t, "completes", "resultEqualsBaseline", "atMostOneDriver", "nothingLeftBehind"))
	o.Plan.Steps = nil
	finished, err := runner.Run(t.Context(), o)
	if err != nil || finished.Err != nil {
		t.Fatal(err, finished.Err)
	}
	got := judged(t, finished.Directory)
	if len(got.Results) != 4 {
		t.Errorf("%d results, want 4", len(got.Results))
	}
	for _, result := range got.Results {
		if result.Verdict != check.Pass {
			t.Errorf("%s is %s (%s), want %s", result.Invariant, result.Verdict, result.Message, check.Pass)
		}
	}
	checkNothingIsLeft(t, w, o, finished)
}
