package check

import (
	"fmt"
	"slices"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

const invariantShuffleSurvives = "shuffleSurvives"

// Which map outputs may be computed again.
const (
	RecomputedNone = "none" // none: what the fault hit is served without its executor
	RecomputedLost = "lost" // exactly those that the fault hit
)

// ShuffleArgs are the arguments of shuffleSurvives.
type ShuffleArgs struct {
	// Recomputed is none (what the fault hit is read without being computed again) or lost (exactly what it hit is computed again).
	Recomputed string `json:"recomputed" enum:"none|lost"`
}

func shuffleSurvives() Definition {
	return Definition{
		Name: invariantShuffleSurvives,
		Doc: "Of the map outputs that were complete when a fault hit an executor, its node or the node's shuffle service, either none is " +
			"computed again, or exactly those that the fault hit, while tasks that started after the fault read the shuffle successfully.",
		Args: func() any { return &ShuffleArgs{} },
		Problems: func(args any) []string {
			if r := args.(*ShuffleArgs).Recomputed; r != RecomputedNone && r != RecomputedLost {
				return []string{fmt.Sprintf("recomputed is %q: write {recomputed: %s} or {recomputed: %s}", r, RecomputedNone, RecomputedLost)}
			}
			return nil
		},
		New: func(args any) Checker {
			allowed := args.(*ShuffleArgs).Recomputed
			return CheckerFunc(func(m *model.Model) Result { return checkShuffle(m, allowed) })
		},
	}
}

func checkShuffle(m *model.Model, allowed string) Result {
	f := NewFinding(m)
	f.Bound = allowed
	s := newShuffleStory(m)
	f.Assume(len(s.drivers) == 0, "one driver ran to the end: another one computes everything again%s", wording.Except(s.drivers))
	f.Assume(len(s.strangers) == 0, "the pod of each executor with map output is known%s", wording.Except(s.strangers))
	f.Assume(!s.speculative, "no map task ran speculatively")
	f.Assume(m.SawAll("Pod"), "no change of a pod was missed")
	f.AssumeDrivers(s.incarnations)
	f.AssumeDisks(m.NodesOf(s.incarnations), "that a driver ran on")
	if !f.Assume(len(s.hits) > 0, "a fault took away what served map output of a stage that was complete") {
		return f.Inconclusive("no fault took away what served map output of a stage that was complete, so nothing had to survive")
	}
	f.Measured = fmt.Sprintf("%d of %d again", len(s.again()), s.outputs())
	if allowed == RecomputedLost {
		f.Bound = fmt.Sprintf("%d %s", s.struck(), allowed)
	}
	for _, r := range s.reruns {
		if r.ownLoss() {
			continue // a rerun that is a violation outranks it
		}
		if result := f.judgeRerun(r, allowed); result != nil {
			return *result
		}
	}
	if i := slices.IndexFunc(s.reruns, rerun.ownLoss); i >= 0 {
		r := s.reruns[i]
		f.Cite(r.task.Started, "executor %s computes %s again", r.task.Executor, r.output)
		return f.Inconclusive("%s was computed again after executor %s, which had it, was lost, though no fault had hit that executor: "+
			"what it lost cannot be attributed to a fault", r.output, r.before.Executor)
	}
	for _, h := range s.hits {
		reader := h.reader(m)
		if !f.Assume(reader != nil, "a task that started after %s had landed, where it did not hit, read the shuffle to a good end",
			h.fault.Name) {
			return f.Inconclusive("no task that started after %s had landed, where it did not hit, read the shuffle to a good end, so nobody "+
				"needed the map output", h.fault.Name)
		}
		if left := h.notAgain(); allowed == RecomputedLost && len(left) > 0 {
			return f.Inconclusive("%d of the %s that %s hit %s not computed again: not lost, or empty and not needed (whether anything is "+
				"missing is "+
				"for the result to show)", len(left), wording.Count(len(h.struck), "map output"), h.fault.Name, wording.Verb(len(left), "was", "were"))
		}
		h.cite(f, reader)
	}
	return f.shuffleHeld(s, allowed)
}

// judgeRerun judges a map output that was computed again; nil if it may have been.
func (f *Finding) judgeRerun(r rerun, allowed string) *Result {
	if r.after == nil {
		result := f.Inconclusive("%s was computed again before any fault hit map output: what came later cannot be attributed to a fault",
			r.output)
		return &result
	}
	if allowed == RecomputedLost && r.explained {
		return nil
	}
	f.Cite(r.before.Ended, "executor %s has computed %s", r.before.Executor, r.output)
	f.Cite(r.after.fault.Began, "%s hits %s", r.after.fault.Name, r.after.what())
	f.Cite(r.task.Started, "executor %s computes %s again", r.task.Executor, r.output)
	if allowed == RecomputedNone {
		result := f.Violated("%s was computed again after %s, as were %d more", r.output, r.after.fault.Name, len(r.story.again())-1)
		return &result
	}
	result := f.Violated("%s was computed again after %s, which had not hit it on executor %s", r.output, r.after.fault.Name,
		r.before.Executor)
	return &result
}

func (f *Finding) shuffleHeld(s *shuffleStory, allowed string) Result {
	if allowed == RecomputedNone {
		return f.Held("none of %s was computed again, though %d %s hit; there %s %s", wording.Count(s.outputs(), "map output"), s.struck(),
			wording.Verb(s.struck(), "was", "were"), wording.Verb(s.fetchFailures(), "was", "were"),
			wording.Count(s.fetchFailures(), "failed fetch attempt"))
	}
	return f.Held("exactly the %d of %s that %[3]s hit %[3]s computed again, after %[4]s", s.struck(),
		wording.Count(s.outputs(), "map output"),
		wording.Verb(s.struck(), "was", "were"), wording.Count(s.fetchFailures(), "failed fetch attempt"))
}
