package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/check"
)

// Run is a run that was judged.
type Run struct {
	Verdict check.RunVerdict
	Info    RunInfo
}

// planRuns are the runs of one plan: of a scenario with a seed, on a kind of clusters.
type planRuns struct {
	runs   []Run
	suffix string // for names, where a report has several plans of the scenario
}

type planKey struct {
	scenario, cluster string
	seed              uint64
}

func (r Run) plan() planKey {
	return planKey{r.Verdict.Scenario, r.Info.Environment.ClusterKind, r.Verdict.Seed}
}

// byPlan groups runs by their plans, in the order in which these come.
func byPlan(runs []Run) []planRuns {
	var groups []planRuns
	at, plans := map[planKey]int{}, map[string]int{}
	for _, run := range runs {
		key := run.plan()
		if _, known := at[key]; !known {
			at[key] = len(groups)
			plans[key.scenario]++
			groups = append(groups, planRuns{})
		}
		groups[at[key]].runs = append(groups[at[key]].runs, run)
	}
	for i := range groups {
		if key := groups[i].runs[0].plan(); plans[key.scenario] > 1 {
			groups[i].suffix = fmt.Sprintf(" [seed %d, %s]", key.seed, orUnknown(clean(key.cluster)))
		}
	}
	return groups
}

// took returns how long the runs took together.
func (p planRuns) took() time.Duration {
	var sum time.Duration
	for _, run := range p.runs {
		sum += run.Info.Took
	}
	return sum
}

// attempt is what one run says about a case.
type attempt struct {
	entry
	run   Run
	proof []string // what was observed as a fault landed
}

// runCase is a case of a report: the run itself, an invariant or a fault, in all runs of a plan.
type runCase struct {
	class, name string
	attempts    []attempt
}

// cases returns the cases of a plan's runs, the runs themselves first. Their names are unique in the suite.
func (p planRuns) cases() ([]runCase, error) {
	var all []runCase
	at := map[string]int{}
	for _, run := range p.runs {
		proofs, err := run.proofs()
		if err != nil {
			return nil, err
		}
		seen := map[string]int{}
		for _, e := range wholeJudgement(run.Verdict) {
			id := e.group + "/" + e.name
			if seen[id]++; seen[id] > 1 {
				e.name += fmt.Sprintf(" #%d", seen[id])
				id = e.group + "/" + e.name
			}
			if _, known := at[id]; !known {
				at[id] = len(all)
				all = append(all, runCase{class: clean(run.Verdict.Scenario) + "." + e.group, name: e.name + p.suffix})
			}
			a := attempt{entry: e, run: run}
			if e.fault != nil {
				a.proof = proofs[e.fault.Fault]
			}
			all[at[id]].attempts = append(all[at[id]].attempts, a)
		}
	}
	if len(p.runs) == 1 {
		p.numbered(all)
	}
	return all, nil
}

// numbered gives the cases of a single run the number of its repetition: CI systems count of equal names the first only.
func (p planRuns) numbered(all []runCase) {
	number := p.runs[0].Info.Environment.Repetition.String()
	for i := range all {
		if number != "" {
			all[i].name += " " + number
		}
	}
}

// wholeJudgement returns the verdict of a run and all its entries: the reason of a verdict is read first.
func wholeJudgement(verdict check.RunVerdict) []entry {
	whole := entry{group: "run", name: "verdict", outcome: outcomeOf(verdict.Verdict), verdict: string(verdict.Verdict),
		reason: clean(verdict.Reason)}
	return append([]entry{whole}, slices.DeleteFunc(judge(verdict),
		func(e entry) bool { return e.group == whole.group && e.name == whole.name })...)
}

// proofs returns what was observed as faults landed, by their names.
func (r Run) proofs() (map[string][]string, error) {
	if len(r.Verdict.Faults) == 0 {
		return nil, nil
	}
	record, err := r.Info.record(nil)
	if err != nil || record == nil {
		return nil, err
	}
	return record.Proofs, nil
}

// severity orders outcomes: a violation outranks what could not be judged.
func (o outcome) severity() int {
	return map[outcome]int{green: 0, erring: 1, failing: 2}[o]
}

// worstOf returns the first of the worst attempts.
func (c runCase) worstOf(some []attempt) int {
	worst := 0
	for i, a := range some {
		if a.outcome.severity() > some[worst].outcome.severity() {
			worst = i
		}
	}
	return worst
}

func (c runCase) worst() attempt { return c.attempts[c.worstOf(c.attempts)] }

// bad returns the attempts that are not green.
func (c runCase) bad() []attempt {
	return slices.DeleteFunc(slices.Clone(c.attempts), func(a attempt) bool { return a.outcome == green })
}

// isVerdict reports whether the case is the run as a whole.
func (c runCase) isVerdict() bool {
	return c.attempts[0].group == "run" && c.attempts[0].name == "verdict"
}

// message says what is wrong with a case, and in how many runs.
func (c runCase) message() string {
	reason := c.worst().reason
	if len(c.attempts) < 2 {
		return reason
	}
	return fmt.Sprintf("in %d of %d runs: %s", len(c.bad()), len(c.attempts), reason)
}

func (c runCase) took() time.Duration {
	var sum time.Duration
	for _, a := range c.attempts {
		sum += a.run.Info.Took
	}
	return sum
}
