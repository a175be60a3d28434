package check

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

func resultEqualsBaseline() Definition {
	return Definition{
		Name: "resultEqualsBaseline", Baseline: true,
		Doc: "The application committed the same results as the run without faults: none lost, none added, and none with two values. The " +
			"outputs that the workload names have the same rows as in that run: none lost, duplicated, changed or added. A second incarnation " +
			"may commit the same value again, which is reported but is not a violation; if both were alive at that time, the result may exist " +
			"twice, and the verdict is inconclusive.",
		Args: func() any { return &NoArgs{} },
		New:  func(any) Checker { return CheckerFunc(checkResult) },
	}
}

// checkResult compares what the application committed, and the outputs that the workload names.
func checkResult(m *model.Model) Result {
	outputs := plannedOutputs(m)
	switch {
	case len(outputs) == 0:
		return checkLedger(m)
	case m.Baseline != nil && len(m.Baseline.Results) == 0:
		return checkOutputs(m, outputs)
	default:
		return joined([]Result{checkLedger(m), checkOutputs(m, outputs)})
	}
}

func checkLedger(m *model.Model) Result {
	f := NewFinding(m)
	if !f.Assume(m.Baseline != nil && len(m.Baseline.Results) > 0, "the baseline has results") {
		return f.Inconclusive("there is no result of a run without faults to compare with")
	}
	f.Cite(m.BaselineAt, "the run without faults has %s", wording.Count(len(m.Baseline.Results), "result"))
	f.Bound = wording.Count(len(m.Baseline.Results), "result")
	wrong := foreignBaseline(m)
	f.Assume(wrong == "", "the baseline is one of this workload and this image%s", because(nonEmpty(wrong)))
	commits, strangers := ownCommits(m)
	f.Measured = wording.Count(len(commits), "result")
	f.AssumeDrivers(m.Incarnations())
	f.AssumeDisks(writersOf(m, commits), "that a driver or a writer of results ran on")
	f.Assume(len(strangers) == 0, "each result was committed by an incarnation of this run's driver%s", wording.Except(strangers))
	well, _, _ := completed(m)
	for _, key := range slices.Sorted(maps.Keys(commits)) {
		if r := f.compare(key, commits[key]); r != nil {
			if certain := f.certainlyWrong(wrong, commits); r.Verdict != Violation && certain != nil {
				return *certain
			}
			return *r
		}
	}
	f.Assume(!well.Never(), "the application ended well")
	if lost := without(m.Baseline.Results, commits); len(lost) > 0 {
		f.Cite(well, "the application ended")
		return f.Violated("%d of %s %s lost: %s", len(lost), wording.Count(len(m.Baseline.Results), "result"),
			wording.Verb(len(lost), "was", "were"), wording.Some(lost))
	}
	twice, alone := doubles(m, commits)
	f.Assume(len(alone) == 0, "no result was committed by two incarnations that were both alive%s", wording.Except(alone))
	for _, key := range slices.Sorted(maps.Keys(commits)) {
		last := commits[key][len(commits[key])-1]
		f.Cite(last.At, "pod %s commits %s", last.Pod, key)
		break
	}
	return f.Held("%s %s of the run without faults%s", wording.All(len(commits), "result"),
		wording.Verb(len(commits), "equals that", "equal those"), twice)
}

