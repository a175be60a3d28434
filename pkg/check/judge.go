package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// verdictFormat is the version of RunVerdict.
const verdictFormat = 1

// Judge reads a history to its end and judges it by the plan that it opens with. The same bytes give the same verdict.
// It fails only if the history cannot be read: another format version, or the disk; a damaged history is inconclusive
// at best.
//
// Invariants of one's own are judged beside those of the catalogue. One that has the name of another one makes Judge fail.
func Judge(ctx context.Context, r *history.Reader, own ...Definition) (RunVerdict, error) {
	evaluation, err := NewEvaluation(own...)
	if err != nil {
		return RunVerdict{}, err
	}
	var event history.Event
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return RunVerdict{}, fmt.Errorf("judging the history: %w", ctx.Err())
		}
		if err := r.Next(&event); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return RunVerdict{}, fmt.Errorf("judging the history: %w", err)
		}
		evaluation.Observe(&event)
	}
	record := Record{SHA256: r.SHA256()}
	for _, problem := range r.Problems() {
		record.Damage = append(record.Damage, problem.Text)
	}
	if more := r.Omitted(); more > 0 {
		record.Damage = append(record.Damage, fmt.Sprintf("%d more problems", more))
	}
	return evaluation.Verdict(record), nil
}

// Record is what is known of the history as a file.
type Record struct {
	SHA256 string
	Damage []string // in words; any makes the verdict inconclusive at best
	// Open says that the history still grows: it is judged as if it ended here.
	Open bool
}

// Evaluation judges a history as its events come, so that the verdict is there with the deciding event: Observe costs
// about a microsecond, Verdict depends on the number of objects and not on that of events.
// One goroutine may use it at a time.
type Evaluation struct {
	definitions []Definition
	model       *model.Model
}

// NewEvaluation judges by all invariants of the catalogue and by one's own. It fails if two have the same name.
func NewEvaluation(own ...Definition) (*Evaluation, error) {
	known := map[string]bool{}
	all := slices.Concat(Definitions(), own)
	for _, d := range all {
		if known[d.Name] {
			return nil, fmt.Errorf("two invariants have the name %q: choose another one for your own", d.Name)
		}
		known[d.Name] = true
	}
	return &Evaluation{definitions: all, model: model.New(model.KeepTasks(wantsTasks))}, nil
}

// Observe takes the next event; its memory is not kept.
func (e *Evaluation) Observe(event *history.Event) { e.model.Observe(event) }

// Model is what was observed so far, for who shows it beside the verdict; only Observe changes it.
func (e *Evaluation) Model() *model.Model { return e.model }

// Verdict judges what was observed so far. A history that is still being recorded is inconclusive at best, unless the record says so.
func (e *Evaluation) Verdict(record Record) RunVerdict {
	m := e.model
	v := RunVerdict{
		FormatVersion: verdictFormat, Scenario: m.Run.Scenario, Seed: m.Run.Seed, RunID: m.Run.RunID, Recorded: m.Run.Harness,
		HistorySHA256: record.SHA256, Events: m.Events,
	}
	plan, err := readPlan(m.Run)
	results, failed := e.judge(plan)
	v.Faults = landings(m, plan)
	var broken []string // what may have cost evidence
	if err != nil {
		broken = append(broken, err.Error())
	}
	broken = append(broken, incomplete(m, record)...)
	foreign := foreign(m, plan)
	v.Results = doubt(m, results, slices.Concat(broken, foreign, failedEnvironment(m)), record.Open)
	broken = append(append(broken, failed...), foreign...)
	intact := len(broken) == 0 && m.End.Error == ""
	unlanded, other := unlanded(m, plan), untested(m, plan)
	v.Verdict, v.Reason = conclude(m, v.Results, slices.Concat(broken, unlanded, other))
	if plan.control != nil {
		wrong := slices.Concat(unlandedBut(m, plan, plan.control.notLanded), missedAnchors(m), other, e.undecided(plan, v.Results))
		if plan.control.endsIn == Violation { // the application is to suffer from its faults, and may do so in more ways than one
			wrong = slices.Concat(neverLanded(m, plan, nil), missedFaults(m, plan))
		}
		v.Control = plan.control.assess(v.Verdict, v.Results, m, intact, wrong)
		v.Verdict, v.Reason = v.Control.conclude(v.Reason)
	}
	return v
}

