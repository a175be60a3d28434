package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/report/advise"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func TestAdvise(t *testing.T) {
	t.Parallel()
	directory := storedRun(t, "driver-node-power-off")
	code, out, message := run(t.Context(), newAdviseCommand(environment(nil)), directory)
	if code != ExitPass || message != "" {
		t.Fatalf("exit code %d, %s", code, message)
	}
	for _, want := range []string{"Why it took so long", "detection after fault lose-driver-node", "its settings predict", "What would help",
		"[#"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	code, out, _ = run(t.Context(), newAdviseCommand(environment(nil)), directory, "-o", "json")
	var got advise.Report
	if err := json.Unmarshal([]byte(out), &got); code != ExitPass || err != nil || len(got.Delays) < 5 {
		t.Errorf("exit code %d, %v:\n%s", code, err, out)
	}
}

func TestAdviseRefuses(t *testing.T) {
	t.Parallel()
	judged := storedRun(t, "driver-node-power-off")
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no directory":       {[]string{filepath.Join(t.TempDir(), "absent")}, "sparkchaos check"},
		"no history":         {[]string{runDirectory(t)}, "there is nothing to explain"},
		"output":             {[]string{judged, "-o", "yaml"}, `"yaml" is unknown`},
		"a change of none":   {[]string{judged, "--prove", "1"}, "there are 0 changes"},
		"a change before it": {[]string{judged, "--prove", "0"}, "without --prove they are listed"},
	} {
		code, _, message := run(t.Context(), newAdviseCommand(environment(nil)), test.args...)
		if code != ExitUsage || !strings.Contains(message, test.want) {
			t.Errorf("%s: exit code %d, %q", name, code, message)
		}
	}
}

// stockAdvice returns a change that a scenario can make, from a run whose settings are made to look slow.
func stockAdvice(t *testing.T) advise.Advice {
	t.Helper()
	directory := storedRun(t, "executor-node-power-off")
	file := filepath.Join(directory, report.HistoryFile)
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	slow := strings.NewReplacer(`"spark.kubernetes.allocation.batch.delay":"200ms"`,
		`"spark.kubernetes.allocation.batch.delay":"5s"`).Replace(string(content))
	if err := os.WriteFile(file, []byte(slow), 0o600); err != nil {
		t.Fatal(err)
	}
	advice, known, err := report.Advice(report.RunInfo{Directory: directory})
	if err != nil || !known || len(advice.Advices) == 0 {
		t.Fatalf("%v %v %+v", err, known, advice)
	}
	for _, a := range advice.Advices {
		if a.Change.InScenario() {
			return a
		}
	}
	t.Fatalf("no change for a scenario in %+v", advice.Advices)
	return advise.Advice{}
}

func TestBothSidesOfAProofDifferInTheChangeAlone(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	text, err := os.ReadFile(filepath.Join("..", "..", "scenarios", "executor-node-power-off.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, "scenario.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	flags := adviseFlags{runFlags: runFlags{cluster: newClusterChoice(), seed: 7, repeat: 2}}
	planned, err := planBoth(flags, stockAdvice(t).Change, directory)
	if err != nil || len(planned) != 4 {
		t.Fatalf("%d plans, %v", len(planned), err)
	}
	const key = "spark.kubernetes.allocation.batch.delay"
	for i, one := range planned {
		if one.plan.Seed != 7 {
			t.Errorf("plan %d has seed %d", i, one.plan.Seed)
		}
		changed := one.plan.Workload.Conf[key] == scenario.Plain("200ms") && strings.Contains(string(one.scenario), key)
		if changed != (i%2 == 1) {
			t.Errorf("plan %d: %s is %s in the plan, its scenario:\n%s", i, key, one.plan.Workload.Conf[key], one.scenario)
		}
	}
}

func TestAProofComparesMedians(t *testing.T) {
	t.Parallel()
	s := time.Second
	chosen := advise.Advice{Delay: advise.Delay{Name: "loss noticed by Spark"}, Gain: 100 * s}
	got := proof{without: []time.Duration{130 * s, 150 * s, 140 * s}, with: []time.Duration{21 * s, 19 * s}}.sentence(chosen)
	for _, want := range []string{"2m20s without", "20s with it", "3 and 2 runs", "2m0s less", "1m40s less", "+20 %"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in: %s", want, got)
		}
	}
	if got := (proof{without: []time.Duration{s}}).sentence(chosen); !strings.HasPrefix(got, "Not proven") {
		t.Errorf("one side alone: %s", got)
	}
}

func TestARunThatCouldNotBeStartedMeasuresNothing(t *testing.T) {
	t.Parallel()
	took, open, err := measured(report.Run{Verdict: check.RunVerdict{Verdict: check.Error}}, advise.Delay{Name: "detection"})
	if took != 0 || open || err != nil {
		t.Errorf("%s, %v, %v", took, open, err)
	}
}
