package gate_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/report/gate"
)

const head = "apiVersion: sparkchaos.dev/v1alpha1\nkind: Rules\nrules:\n"

func example(t testing.TB) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "ci", "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestTheDocumentedRulesAreRules(t *testing.T) {
	t.Parallel()
	rules, err := gate.Parse("rules.yaml", example(t))
	if err != nil || len(rules.Rules) != 5 || rules.Rules[2].Phase.Within != 30*time.Second {
		t.Errorf("%+v, %v", rules, err)
	}
}

func TestParseTellsEveryProblem(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		yaml string
		want []string
	}{
		"no rule":      {head + "  []\n", []string{"r:4:3: rules: there is no rule; give one or more"}},
		"another kind": {"apiVersion: v1\nkind: Scenario\nrules: []\n", []string{"r:1:13: apiVersion:", "r:2:7: kind:"}},
		"an unknown field": {head + "- {name: a, pased: {atLeast: 1}}\n",
			[]string{"r:4:13: rules[0].pased: unknown field; did you mean passed?"}},
		"no condition": {head + "- {name: a}\n", []string{"r:4:3: rules[0]: it has 0 conditions; give exactly one of"}},
		"two conditions": {head + "- {name: a, passed: {atLeast: 1}, runs: {atLeast: 1}}\n",
			[]string{"r:4:3: rules[0]: it has 2 conditions"}},
		"no share": {head + "- {name: a, passed: {atLeast: 95}}\n- {name: b, inconclusive: {atMost: -1}}\n",
			[]string{"r:4:31: rules[0].passed.atLeast: 95 is no share", "r:5:36: rules[1].inconclusive.atMost: -1 is no share"}},
		"the same name": {head + "- {name: a, violations: {atMost: 0}}\n- {name: a, violations: {atMost: 0}}\n",
			[]string{`r:5:10: rules[1].name: "a" is the name of an earlier rule`}},
		"no pattern": {head + "- {name: a, scenarios: ['[a'], violations: {atMost: 0}}\n",
			[]string{`r:4:25: rules[0].scenarios[0]: "[a" is no pattern`}},
		"no bound": {head + "- {name: a, phase: {name: detection, within: 0s}}\n",
			[]string{"r:4:46: rules[0].phase.within: 0s is no bound"}},
		"an unknown phase":    {head + "- {name: a, phase: {name: detect, within: 1s}}\n", []string{`"detect" is not accepted`}},
		"a number of no runs": {head + "- {name: a, runs: {atLeast: 0}}\n", []string{"0 is too small; want at least 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := gate.Parse("r", []byte(tt.yaml))
			var problems *strictyaml.Error
			if !errors.As(err, &problems) || len(problems.Problems) != len(tt.want) {
				t.Fatalf("got %v, want %d problems", err, len(tt.want))
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %s", err, want)
				}
			}
		})
	}
}

func run(scenario string, verdict check.Verdict, results ...check.Result) report.Run {
	return report.Run{Verdict: check.RunVerdict{Scenario: scenario, Verdict: verdict, Results: results},
		Info: report.RunInfo{Directory: "runs/" + scenario}}
}

func control(asExpected bool) report.Run {
	r := run("driver-as-pod", check.Pass)
	r.Verdict.Control = &check.Control{Expected: check.Violation, Judged: check.Violation, AsExpected: asExpected}
	if !asExpected {
		r.Verdict.Verdict, r.Verdict.Control.Judged = check.Violation, check.Pass
	}
	return r
}

