package runner_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/internal/fakeworld"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// reading is the log of a reader of an output with one column and some rows, each of which stands a number of times.
func reading(rows, distinct int) string {
	return "INFO something\n" + launcher.OutputMark +
		fmt.Sprintf(`{"rows":%d,"sum":"%d","distinct":%d,"columns":[{"name":"id","type":"bigint","sum":"%d"}],"sampleBits":0}`, rows, rows,
			distinct, rows) + "\nINFO more\n"
}

// runWithOutput carries out driver-loses-its-node with an application that commits its results and writes a table. It returns the
// verdict on resultEqualsBaseline.
func runWithOutput(t *testing.T, log func(baseline bool) string) (check.Result, runner.Finished) {
	t.Helper()
	w := fakeworld.New(t, fakeworld.Script{
		Outputs: func(namespace string) string { return log(strings.HasSuffix(namespace, "-base")) },
	})
	p := planned(t, "")
	p.Workload.Output = []scenario.Output{{Path: "/shared/table", Format: "parquet", Compare: scenario.CompareRows}}
	o := optionsIn(t, w, p)
	finished, err := runner.Run(t.Context(), o)
	if err != nil || finished.Err != nil {
		t.Fatal(err, finished.Err)
	}
	checkNothingIsLeft(t, w, o, finished)
	verdict := judged(t, finished.Directory)
	for _, r := range verdict.Results {
		if r.Invariant == "resultEqualsBaseline" {
			return r, finished
		}
	}
	t.Fatalf("nothing is said of resultEqualsBaseline: %+v", verdict)
	return check.Result{}, finished
}

func TestOutputsAreReadAfterTheApplication(t *testing.T) {
	for _, c := range []struct {
		name string
		log  func(baseline bool) string
		want check.Verdict
		says string
	}{
		{"the same", func(bool) string { return reading(4, 4) }, check.Pass, "output /shared/table has the 4 rows of the run without faults"},
		{"doubled", func(baseline bool) string {
			if baseline {
				return reading(4, 4)
			}
			return reading(8, 4)
		}, check.Violation, "output /shared/table has 8 rows, without faults it has 4 rows"},
		{"the reader fails", func(baseline bool) string {
			if baseline {
				return reading(4, 4)
			}
			return "a line\nException in thread \"main\" NoClassDefFoundError\n  at x\n"
		}, check.Inconclusive, `its log ends with: Exception in thread "main" NoClassDefFoundError`},
		{"the output is not there", func(baseline bool) string {
			return launcher.OutputMark + `{"error":"FileNotFoundException: /shared/table does not exist"}` + "\n"
		}, check.Inconclusive, "/shared/table does not exist"},
		{"the reader talks nonsense", func(baseline bool) string { return launcher.OutputMark + `{"rows":-1}` + "\n" }, check.Inconclusive,
			"makes no sense"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, _ := runWithOutput(t, c.log)
			if got.Verdict != c.want || !strings.Contains(got.Message, c.says) {
				t.Errorf("the verdict is %s: %s\nwant %s with: %s", got.Verdict, got.Message, c.want, c.says)
			}
		})
	}
}