// foreignBaseline returns why the baseline may be one of another workload or image; empty if it is this one's. One that this run made is
// its own; one from the cache must have been made of what this run runs.
func foreignBaseline(m *model.Model) string {
	b := m.Baseline
	if len(b.Inputs) == 0 {
		if b.Cached {
			return "it comes from the cache, and the history does not say what it was made of"
		}
		return ""
	}
	digest := sha256.Sum256(b.Inputs)
	if key := hex.EncodeToString(digest[:8]); key != b.Key {
		return fmt.Sprintf("its key is %s, what it was made of gives %s", b.Key, key)
	}
	var made history.BaselineInputs
	var run struct {
		Workload struct {
			Application json.RawMessage `json:"application"`
			Executors   json.RawMessage `json:"executors"`
			Conf        json.RawMessage `json:"conf"`
			Driver      struct {
				Template json.RawMessage `json:"template"`
			} `json:"driver"`
			Output json.RawMessage `json:"output"`
		} `json:"workload"`
	}
	if err := errors.Join(json.Unmarshal(b.Inputs, &made), json.Unmarshal(m.Run.Plan, &run)); err != nil {
		return "what it was made of cannot be read: " + err.Error()
	}
	for _, part := range []struct {
		name       string
		made, runs json.RawMessage
	}{
		{"application", made.Application, run.Workload.Application},
		{"executors", made.Executors, run.Workload.Executors},
		{"conf", made.Conf, run.Workload.Conf},
		{"template of the driver's pod", made.DriverTemplate, run.Workload.Driver.Template},
		{"output", made.Output, run.Workload.Output},
	} {
		if !sameJSON(part.made, part.runs) {
			return "its " + part.name + " is another one"
		}
	}
	if made.Image != m.Workload.Image || made.ImageID != m.Workload.ImageID {
		return fmt.Sprintf("it was made with the image %s %s, the run has %s %s", made.Image, made.ImageID, m.Workload.Image, m.Workload.ImageID)
	}
	if staged := m.Artifacts.Upload.SHA256; staged != "" && !strings.Contains(made.Artifacts, staged) {
		return fmt.Sprintf("it was made with other artifacts, %.12q instead of %.12q", made.Artifacts, staged)
	}
	readsSource := bytes.Contains(slices.Concat(run.Workload.Application, run.Workload.Conf), []byte("$(SPARKCHAOS_SOURCE_"))
	if (readsSource || made.Seed != 0) && made.Seed != m.Run.Seed {
		return fmt.Sprintf("it was made with the seed %d, the run has %d", made.Seed, m.Run.Seed)
	}
	return ""
}

// sameJSON reports whether two JSON texts mean the same; nothing and null mean the same.
func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	if len(a) > 0 && json.Unmarshal(a, &x) != nil || len(b) > 0 && json.Unmarshal(b, &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}

// ownCommits returns the commits of this run's drivers by key, each list in the order of the writers' clocks, and the pods of others that
// committed after the launch. Commits from before the launch are the baseline's, whose files may lie on the same disks.
func ownCommits(m *model.Model) (map[string][]model.Commit, []string) {
	writers := map[string]bool{}
	for _, incarnation := range m.Incarnations() {
		writers[incarnation.UID] = incarnation.Pod != nil
	}
	own := map[string][]model.Commit{}
	var strangers []string
	for key, commits := range m.Ledger.Commits {
		for _, c := range commits {
			if m.Launched.Never() || c.At.At.Before(m.LaunchBegan()) {
				continue
			}
			if !writers[c.Incarnation] || !writes(m, c) {
				strangers = append(strangers, c.Pod)
				continue
			}
			own[key] = append(own[key], c)
		}
		slices.SortStableFunc(own[key], func(a, b model.Commit) int {
			return cmp.Or(a.At.At.Compare(b.At.At), cmp.Compare(a.Record, b.Record), cmp.Compare(a.Incarnation, b.Incarnation))
		})
		if len(own[key]) == 0 {
			delete(own, key)
		}
	}
	return own, wording.Distinct(strangers)
}

// writes reports whether a commit was written by the incarnation that it names, or by an executor of it.
func writes(m *model.Model, c model.Commit) bool {
	if c.PodUID == c.Incarnation {
		return true
	}
	pod := m.Pods[c.PodUID]
	return pod != nil && pod.Owner.Kind == "Pod" && pod.Owner.UID == c.Incarnation
}

// certainlyWrong returns a violation if the last value of the last driver that committed a result is not the baseline's, all of whose
// records are known: what other drivers did, on whatever disk, makes it no better. foreign is why the baseline is another one's.
func (f *Finding) certainlyWrong(foreign string, commits map[string][]model.Commit) *Result {
	drivers := map[string]*model.Incarnation{}
	for _, incarnation := range f.model.Incarnations() {
		drivers[incarnation.UID] = incarnation
	}
	for _, key := range slices.Sorted(maps.Keys(commits)) {
		final := finals(commits[key])
		last := slices.MaxFunc(final, func(a, b model.Commit) int {
			return cmp.Compare(drivers[a.Incarnation].Number, drivers[b.Incarnation].Number)
		})
		differs := slices.ContainsFunc(final, func(c model.Commit) bool { return c.Value != last.Value })
		if want, known := f.model.Baseline.Results[key]; foreign != "" || !known || last.Value == want || differs {
			continue
		}
		v := NewFinding(f.model)
		v.Bound, v.Measured = f.Bound, f.Measured
		v.Cite(f.model.BaselineAt, "the run without faults has %s", wording.Count(len(f.model.Baseline.Results), "result"))
		v.Assume(true, "the baseline is one of this workload and this image")
		since := slices.DeleteFunc(f.model.Incarnations(), func(i *model.Incarnation) bool { return i.Number < drivers[last.Incarnation].Number })
		v.AssumeDrivers(since)
		if !v.AssumeDisks(append(f.model.NodesOf(since), last.Node), "that the last writer of "+key+", or a later driver, ran on") ||
			len(v.unheld()) > 0 {
			continue
		}
		return v.compare(key, []model.Commit{last})
	}
	return nil
}

