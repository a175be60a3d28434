package check_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// invoicesUnique is the definition of a team's own invariant: a scenario names it in expect, like those of the catalogue.
func invoicesUnique() check.Definition {
	return check.Definition{
		Name: "invoicesUnique",
		Doc:  "Each invoice is written by one incarnation of the driver alone.",
		Args: func() any { return &check.NoArgs{} },
		New:  func(any) check.Checker { return check.CheckerFunc(checkInvoices) },
	}
}

// checkInvoices judges by the ledger, to which the application reports each invoice that it has written.
func checkInvoices(m *model.Model) check.Result {
	f := check.NewFinding(m)
	incarnations := m.Incarnations()
	f.AssumeDisks(m.NodesOf(incarnations), "that a driver ran on")
	if !f.Assume(len(incarnations) > 1, "a driver was replaced") {
		return f.Inconclusive("there was one driver only, so nothing could be written twice")
	}
	invoices := 0
	for _, key := range slices.Sorted(maps.Keys(m.Ledger.Commits)) {
		if !strings.HasPrefix(key, "invoice/") {
			continue
		}
		invoices++
		first := m.Ledger.Commits[key][0]
		for _, again := range m.Ledger.Commits[key] {
			if again.Incarnation != first.Incarnation {
				f.Cite(first.At, "pod %s writes %s", first.Pod, key)
				f.Cite(again.At, "pod %s writes it again", again.Pod)
				return f.Proven("%s was written by %s and by %s", key, first.Pod, again.Pod)
			}
		}
	}
	f.Cite(m.Horizon(), "%d invoices were written by then", invoices)
	return f.Held("each of %d invoices was written by one driver", invoices)
}

// An invariant of one's own is a Definition that is given to Judge. It is a function of the model alone.
func Example_ownInvariant() {
	story := historytest.PowerOff(historytest.Expect("invoicesUnique", map[string]any{}))
	story.Drivers[0].Commits, story.Drivers[0].Committed = map[string]string{"invoice/1": "100 EUR"}, story.Drivers[0].FirstTask
	story.Drivers[1].Commits = map[string]string{"invoice/1": "100 EUR", "invoice/2": "7 EUR"}
	content, err := story.Bytes()
	if err != nil {
		fmt.Println(err)
		return
	}
	verdict, err := check.Judge(context.Background(), history.NewReader(bytes.NewReader(content)), invoicesUnique())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, result := range verdict.Results {
		fmt.Printf("%s: %s: %s\n", result.Invariant, result.Verdict, result.Message)
		for _, line := range result.Narrative {
			fmt.Printf("  %s\n", line.Text)
		}
	}
	// Output:
	// invoicesUnique: violation: invoice/1 was written by driver-d1 and by driver-d2
	//   pod driver-d1 writes invoice/1
	//   pod driver-d2 writes it again
}
