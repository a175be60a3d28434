package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func resultEqualsBaseline() Definition {
	return Definition{
		Name: "resultEqualsBaseline", Baseline: true,
		Doc: "The application committed the results of the run without faults: nothing lost, nothing else, and no result twice with different values. " +
			"An equal commit by a second incarnation is no violation, since a batch begins anew, but it is named.",
		Args: func() any { return &NoArgs{} },
		New:  func(any) Checker { return checkerFunc(checkResult) },
	}
}

func checkResult(m *Model) Result {
	f := m.finding()
	if !f.assume(m.Baseline != nil && len(m.Baseline.Results) > 0, "the baseline has results") {
		return f.inconclusive("there is no result of a run without faults to compare with")
	}
	f.cite(m.BaselineAt, "the run without faults has %s", count(len(m.Baseline.Results), "result"))
	f.Bound = count(len(m.Baseline.Results), "result")
	commits := m.ownCommits()
	f.Measured = count(len(commits), "result")
	for _, key := range slices.Sorted(maps.Keys(commits)) {
		if r, wrong := f.compare(key, commits[key]); wrong {
			return r
		}
	}
	missing := m.diskMissing(m.writers(commits))
	complete := f.assume(len(missing) == 0, "the witness's files were read in full from the disk of each node that a driver or a writer of results ran on%s", except(missing))
	well, _, _ := m.completed()
	ended := f.assume(!well.Never(), "the application ended well")
	if lost := without(m.Baseline.Results, commits); len(lost) > 0 {
		if !complete || !ended {
			return f.inconclusive("%d of %d results are missing, but not all could be seen: %s",
				len(lost), len(m.Baseline.Results), strings.Join(f.unheld(), "; "))
		}
		f.cite(well, "the application ended")
		return f.violated("%d of %d results were lost: %s", len(lost), len(m.Baseline.Results), some(lost))
	}
	for _, key := range slices.Sorted(maps.Keys(commits)) {
		last := commits[key][len(commits[key])-1]
		f.cite(last.At, "pod %s commits %s", last.Pod, key)
		break
	}
	return f.held("all %d results equal those of the run without faults%s", len(commits), doubles(commits))
}

// ownCommits returns the workload's commits by key, each list in the order of the writers' clocks. Those of the
// baseline's processes, whose files may lie on the same disks, are left out.
func (m *Model) ownCommits() map[string][]Commit {
	own := map[string][]Commit{}
	for key, commits := range m.Ledger.Commits {
		for _, c := range commits {
			if m.Launched.Never() || c.At.At.Before(m.launchBegan()) {
				continue
			}
			own[key] = append(own[key], c)
		}
		slices.SortStableFunc(own[key], func(a, b Commit) int {
			return cmp.Or(a.At.At.Compare(b.At.At), cmp.Compare(a.At.Seq, b.At.Seq))
		})
		if len(own[key]) == 0 {
			delete(own, key)
		}
	}
	return own
}

// compare returns a violation if a result differs from the baseline's or between incarnations.
func (f *finding) compare(key string, commits []Commit) (Result, bool) {
	final := finals(commits)
	for _, c := range final[1:] {
		if c.Value != final[0].Value {
			f.cite(final[0].At, "pod %s commits %s = %s", final[0].Pod, key, final[0].Value)
			f.cite(c.At, "pod %s of another incarnation commits %s = %s", c.Pod, key, c.Value)
			return f.violated("%s was committed by two incarnations with different values: %s and %s", key, final[0].Value, c.Value), true
		}
	}
	want, known := f.model.Baseline.Results[key]
	got := final[0]
	if known && got.Value == want {
		return Result{}, false
	}
	f.cite(got.At, "pod %s commits %s = %s", got.Pod, key, got.Value)
	if !known {
		return f.violated("%s = %s was committed, but the run without faults has no such result", key, got.Value), true
	}
	return f.violated("%s is %s, in the run without faults it is %s", key, got.Value, want), true
}

// finals returns the last commit of each incarnation: within one life a result may be committed step by step.
func finals(commits []Commit) []Commit {
	var final []Commit
	for _, c := range commits {
		i := slices.IndexFunc(final, func(have Commit) bool { return have.Incarnation == c.Incarnation })
		if i < 0 {
			final = append(final, c)
			continue
		}
		final[i] = c
	}
	return final
}

// writers returns the nodes of all drivers that ran and of all that committed results.
func (m *Model) writers(commits map[string][]Commit) []string {
	nodes := nodesOf(m.Incarnations())
	for _, list := range commits {
		for _, c := range list {
			if c.Node != "" {
				nodes = append(nodes, c.Node)
			}
		}
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

func without(results map[string]string, commits map[string][]Commit) []string {
	var lost []string
	for _, key := range slices.Sorted(maps.Keys(results)) {
		if len(commits[key]) == 0 {
			lost = append(lost, key)
		}
	}
	return lost
}

// some names at most three.
func some(names []string) string {
	if len(names) <= 3 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
}

// doubles says which results several incarnations committed with equal values.
func doubles(commits map[string][]Commit) string {
	var twice []string
	for _, key := range slices.Sorted(maps.Keys(commits)) {
		if len(finals(commits[key])) > 1 {
			twice = append(twice, key)
		}
	}
	if len(twice) == 0 {
		return ""
	}
	return "; committed by more than one incarnation with equal values: " + some(twice)
}