// doubt makes of results what the evidence is worth: a violation that rests on something not being seen is none in a record that may have
// lost it, one of a bound in time is none on a machine that was starved, and nothing has held to the end of a record without one.
func doubt(m *model.Model, results []Result, broken []string, open bool) []Result {
	for i := range results {
		r := &results[i]
		if why := doubted(m, *r, broken, open); why != "" {
			r.Verdict = Inconclusive
			r.Message += "; but " + why
		}
		r.Ground, r.Window = 0, Window{}
	}
	return results
}

// doubted returns why a result is not certain; empty if it is.
func doubted(m *model.Model, r Result, broken []string, open bool) string {
	switch {
	case r.Verdict == Pass && m.Ended.Never() && !open:
		return "the history has no end, and more may have happened"
	case r.Verdict != Violation || r.Ground == ByPresence:
		return ""
	case len(broken) > 0:
		return "that is not certain: " + broken[0] + wording.More(len(broken)-1)
	case r.Ground == ByTime:
		return starved(m, r.Window)
	default:
		return ""
	}
}

// judge asks each checker that the plan expects. The second result reports those that failed: the run must not pass.
func (e *Evaluation) judge(plan plan) ([]Result, []string) {
	results := make([]Result, 0, len(plan.expect))
	var failed []string
	for _, expected := range plan.expect {
		result, err := e.ask(expected, plan)
		if err != nil {
			result = Result{Verdict: Inconclusive, Message: err.Error()}
			failed = append(failed, err.Error())
		}
		result.Invariant = expected.name
		results = append(results, result)
	}
	return results, failed
}

// ask asks one checker. Without the witness, no checker is asked that judges by what it reports.
func (e *Evaluation) ask(expected expectation, plan plan) (result Result, err error) {
	checker, err := expected.checker(e.definitions)
	if err != nil {
		return Result{}, err
	}
	if plan.alone && expected.needsWitness(e.definitions) {
		f := NewFinding(e.model)
		f.Assume(false, "drivers and executors reported to the witness")
		why := "the workload runs without the witness (witness: off)"
		if plan.attached {
			why = "an application that somebody else starts runs without the witness (launcher: attach)"
		}
		return f.Inconclusive("it is judged by what drivers and executors report, and %s", why), nil
	}
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("the checker of %s failed: panic: %v", expected.name, reason)
		}
	}()
	return checker.Check(e.model), nil
}

// conclude weighs the results: a violation outranks an error, an error what is inconclusive, and that a pass.
func conclude(m *model.Model, results []Result, trouble []string) (Verdict, string) {
	by := map[Verdict][]Result{}
	for _, r := range results {
		by[r.Verdict] = append(by[r.Verdict], r)
	}
	switch {
	case len(by[Violation]) > 0:
		return Violation, sum(by[Violation])
	case m.End.Error != "":
		return Error, "the cluster or the environment failed: " + m.End.Error
	case len(trouble) > 0:
		return Inconclusive, trouble[0] + wording.More(len(trouble)-1)
	case len(by[Inconclusive]) > 0:
		return Inconclusive, sum(by[Inconclusive])
	case len(results) == 0 || len(by[Pass]) != len(results):
		return Inconclusive, "the plan expects nothing that could be judged"
	case len(results) == 1:
		return Pass, results[0].Invariant + " held"
	default:
		return Pass, fmt.Sprintf("all %d invariants held", len(results))
	}
}

func sum(results []Result) string {
	return results[0].Invariant + ": " + results[0].Message + wording.More(len(results)-1)
}

// incomplete returns why the record cannot be trusted to tell everything, whatever the faults did.
func incomplete(m *model.Model, record Record) []string {
	var why []string
	for _, damage := range record.Damage {
		why = append(why, "the history is damaged: "+damage)
	}
	for _, problem := range m.Problems {
		why = append(why, "the record has a problem: "+problem.Text)
	}
	for _, conflict := range m.Conflicts {
		why = append(why, fmt.Sprintf("record %d of pod %s came twice with different content: a second process ran in the pod, or somebody "+
			"wrote in its name", conflict.Seq, conflict.PodUID))
	}
	switch {
	case m.Ended.Never() && record.Open:
	case m.Ended.Never():
		why = append(why, "the history has no end: the harness was killed or could not write, or the run is still in progress")
	case m.End.Interrupted:
		why = append(why, "the run was interrupted")
	}
	return why
}

