package report

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/check"
)

// RenderRuns returns a table of several runs for a terminal, the worst first, under a line that counts them.
func RenderRuns(runs []Run, style Style) ([]byte, error) {
	out := &bytes.Buffer{}
	fmt.Fprintln(out, tally(runs))
	t := newGrid(style, 0, "Verdict", "Scenario", "Seed", "Took", "Why", "Run directory")
	for _, run := range worstFirst(runs) {
		why := ""
		if run.Verdict.Verdict != check.Pass {
			why = clean(run.Verdict.Reason)
		}
		duration := ""
		if run.Info.Took > 0 {
			duration = took(run.Info.Took)
		}
		t.add(outcomeOf(run.Verdict.Verdict), strings.ToLower(headline(run.Verdict, run.Info)), clean(run.name()), fmt.Sprint(run.Verdict.Seed),
			duration, why, clean(run.Info.Directory))
	}
	if err := t.render(out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// name returns the scenario of a run and, of several runs of one plan, which one it is.
func (r Run) name() string {
	return strings.TrimSpace(r.Verdict.Scenario + " " + r.Info.Environment.Repetition.String())
}

// worstFirst returns runs in the order of what they mean for a CI job.
func worstFirst(runs []Run) []Run {
	return slices.SortedStableFunc(slices.Values(runs), func(a, b Run) int {
		return -cmp.Compare(outcomeOf(a.Verdict.Verdict).severity(), outcomeOf(b.Verdict.Verdict).severity())
	})
}

// tally counts runs by their verdicts.
func tally(runs []Run) string {
	count := map[check.Verdict]int{}
	for _, run := range runs {
		count[run.Verdict.Verdict]++
	}
	var words []string
	for _, verdict := range []check.Verdict{check.Violation, check.Error, check.Inconclusive, check.Pass} {
		if n := count[verdict]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, verdict))
		}
	}
	if len(words) == 0 {
		words = []string{"nothing was judged"}
	}
	return wording.Count(len(runs), "run") + ": " + strings.Join(words, ", ")
}