func rescheduled(took time.Duration) check.Result {
	return check.Result{Invariant: "recoveryWithin", Verdict: check.Pass,
		Phases: []check.Phase{{Name: "rescheduling", Duration: took}, {Name: "detection", Duration: time.Hour}}}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	pass, bad, unknown, failed := run("a", check.Pass), run("a", check.Violation), run("a", check.Inconclusive), run("b", check.Error)
	of := func(rules ...gate.Rule) gate.Rules { return gate.Rules{Rules: rules} }
	for name, tt := range map[string]struct {
		found  gate.Found
		expect int
		rules  gate.Rules
		want   check.Verdict
		reason string
	}{
		"all passed": {gate.Found{Runs: []report.Run{pass, pass}}, 2, gate.Standard(), check.Pass,
			"all 4 conditions held over 2 runs"},
		"nobody says how many": {gate.Found{Runs: []report.Run{pass}}, 0, gate.Standard(), check.Pass, "over 1 run"},
		"nothing at all":       {gate.Found{}, 0, gate.Standard(), check.Inconclusive, "no rule was evaluated"},
		"fewer than expected": {gate.Found{Runs: []report.Run{pass}}, 2, gate.Standard(), check.Inconclusive,
			"runs that were judged: 1 of 2 that were expected"},
		"copies are no runs": {gate.Found{Runs: []report.Run{pass}, Again: []string{"copy"}}, 2, gate.Standard(), check.Inconclusive,
			"1 copy of a run"},
		"one without a verdict": {gate.Found{Runs: []report.Run{pass}, Unjudged: []string{"runs/x"}}, 1, gate.Standard(), check.Inconclusive,
			"1 of 2; without: runs/x"},
		"one did not pass": {gate.Found{Runs: []report.Run{pass, unknown}}, 2, gate.Standard(), check.Violation,
			"1 of 2 passed, at least 100 %"},
		"a broken rule is worse": {gate.Found{Runs: []report.Run{bad}}, 2, gate.Standard(), check.Violation, "0 of 1 passed"},
		"a control as it should": {gate.Found{Runs: []report.Run{control(true)}}, 1, gate.Standard(), check.Pass, ""},
		"a control that ended well": {gate.Found{Runs: []report.Run{pass, control(false)}}, 2,
			of(gate.Rule{Name: "r", Runs: &gate.LeastRuns{AtLeast: 1}}), check.Violation, "controls ended as they should: 0 " +
				"of 1; not so: driver-as-pod"},
		"no rule applies": {gate.Found{Runs: []report.Run{pass}}, 1,
			of(gate.Rule{Name: "r", Scenarios: []string{"z*"},
				Passed: &gate.Least{}}), check.Inconclusive, "no rule was evaluated: r: no run is of the scenarios"},
		"one rule does not apply": {gate.Found{Runs: []report.Run{pass}}, 1,
			of(gate.Rule{Name: "s", Passed: &gate.Least{AtLeast: 1}},
				gate.Rule{Name: "r", Scenarios: []string{"z*"}, Passed: &gate.Least{}}), check.Inconclusive, "r: no run"},
		"violations are counted": {gate.Found{Runs: []report.Run{pass, bad, bad}}, 3,
			of(gate.Rule{Name: "r", Violations: &gate.MostRuns{AtMost: 1}}), check.Violation, "r: 2 of 3 ended in a violation, at most 1"},
		"few enough violations": {gate.Found{Runs: []report.Run{pass, bad}}, 2,
			of(gate.Rule{Name: "r", Violations: &gate.MostRuns{AtMost: 1}}), check.Pass, ""},
		"too many inconclusive": {gate.Found{Runs: []report.Run{pass, unknown, failed}}, 3,
			of(gate.Rule{Name: "r", Inconclusive: &gate.Most{AtMost: 0.5}}), check.Violation, "r: 2 of 3 were inconclusive or failed, at most 50 %"},
		"too few of a scenario": {gate.Found{Runs: []report.Run{pass, failed}}, 2,
			of(gate.Rule{Name: "r", Scenarios: []string{"b"}, Runs: &gate.LeastRuns{AtLeast: 2}}), check.Violation, "r: 1 run, at least 2"},
		"a slow phase": {gate.Found{Runs: []report.Run{run("a", check.Pass, rescheduled(time.Second)),
			run("c", check.Pass, rescheduled(9*time.Second))}}, 2,
			of(gate.Rule{Name: "r", Phase: &gate.Phase{Name: "rescheduling",
				Within: 5 * time.Second}}), check.Violation, "r: the longest of 2 took 9s (c), at most 5s"},
		"a quick phase": {gate.Found{Runs: []report.Run{run("a", check.Pass, rescheduled(time.Second))}}, 1,
			of(gate.Rule{Name: "r", Phase: &gate.Phase{Name: "rescheduling", Within: time.Second}}), check.Pass, ""},
		"a phase that never was": {gate.Found{Runs: []report.Run{pass}}, 1,
			of(gate.Rule{Name: "r", Phase: &gate.Phase{Name: "eviction", Within: time.Second}}), check.Inconclusive, "no run has a recovery"},
		"an invariant": {gate.Found{Runs: []report.Run{run("a", check.Pass, check.Result{Invariant: "i", Verdict: check.Pass}),
			run("a", check.Inconclusive, check.Result{Invariant: "i", Verdict: check.Inconclusive})}}, 2,
			of(gate.Rule{Name: "r", Invariant: &gate.Invariant{Name: "i", AtLeast: 0.9}}), check.Violation, "r: 1 of 2 held i, at least 90 %"},
		"an invariant that nobody expects": {gate.Found{Runs: []report.Run{pass}}, 1,
			of(gate.Rule{Name: "r", Invariant: &gate.Invariant{Name: "i"}}), check.Inconclusive, "no run expects i"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := gate.Decide(tt.found, tt.expect, tt.rules)
			if d.Verdict != tt.want || !strings.Contains(d.Reason, tt.reason) {
				t.Errorf("got %s: %s; want %s: %s", d.Verdict, d.Reason, tt.want, tt.reason)
			}
			if len(d.Outcomes) != 3+len(tt.rules.Rules) {
				t.Errorf("%d conditions are shown of %d rules", len(d.Outcomes), len(tt.rules.Rules))
			}
			for _, o := range d.Outcomes {
				if o.Figure == "" {
					t.Errorf("%s has no figure", o.Rule)
				}
			}
		})
	}
}

