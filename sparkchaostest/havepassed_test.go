package sparkchaostest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/sparkchaostest"
)

func verdict(of check.Verdict) sparkchaos.Verdict {
	return sparkchaos.Verdict{
		RunVerdict: check.RunVerdict{
			Verdict: of, Scenario: "lose-the-driver", Reason: "driverKept: the driver was replaced",
			Results: []check.Result{{
				Invariant: "driverKept", Verdict: of, Message: "the driver was replaced",
				Narrative: []check.EvidenceLine{{Seq: 7, Text: "pod driver-1 is deleted"}},
			}},
		},
		Directory: "runs/7", Info: report.RunInfo{Directory: "runs/7"},
	}
}

func TestHavePassed(t *testing.T) {
	t.Parallel()
	left, failed := verdict(check.Pass), verdict(check.Pass)
	left.LeftBehind, failed.Trouble = errors.New("a node is off"), errors.New("no image")
	for name, tt := range map[string]struct {
		actual any
		passed bool
		shown  []string
	}{
		"a pass": {actual: verdict(check.Pass), passed: true},
		"a violation": {actual: verdict(check.Violation),
			shown: []string{"lose-the-driver", "driverKept", "pod driver-1 is deleted", "sparkchaos run --plan runs/7/plan.yaml"}},
		"inconclusive":        {actual: verdict(check.Inconclusive), shown: []string{"driverKept"}},
		"something is left":   {actual: left, shown: []string{"a node is off"}},
		"the run had trouble": {actual: failed, shown: []string{"no image"}},
	} {
		matcher := sparkchaostest.HavePassed()
		passed, err := matcher.Match(tt.actual)
		if err != nil || passed != tt.passed {
			t.Errorf("%s: %v, %v; want %v", name, passed, err, tt.passed)
		}
		for _, words := range tt.shown {
			if shown := matcher.FailureMessage(tt.actual); !strings.Contains(shown, words) {
				t.Errorf("%s: %q is not shown in\n%s", name, words, shown)
			}
		}
	}
	if _, err := sparkchaostest.HavePassed().Match("passed"); err == nil {
		t.Error("a string is taken for a verdict")
	}
}
