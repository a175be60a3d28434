package check

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// alonePlan expects invariants of a workload that runs without the witness.
func alonePlan(expect ...map[string]any) map[string]any {
	plan := historytest.Expect("completes", args{"within": "50s"})
	plan["workload"] = map[string]any{"witness": "off"}
	plan["expect"] = expect
	return plan
}

// asKubernetesTells returns a history without what the witness reported.
func asKubernetesTells(t *testing.T, content []byte) []byte {
	t.Helper()
	var kept bytes.Buffer
	seq := 0
	for line := range bytes.Lines(content) {
		var event map[string]json.RawMessage
		if err := json.Unmarshal(line, &event); err != nil {
			t.Fatal(err)
		}
		if string(event["source"]) == `"`+string(history.Witness)+`"` || string(event["type"]) == `"`+history.DisksCollected+`"` {
			continue
		}
		seq++
		number, err := json.Marshal(seq)
		if err != nil {
			t.Fatal(err)
		}
		event["seq"] = number
		encoded, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		kept.Write(append(encoded, '\n'))
	}
	return kept.Bytes()
}

func TestWithoutTheWitnessKubernetesAloneIsJudged(t *testing.T) {
	t.Parallel()
	bounded := args{"within": "60s"}
	content := asKubernetesTells(t, storyBytes(t, historytest.PowerOff(alonePlan(
		args{"driverRescheduled": bounded}, args{"applicationIdsUnique": args{}}, args{"completes": bounded},
		args{"nothingLeftBehind": args{}}, args{"atMostOneDriver": args{"overlap": "0s"}}, args{"staleExecutorsGone": bounded},
	))))
	v := judgeBytes(t, content)
	got := map[string]Verdict{}
	for _, r := range v.Results {
		got[r.Invariant] = r.Verdict
		if r.Verdict == Inconclusive && !strings.Contains(r.Message, "the workload runs without the witness") {
			t.Errorf("%s: %s", r.Invariant, r.Message)
		}
	}
	want := map[string]Verdict{
		"driverRescheduled": Pass, "applicationIdsUnique": Pass, "completes": Pass, "nothingLeftBehind": Pass,
		"atMostOneDriver": Inconclusive, "staleExecutorsGone": Inconclusive,
	}
	if diff := cmp.Diff(want, got); diff != "" || v.Verdict != Inconclusive {
		t.Errorf("%s: %s (-want +got):\n%s", v.Verdict, v.Reason, diff)
	}
}

// TestNoInvariantPassesOnReportsThatNobodyMade asks for every invariant: what needs the witness and does not say so would judge by
// an empty record.
func TestNoInvariantPassesOnReportsThatNobodyMade(t *testing.T) {
	t.Parallel()
	kubernetes := []string{"driverRescheduled", "driverKept", "applicationIdsUnique", "completes", "nothingLeftBehind", "outputFilesOnce"}
	for _, d := range Definitions() {
		if d.Witness == slices.Contains(kubernetes, d.Name) {
			t.Errorf("%s: it needs the witness: %v", d.Name, d.Witness)
		}
		if !d.Witness {
			continue
		}
		encoded, err := json.Marshal(d.Args())
		if err != nil {
			t.Fatal(err)
		}
		evaluation, err := NewEvaluation()
		if err != nil {
			t.Fatal(err)
		}
		// Arguments that are missing are told before the witness is.
		result, err := evaluation.ask(expectation{name: d.Name, args: encoded}, plan{alone: true})
		if err == nil && (result.Verdict != Inconclusive || !strings.Contains(result.Message, "witness: off")) {
			t.Errorf("%s is %s: %s", d.Name, result.Verdict, result.Message)
		}
	}
}

func TestAnExecutorHasToRunForAnApplicationToCompleteWithoutTheWitness(t *testing.T) {
	t.Parallel()
	story := historytest.PowerOff(alonePlan(args{"completes": args{"within": "60s"}}))
	for i := range story.Drivers {
		story.Drivers[i].Executors = nil
	}
	v := judgeBytes(t, asKubernetesTells(t, storyBytes(t, story)))
	if got := v.Results[0]; got.Verdict != Inconclusive ||
		!strings.Contains(got.Message, "an executor of the incarnation that completed ran") {
		t.Errorf("%s: %s", got.Verdict, got.Message)
	}
}
