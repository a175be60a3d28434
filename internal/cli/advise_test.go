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

// slowRun returns a stored run whose settings are made to look slow, and the change for a scenario that makes them quick, with its number.
func slowRun(t *testing.T) (directory string, number int, chosen advise.Advice) {
	t.Helper()
	directory = storedRun(t, "executor-node-power-off")
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
	for i, a := range advice.Advices {
		if a.Change.InScenario() {
			return directory, i + 1, a
		}
	}
	t.Fatalf("no change for a scenario in %+v", advice.Advices)
	return "", 0, advise.Advice{}
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
	_, _, chosen := slowRun(t)
	planned, err := planBoth(flags, chosen.Change, directory)
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

// storedSide returns a stored run as one side of a proof.
func storedSide(directory string, verdict check.Verdict) report.Run {
	return report.Run{
		Verdict: check.RunVerdict{Verdict: verdict, Reason: "the reason"}, Info: report.RunInfo{Directory: directory},
	}
}

func TestAProofOfStoredRuns(t *testing.T) {
	t.Parallel()
	directory := storedRun(t, "driver-node-power-off")
	advice, _, err := report.Advice(report.RunInfo{Directory: directory})
	if err != nil || len(advice.Delays) == 0 {
		t.Fatal(err, advice)
	}
	chosen := advise.Advice{Delay: advice.Delays[0], Gain: time.Second}
	passed, failed := storedSide(directory, check.Pass), storedSide(directory, check.Error)
	for name, tt := range map[string]struct {
		runs []report.Run
		says []string
	}{
		"the same run on both sides": {[]report.Run{passed, passed, passed, passed},
			[]string{"Without the change ", " in 2 runs)", "Inconclusive: the times of"}},
		"runs that ended in an error": {[]report.Run{passed, failed, passed, failed},
			[]string{"2 runs without and 0 runs with", "not counted", "Not counted: run 2 with the change: error, the reason."}},
		"interrupted": {[]report.Run{passed, {Verdict: check.RunVerdict{Verdict: check.Error, Reason: "interrupted"}}},
			[]string{"Only 2 of 4 runs were made.", "it could not be started: interrupted"}},
		"no history": {[]report.Run{passed, storedSide(t.TempDir(), check.Pass)}, []string{"its history cannot be read"}},
		"no run":     {nil, []string{"Only 0 of 4 runs were made."}},
	} {
		var out strings.Builder
		err := printProof(&out, chosen, 4, tt.runs)
		if codeOf(err) != ExitInconclusive {
			t.Errorf("%s: %v, want exit code %d", name, err, ExitInconclusive)
		}
		for _, want := range tt.says {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in:\n%s", name, want, out.String())
			}
		}
	}
}

func TestARunThatCouldNotBeStartedMeasuresNothing(t *testing.T) {
	t.Parallel()
	got := measured(report.Run{Verdict: check.RunVerdict{Verdict: check.Error, Reason: "no root"}}, advise.Delay{Name: "detection"})
	if got.Took != 0 || got.Open || !strings.Contains(got.Not, "no root") {
		t.Errorf("%+v", got)
	}
}
