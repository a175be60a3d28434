package check

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// plannedOutputs returns the outputs that the workload of a run names; nil if there are none, or the plan cannot be read, which is told
// elsewhere.
func plannedOutputs(m *model.Model) []scenario.Output {
	var plan struct {
		Workload struct {
			Output []scenario.Output `json:"output"`
		} `json:"workload"`
	}
	if json.Unmarshal(m.Run.Plan, &plan) != nil {
		return nil
	}
	return plan.Workload.Output
}

// baselineOutput returns what was read of an output after the run without faults.
func baselineOutput(m *model.Model, name string) (history.OutputData, bool) {
	if m.Baseline == nil {
		return history.OutputData{}, false
	}
	i := slices.IndexFunc(m.Baseline.Outputs, func(o history.OutputData) bool { return o.Name == name })
	if i < 0 {
		return history.OutputData{}, false
	}
	return m.Baseline.Outputs[i], true
}

// unread returns why an output is not known; empty if it is.
func unread(o history.OutputData, read bool) string {
	switch {
	case !read:
		return " (nobody read it)"
	case o.Error != "":
		return " (" + o.Error + ")"
	default:
		return ""
	}
}

// assumeRead states that an output was read, in a state that no longer changed. It also returns why it is not known; empty if it is.
func (f *Finding) assumeRead(name string) (model.Output, string) {
	output, read := f.model.Outputs[name]
	f.Cite(output.At, "output %s is read%s", name, cmp.Or(unread(output.Data, read), fmt.Sprintf(": %s", rowsOf(output.Data))))
	why := unread(output.Data, read)
	if !f.Assume(why == "", "output %s was read%s", name, why) {
		return output, why
	}
	f.Assume(len(writersAt(f.model, output)) == 0, "no driver and no executor was alive any more when output %s was read%s",
		name, wording.Except(writersAt(f.model, output)))
	if files := output.Data.Files; files != nil && files.OldestMillis > 0 {
		// The storage's clock may have whole seconds.
		older := ""
		if time.UnixMilli(files.OldestMillis).Add(time.Second).Before(f.model.LaunchBegan()) {
			older = " (one is older: write $(SPARKCHAOS_RUN_ID) into its path)"
		}
		f.Assume(older == "", "all files of output %s were written in this run%s", name, older)
	}
	return output, ""
}

// writersAt returns the drivers and executors that were alive when the reading of an output began.
func writersAt(m *model.Model, output model.Output) []string {
	pod := m.Pods[output.Reader]
	if pod == nil {
		return []string{"known: the pod that read it was not seen"}
	}
	from := pod.Added
	var writers, alive []string
	for _, incarnation := range m.Incarnations() {
		writers = append(writers, incarnation.UID)
	}
	for _, uid := range slices.Sorted(maps.Keys(m.Pods)) {
		if executor := m.Pods[uid]; executor.Role == scenario.OfExecutor || executor.Component == scenario.OfExecutor {
			writers = append(writers, uid)
		}
	}
	for _, uid := range writers {
		if writer := m.Pods[uid]; writer != nil && (writer.Gone().Never() || from.Before(writer.Gone())) {
			alive = append(alive, writer.Name)
		}
	}
	for _, uid := range slices.Sorted(maps.Keys(m.Processes)) {
		if p := m.Processes[uid]; len(p.Alive) > 0 && p.Alive.Last().At.Add(-p.Alive.Last().Slack).After(from.At) {
			alive = append(alive, p.PodName)
		}
	}
	return wording.Distinct(alive)
}

func rowsOf(o history.OutputData) string { return count64(o.Rows, "row") }

func count64(n int64, thing string) string { return wording.Count(int(n), thing) }

// checkOutputs compares the outputs of the application with those of the baseline.
func checkOutputs(m *model.Model, planned []scenario.Output) Result {
	results := make([]Result, 0, len(planned))
	for _, output := range planned {
		results = append(results, checkOutput(m, output))
	}
	return joined(results)
}

// joined returns one result for several: the worst verdict, with what is said of those that have it, and the evidence of all of them.
func joined(results []Result) Result {
	rank := func(v Verdict) int { return slices.Index([]Verdict{Pass, Inconclusive, Violation}, v) }
	worst := slices.MaxFunc(results, func(a, b Result) int { return cmp.Compare(rank(a.Verdict), rank(b.Verdict)) })
	all := Result{Verdict: worst.Verdict, Ground: worst.Ground, Window: worst.Window}
	var messages, bounds, measured []string
	for _, r := range results {
		if r.Verdict == worst.Verdict {
			messages = append(messages, r.Message)
		}
		bounds, measured = append(bounds, nonEmpty(r.Bound)...), append(measured, nonEmpty(r.Measured)...)
		for _, a := range r.Assumptions {
			if !slices.Contains(all.Assumptions, a) {
				all.Assumptions = append(all.Assumptions, a)
			}
		}
		all.Evidence = append(all.Evidence, r.Evidence...)
		for _, line := range r.Narrative {
			if !slices.Contains(all.Narrative, line) {
				all.Narrative = append(all.Narrative, line)
			}
		}
	}
	all.Bound, all.Measured = strings.Join(bounds, ", "), strings.Join(measured, ", ")
	f := Finding{Result: all}
	return f.close(worst.Verdict, strings.Join(messages, "; "))
}

// checkOutput compares one output with that of the baseline.
func checkOutput(m *model.Model, planned scenario.Output) Result {
	f, name := NewFinding(m), planned.Name()
	wanted, known := baselineOutput(m, name)
	why := unread(wanted, known)
	f.Cite(m.BaselineAt, "in the run without faults, output %s has %s", name, cmp.Or(strings.Trim(why, " ()"), rowsOf(wanted)))
	if !f.Assume(why == "", "output %s was read after the run without faults%s", name, why) {
		return f.Inconclusive("output %s cannot be compared: it is not known what it is without faults%s", name, why)
	}
	f.Bound = rowsOf(wanted)
	foreign := foreignBaseline(m)
	f.Assume(foreign == "", "the baseline is one of this workload and this image%s", because(nonEmpty(foreign)))
	output, why := f.assumeRead(name)
	if why != "" {
		return f.Inconclusive("output %s cannot be compared: it was not read%s", name, why)
	}
	f.Measured = rowsOf(output.Data)
	keyed := planned.Compare == scenario.CompareKeys
	d := differenceOf(wanted, output.Data, keyed)
	well, _, _ := completed(m)
	f.Cite(well, "the application ended well")
	if d.doubled.count == 0 && d.fresh.count == 0 { // what is there too often is no better if more is to come
		f.Assume(!well.Never(), "the application ended well")
	}
	if d.none() {
		return f.Held("output %s has the %s of the run without faults", name, rowsOf(wanted))
	}
	if columns := rounded(wanted, output.Data, d, keyed); len(columns) > 0 {
		return f.Inconclusive("output %s has the %s of the run without faults, but floating-point numbers in %s differ by so little that the "+
			"order in which they were added may be why: round them in the application, or leave the column out with ignore", name, rowsOf(wanted),
			wording.Some(columns))
	}
	return f.Violated("output %s has %s, without faults it has %s: %s", name, rowsOf(output.Data), rowsOf(wanted), d)
}
