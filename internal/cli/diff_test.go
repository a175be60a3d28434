package cli

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/report"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	first, other := storedRun(t, "driver-node-power-off"), storedRun(t, "driver-node-drain")
	code, out, message := run(t.Context(), newDiffCommand(), first, other)
	if code != ExitPass {
		t.Fatalf("exit code %d, %s", code, message)
	}
	for _, want := range []string{"\nphases\n", "\nsettings\n", "plan scenario.name\n    - driver-node-power-off\n    + driver-node-drain\n",
		"\ncounts\n", "(none)"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\nverdict\n  verdict\n") {
		t.Errorf("both passed, and that is shown as a difference:\n%s", out)
	}
	code, same, _ := run(t.Context(), newDiffCommand(), first, first)
	if code != ExitPass || !strings.Contains(same, "no difference in ") {
		t.Errorf("a run and itself: exit code %d, %s", code, same)
	}
}

func TestDiffAsJSONIsTheSameTheOtherWayRound(t *testing.T) {
	t.Parallel()
	first, other := storedRun(t, "driver-node-power-off"), storedRun(t, "executor-pod-kill")
	compare := func(a, b string) (c report.Comparison) {
		_, out, message := run(t.Context(), newDiffCommand(), a, b, "-o", "json")
		if err := json.Unmarshal([]byte(out), &c); err != nil {
			t.Fatalf("%v: %s %s", err, out, message)
		}
		return c
	}
	forth, back := compare(first, other), compare(other, first)
	if len(forth.Differences) == 0 || len(forth.Differences) != len(back.Differences) || forth.Same != back.Same {
		t.Fatalf("%d and %d differences, %d and %d the same", len(forth.Differences), len(back.Differences), forth.Same, back.Same)
	}
	for _, d := range forth.Differences {
		if d.First == d.Other || !slices.Contains(back.Differences,
			report.Difference{Part: d.Part, What: d.What, First: d.Other, Other: d.First}) {
			t.Errorf("%+v is not the same the other way round", d)
		}
	}
}

func TestDiffRefuses(t *testing.T) {
	t.Parallel()
	directory := storedRun(t, "executor-pod-kill")
	for _, args := range [][]string{{directory}, {directory, filepath.Join(directory, "absent")}, {directory, directory, "-o", "xml"}} {
		if code, _, message := run(t.Context(), newDiffCommand(), args...); code != ExitUsage || message == "" {
			t.Errorf("%v: exit code %d, %q", args, code, message)
		}
	}
}