// compare returns a violation if a result differs from the baseline's or between incarnations; nil if it does not.
func (f *Finding) compare(key string, commits []model.Commit) *Result {
	final := finals(commits)
	for _, c := range final[1:] {
		if c.Value != final[0].Value {
			f.Cite(final[0].At, "pod %s commits %s = %s", final[0].Pod, key, final[0].Value)
			f.Cite(c.At, "pod %s of another incarnation commits %s = %s", c.Pod, key, c.Value)
			r := f.Violated("%s was committed by two incarnations with different values: %s and %s", key, final[0].Value, c.Value)
			return &r
		}
	}
	want, known := f.model.Baseline.Results[key]
	got := final[0]
	if known && got.Value == want {
		return nil
	}
	f.Cite(got.At, "pod %s commits %s = %s", got.Pod, key, got.Value)
	r := f.Violated("%s is %s, in the run without faults it is %s", key, got.Value, want)
	if !known {
		r = f.Violated("%s = %s was committed, but the run without faults has no such result", key, got.Value)
	}
	return &r
}

// finals returns the last commit of each incarnation: within one life a result may be committed step by step.
func finals(commits []model.Commit) []model.Commit {
	var final []model.Commit
	for _, c := range commits {
		i := slices.IndexFunc(final, func(have model.Commit) bool { return have.Incarnation == c.Incarnation })
		if i < 0 {
			final = append(final, c)
			continue
		}
		final[i] = c
	}
	return final
}

// writersOf returns the nodes of all drivers that ran and of all that committed results.
func writersOf(m *model.Model, commits map[string][]model.Commit) []string {
	nodes := m.NodesOf(m.Incarnations())
	for _, list := range commits {
		for _, c := range list {
			if c.Node != "" {
				nodes = append(nodes, c.Node)
			}
		}
	}
	return wording.Distinct(nodes)
}

func without(results map[string]string, commits map[string][]model.Commit) []string {
	var lost []string
	for _, key := range slices.Sorted(maps.Keys(results)) {
		if len(commits[key]) == 0 {
			lost = append(lost, key)
		}
	}
	return lost
}

// doubles says which results several incarnations committed with equal values, and names those that they committed while another writer
// was alive: nobody can tell then whether the result stands once or twice.
func doubles(m *model.Model, commits map[string][]model.Commit) (said string, together []string) {
	drivers := map[string]*model.Incarnation{}
	for _, incarnation := range m.Incarnations() {
		drivers[incarnation.UID] = incarnation
	}
	var twice []string
	for _, key := range slices.Sorted(maps.Keys(commits)) {
		final := finals(commits[key])
		if len(final) < 2 {
			continue
		}
		twice = append(twice, key)
		for _, a := range final {
			for _, b := range final {
				if a.Incarnation != b.Incarnation && aliveAt(drivers[a.Incarnation], m, b.At) {
					together = append(together, key)
				}
			}
		}
	}
	if len(twice) == 0 {
		return "", nil
	}
	return "; committed by more than one incarnation with equal values: " + wording.Some(twice), wording.Distinct(together)
}

// aliveAt reports whether the driver may have been alive when another process told something.
func aliveAt(i *model.Incarnation, m *model.Model, at model.Moment) bool {
	return i != nil && i.Driver != nil && m.Life(i.Driver).Shift(at.Slack+m.Slack(i.Driver)).Covers(at.At)
}

// certainlyAliveAt reports whether the driver was alive, however wrong the clocks are, when another one told something.
func certainlyAliveAt(i *model.Incarnation, m *model.Model, teller *model.Incarnation, at model.Moment) bool {
	if i == nil || i.Driver == nil || teller == nil || teller.Driver == nil {
		return false
	}
	return m.Life(i.Driver).Shift(-m.Slack(i.Driver) - m.Slack(teller.Driver)).Covers(at.At)
}

// nonEmpty returns a list of the text, empty if there is none.
func nonEmpty(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}
