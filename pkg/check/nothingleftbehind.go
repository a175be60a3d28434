package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

func nothingLeftBehind() Definition {
	return Definition{
		Name: "nothingLeftBehind",
		Doc: "After the clean-up nothing of the run is left: the harness checked, and found nothing. If it could not be checked whether a " +
			"fault is undone, the result is inconclusive.",
		Args: func() any { return &NoArgs{} },
		New:  func(any) Checker { return CheckerFunc(checkLeftovers) },
	}
}

func checkLeftovers(m *model.Model) Result {
	f := NewFinding(m)
	if !f.Assume(m.Leftovers != nil, "the harness looked for leftovers after the clean-up") {
		return f.Inconclusive("nobody looked for leftovers")
	}
	found, unseen := m.Leftovers.Found, m.Leftovers.Unseen
	f.Measured, f.Bound = fmt.Sprintf("%d left", len(found)), "0 left"
	if len(unseen) > 0 {
		f.Measured += fmt.Sprintf(", %d unknown", len(unseen))
	}
	skipped := notLookedFor(m.Leftovers.Checked)
	looked := f.Assume(len(skipped) == 0, "all was looked for that a run can leave%s", wording.Except(skipped))
	cleanUp := m.Phase(model.PhaseCleanUp)
	if !f.Assume(!cleanUp.Never() && cleanUp.Before(m.LeftoversAt), "it was looked after the clean-up had begun") {
		return f.Inconclusive("leftovers were looked for before the clean-up had begun: what is there then is not left behind")
	}
	f.Assume(len(m.Leftovers.Errors) == 0, "looking succeeded%s", because(m.Leftovers.Errors))
	seen := f.Assume(len(unseen) == 0, "what each undo record that is open is about could be looked at%s", wording.Except(named(unseen)))
	if len(found) > 0 {
		names := strings.Join(named(found), ", ")
		f.Cite(m.LeftoversAt, "left behind: %s", names)
		return f.Proven("%s %s left behind: %s", wording.Count(len(found), "object"), wording.Verb(len(found), "was", "were"), names)
	}
	if !seen {
		names := strings.Join(named(unseen), ", ")
		f.Cite(m.LeftoversAt, "open, and nobody could look at what it is about: %s", names)
		return f.Inconclusive("nobody could look whether anything is left: the undoing by %s is still open; `sparkchaos cleanup` does it once "+
			"the cluster answers", names)
	}
	if looked {
		f.Cite(m.LeftoversAt, "looked for %s and found nothing", strings.Join(m.Leftovers.Checked, ", "))
	}
	return f.Held("nothing was left behind")
}

// notLookedFor returns what a run can leave and was not looked for.
func notLookedFor(checked []string) []string {
	var skipped []string
	for _, what := range [][]string{
		{history.LeftNamespaces, history.LeftContents}, {history.LeftVolumes}, {history.LeftDirectories}, {history.LeftNodes},
		{history.LeftRecords},
	} {
		if !slices.ContainsFunc(what, func(one string) bool { return slices.Contains(checked, one) }) {
			skipped = append(skipped, what[0])
		}
	}
	return skipped
}

func named(objects []history.Object) []string {
	var names []string
	for _, object := range objects {
		names = append(names, object.Kind+" "+object.Name)
	}
	return names
}

// because adds the errors to an assumption that they refute.
func because(errs []string) string {
	if len(errs) == 0 {
		return ""
	}
	return " (it failed: " + strings.Join(errs, "; ") + ")"
}