func TestFindCountsEachRunOnce(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	put := func(name string, verdict *check.RunVerdict) {
		directory := filepath.Join(root, name)
		if err := os.MkdirAll(directory, 0o700); err != nil {
			t.Fatal(err)
		}
		if verdict == nil {
			if err := os.WriteFile(filepath.Join(directory, report.PlanFile), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
		if err := report.WriteFiles(directory, *verdict, report.RunInfo{}, report.JSON); err != nil {
			t.Fatal(err)
		}
	}
	a := &check.RunVerdict{Scenario: "a", RunID: "a-1", Verdict: check.Pass}
	put("a", a)
	put("process-2/b", &check.RunVerdict{Scenario: "b", RunID: "b-1", Verdict: check.Pass})
	put("z-copy-of-a", a)
	put("killed", nil)
	if err := os.Symlink("a", filepath.Join(root, "latest")); err != nil {
		t.Fatal(err)
	}
	found, err := gate.Find(root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range found.Runs {
		names = append(names, r.Verdict.RunID)
	}
	if diff := cmp.Diff([]string{"a-1", "b-1"}, names); diff != "" || len(found.Again) != 1 || len(found.Unjudged) != 1 {
		t.Errorf("%s; again %v, unjudged %v", diff, found.Again, found.Unjudged)
	}
	one, err := gate.Find(filepath.Join(root, "latest"))
	if err != nil || len(one.Runs) != 1 || one.Runs[0].Info.Directory != filepath.Join(root, "latest") {
		t.Errorf("a link to a run: %+v, %v", one, err)
	}
	if _, err := gate.Find(filepath.Join(root, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if err := os.WriteFile(filepath.Join(root, "a", report.VerdictFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := gate.Find(root); err == nil {
		t.Error("a verdict that cannot be read is passed over")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example(f))
	f.Add([]byte(head + "- {name: a, passed: {atLeast: 2}}\n"))
	f.Add([]byte("rules: &a [*a]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		rules, err := gate.Parse("r", content)
		var problems *strictyaml.Error
		switch {
		case err != nil && !errors.As(err, &problems):
			t.Errorf("%v is no list of problems", err)
		case err == nil && len(rules.Rules) == 0:
			t.Error("there is no rule, and no problem")
		case err == nil:
			if d := gate.Decide(gate.Found{}, 0, rules); d.Verdict == check.Pass {
				t.Errorf("nothing passed: %+v", d)
			}
		}
	})
}
