package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func staleExecutorsGone() Definition {
	return Definition{
		Name: "staleExecutorsGone",
		Doc: "The executors of a replaced incarnation end within the bound after their driver's last sign of life, by their pods and by " +
			"their own heartbeats, and the new incarnation uses none of them. On a node that a fault cut off or stopped only the heartbeats " +
			"count. Executors that the harness removes in its own clean-up do not count as ended.",
		Args:     func() any { return &WithinArgs{} },
		Problems: withinProblems,
		Bound:    boundSince(scenario.SinceDriverEnd),
		New: func(args any) Checker {
			within := time.Duration(args.(*WithinArgs).Within)
			return CheckerFunc(func(m *model.Model) Result { return checkStale(m, within) })
		},
	}
}

// stale is an executor whose driver is gone.
type stale struct {
	name   string
	node   string
	driver *model.Incarnation
	died   model.Moment // the driver
	gone   model.Moment // the executor; Never if it was there at the horizon
	seen   model.Moment // the last event that shows it, or its begin
	until  time.Time    // until when it would have been seen
	// unheard: it never reported, and a fault hid what happened on its node. frozen: a fault made it stand still when its records were read.
	// podless: only its records are known.
	unheard, frozen, podless bool
}

func checkStale(m *model.Model, within time.Duration) Result {
	f := NewFinding(m)
	f.Bound = wording.Duration(within)
	incarnations := m.Incarnations()
	if f.Assume(m.SawAll("Pod"), "no change of a pod was missed") {
		if r := reused(m, f, incarnations); r != nil {
			return *r
		}
	}
	executors := staleExecutors(m, f, incarnations)
	var unheard []string
	if !f.Assume(len(executors) > 0, "an incarnation with executors was replaced") {
		return f.Inconclusive("no incarnation with executors was replaced, so no executor could become stale")
	}
	var worst *stale
	var undecided *stale
	for i := range executors {
		s := &executors[i]
		switch took := s.took(m); {
		case s.unheard:
			unheard = append(unheard, s.name)
		case took.Least > within && !s.frozen:
			return f.lingering(*s, within)
		case s.gone.Never() || took.Most > within:
			undecided = s
		case worst == nil || took.Most > worst.took(m).Most:
			worst = s
		}
	}
	if undecided != nil {
		f.Cite(undecided.died, "%s gives its last sign of life", undecided.driver)
		return f.Inconclusive("executor %s of %s was watched for %s after its driver's end, the bound is %s, and was not certainly gone by then",
			undecided.name, undecided.driver, undecided.took(m), wording.Duration(within))
	}
	if len(unheard) > 0 {
		return f.Inconclusive("nothing is known of %s, on a node on which a fault hid what happened: no record of it, and the API server's "+
			"word counts for nothing there", wording.Some(unheard))
	}
	took := worst.took(m)
	f.Measured = took.String()
	f.Cite(worst.died, "%s gives its last sign of life", worst.driver)
	f.Cite(worst.gone, "executor %s is gone, the last one", worst.name)
	if took.Most == 0 {
		return f.Held("%s of replaced incarnations ended no later than %s", wording.All(len(executors), "executor"),
			wording.Verb(len(executors), "its driver", "their drivers"))
	}
	return f.Held("%s of replaced incarnations %s gone %s after %s driver's end", wording.All(len(executors), "executor"),
		wording.Verb(len(executors), "was", "were"), took, wording.Verb(len(executors), "its", "their"))
}

// took returns how long an executor outlived its driver, as far as it was watched.
func (s *stale) took(m *model.Model) model.Lapse {
	if s.gone.Never() {
		return m.Lapse(s.died, model.Moment{At: s.until, Slack: s.seen.Slack})
	}
	return m.Lapse(s.died, s.gone)
}

func (f *Finding) lingering(s stale, within time.Duration) Result {
	m, took := f.model, s.took(f.model)
	f.Bound, f.Measured = wording.Duration(within), took.String()
	w := Window{From: s.died.At, To: s.gone.At, Bound: within, Least: took.Least}
	f.Cite(s.died, "%s gives its last sign of life", s.driver)
	if s.gone.Never() {
		f.Measured, w.To = "never", s.until
		f.Cite(s.seen, "executor %s of the dead driver is still there", s.name)
		f.Cite(m.Horizon(), "nothing is seen from here on")
		return f.Late(w, "executor %s was still there %s after the end of its driver, %s", s.name, took, s.driver)
	}
	f.Cite(s.gone, "executor %s is gone, only now", s.name)
	return f.Late(w, "executor %s was gone %s after the end of its driver, %s, later than %s", s.name, took, s.driver,
		wording.Duration(within))
}