// failedEnvironment returns why what was not seen proves nothing: the run could not be carried out.
func failedEnvironment(m *model.Model) []string {
	if m.End.Error == "" {
		return nil
	}
	return []string{"the cluster or the environment failed: " + m.End.Error}
}

// undecided returns the results that are inconclusive although no fault is needed to judge them: they compare with a run without faults, or
// count from the launch.
func (e *Evaluation) undecided(plan plan, results []Result) []string {
	var why []string
	for i, expected := range plan.expect {
		if results[i].Verdict == Inconclusive && !expected.needsFault(e.definitions) {
			why = append(why, results[i].Invariant+" is inconclusive: "+results[i].Message)
		}
	}
	return why
}

// unlanded returns which faults of the plan were not brought about as planned.
func unlanded(m *model.Model, plan plan) []string {
	return slices.Concat(unlandedBut(m, plan, nil), missedAnchors(m))
}

// unlandedBut is unlanded without the faults that are named, and without missed anchors.
func unlandedBut(m *model.Model, plan plan, but []string) []string {
	why := neverLanded(m, plan, but)
	for _, fault := range m.Faults {
		if !fault.Landed.Never() && (!fault.NotRecovered.Never() && !fault.Undone() || plan.recovers[fault.Name] && fault.Recovered.Never()) {
			why = append(why, fmt.Sprintf("fault %s was not recovered: %s", fault.Name, failure(fault)))
		}
	}
	for _, fault := range m.Faults {
		if fault.Lapsed != "" {
			why = append(why, fmt.Sprintf("fault %s landed, but did not hold until it was undone: %s", fault.Name, fault.Lapsed))
		}
	}
	return why
}

// neverLanded returns which faults of the plan did not land, without those that are named.
func neverLanded(m *model.Model, plan plan, but []string) []string {
	var why []string
	for _, name := range plan.injects {
		if fault := m.Fault(name); !slices.Contains(but, name) && (fault == nil || fault.Landed.Never()) {
			why = append(why, fmt.Sprintf("fault %s did not land: %s", name, failure(fault)))
		}
	}
	return why
}

// missedAnchors returns the anchors that did not come.
func missedAnchors(m *model.Model) []string {
	var why []string
	for _, missed := range m.Missed {
		seen := missed.Data.Seen
		if seen == "" {
			seen = "nothing"
		}
		why = append(why, fmt.Sprintf("the anchor of step %s did not come within %s; seen instead: %s", missed.Data.Step,
			wording.Duration(missed.Data.Deadline), seen))
	}
	return why
}

func failure(f *model.Fault) string {
	if f == nil {
		return "it was never injected"
	}
	if reason := strings.TrimSpace(f.Reason); reason != "" {
		return reason
	}
	return "the history does not say why"
}

// landings reports whether each fault landed and was undone, those of the plan first.
func landings(m *model.Model, plan plan) []Landed {
	var all []Landed
	known := map[string]bool{}
	for _, name := range plan.injects {
		known[name] = true
		fault := m.Fault(name)
		if fault == nil {
			all = append(all, Landed{Fault: name, Kind: plan.kinds[name], Reason: failure(fault)})
			continue
		}
		all = append(all, landing(fault))
	}
	for _, fault := range m.Faults {
		if !known[fault.Name] {
			all = append(all, landing(fault))
		}
	}
	return all
}

func landing(f *model.Fault) Landed {
	landed := Landed{
		Fault: f.Name, Kind: f.Kind, Landed: !f.Landed.Never(), Lapsed: f.Lapsed != "", Recovered: f.Undone(), Evidence: f.Landed.Seq,
	}
	if landed.Lapsed {
		landed.Reason = f.Lapsed
	}
	if !landed.Landed || !f.NotRecovered.Never() && !landed.Recovered {
		landed.Reason = failure(f)
	}
	return landed
}