// staleExecutors returns the executors of all incarnations but the last one that ran: each of them could outlive its driver.
func staleExecutors(m *model.Model, f *Finding, incarnations model.Incarnations) []stale {
	ran := running(incarnations)
	var all []stale
	var nodes []string
	var processes []*model.Process
	for i, incarnation := range ran {
		if i == len(ran)-1 {
			break
		}
		died := died(m, incarnation)
		for _, s := range executorEnds(m, incarnation, died) {
			s.driver, s.died = incarnation, died
			all = append(all, s)
			if s.podless || m.HeldWithin(s.node, died.At, s.until) {
				nodes = append(nodes, s.node)
			}
		}
		nodes = append(nodes, m.NodesOf(model.Incarnations{incarnation})...)
		processes = append(append(processes, incarnation.Driver), m.ExecutorProcesses(incarnation)...)
	}
	f.AssumeClocks(processes...)
	f.AssumeDisks(wording.Distinct(nodes), "that a fault held, or that a replaced driver or an executor without a pod ran on")
	return all
}

// died returns when an incarnation that was replaced had ended: its last own sign of life; without any, the fault that
// cost it, or what the API server says.
func died(m *model.Model, incarnation *model.Incarnation) model.Moment {
	if incarnation.Driver != nil && len(incarnation.Driver.Alive) > 0 {
		return incarnation.Driver.Alive.Last()
	}
	for _, b := range m.DriverLosses(m.Incarnations()) {
		if b.Driver.UID == incarnation.UID {
			return b.At
		}
	}
	if gone := incarnation.Pod.Gone(); !gone.Never() {
		return gone
	}
	return m.Horizon()
}

// executorEnds returns the executors of an incarnation and when they ended; died is when their driver did. On a node that a fault held
// in between, the word of the API server counts for nothing: only the executors' own signs of life do, and for one that gave none the word
// of its kubelet that its containers ended.
func executorEnds(m *model.Model, incarnation *model.Incarnation, died model.Moment) []stale {
	var all []stale
	reported := map[string]bool{}
	for _, pod := range m.Executors(incarnation) {
		process := m.Processes[pod.UID]
		reported[pod.UID] = true
		s := stale{name: pod.Name, node: pod.Node, gone: pod.Gone(), seen: pod.Added, until: m.SeenUntil("Pod").At}
		ends := s.until
		if !s.gone.Never() {
			ends = s.gone.At
		}
		switch {
		case process != nil && len(process.Alive) > 0 && pod.Node != "" && m.HeldWithin(pod.Node, died.At, ends):
			s.gone, s.seen, s.until = m.Silence(process), process.Alive.Last(), m.ReadUntil(process)
			s.frozen = s.gone.Never() && m.Frozen(process)
		case process != nil && len(process.Alive) > 0 && !s.gone.Never():
			s.gone = endedBetween(process.Alive.Last(), s.gone)
		case !pod.Stopped.Never():
			s.gone = pod.Stopped
		case pod.Node != "" && m.HidWithin(pod.Node, died.At, ends):
			s.unheard = true
		}
		all = append(all, s)
	}
	for _, process := range m.ExecutorProcesses(incarnation) {
		if reported[process.PodUID] || len(process.Alive) == 0 {
			continue
		}
		gone := m.Silence(process)
		all = append(all, stale{
			name: process.PodName, node: process.Node, gone: gone, seen: process.Alive.Last(), until: m.ReadUntil(process),
			frozen: gone.Never() && m.Frozen(process), podless: true,
		})
	}
	slices.SortStableFunc(all, func(a, b stale) int { return cmp.Compare(a.name, b.name) })
	return all
}

// endedBetween returns when an executor ended whose pod was seen to have ended at a moment, for certain not before its last sign of life.
// The kubelet reports an end promptly; what was seen long after that sign may have been seen late.
func endedBetween(last, seen model.Moment) model.Moment {
	if !last.At.Before(seen.At) {
		return last
	}
	if seen.At.Sub(last.At) > promptly && (seen.Since.IsZero() || seen.Since.After(last.At)) {
		seen.Since = last.At
	}
	return seen
}

// reused returns a violation if an incarnation registered an executor that is another one's pod: its id has no pod
// that the incarnation owns, but one that an earlier incarnation owns.
func reused(m *model.Model, of *Finding, incarnations model.Incarnations) *Result {
	earlier := map[string]*model.Pod{}
	for _, incarnation := range incarnations {
		own := map[string]bool{}
		for _, pod := range m.Executors(incarnation) {
			own[pod.ExecutorID] = true
		}
		if incarnation.Driver != nil {
			for _, e := range incarnation.Driver.Registrations() {
				old := earlier[e.ID]
				if e.At.Never() || own[e.ID] || old == nil {
					continue
				}
				if !e.At.At.Before(m.SeenUntil("Pod").At) {
					of.Assume(false, "pods were seen when %s registered executor %s", incarnation, e.ID)
					continue
				}
				f := NewFinding(m)
				f.Measured = "1 executor reused"
				f.Cite(old.Added, "pod %s was made as executor %s of an earlier incarnation", old.Name, e.ID)
				f.Cite(e.At, "%s registers executor %s, for which it made no pod", incarnation, e.ID)
				r := f.Violated("%s uses executor %s, the pod %s of an earlier incarnation", incarnation, e.ID, old.Name)
				return &r
			}
		}
		for _, pod := range m.Executors(incarnation) {
			if pod.ExecutorID != "" {
				earlier[pod.ExecutorID] = pod
			}
		}
	}
	return nil
}
