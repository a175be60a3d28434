package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func staleExecutorsGone() Definition {
	return Definition{
		Name: "staleExecutorsGone",
		Doc: "The executors of an incarnation that was replaced end within the bound after their driver's last sign of life, by their pods and by their own heartbeats, " +
			"and the new incarnation uses none of them; on a node that a fault struck only the heartbeats count.",
		Args:     func() any { return &WithinArgs{} },
		Problems: withinProblems,
		Bound:    boundSince(scenario.SinceDriverEnd),
		New: func(args any) Checker {
			within := time.Duration(args.(*WithinArgs).Within)
			return checkerFunc(func(m *Model) Result { return checkStale(m, within) })
		},
	}
}

// stale is an executor whose driver is no more.
type stale struct {
	name   string
	driver *Incarnation
	died   Moment // the driver
	gone   Moment // the executor; Never if it was there at the end of the record
	seen   Moment // the last event that shows it, or its begin
}

func checkStale(m *Model, within time.Duration) Result {
	f := m.finding()
	f.Bound = tell(within)
	incarnations := m.Incarnations()
	if f.assume(m.seen("Pod"), "no change of a pod was missed") {
		if r := m.reused(incarnations); r != nil {
			return *r
		}
	}
	executors := m.staleExecutors(f, incarnations)
	if !f.assume(len(executors) > 0, "an incarnation with executors was replaced") {
		return f.inconclusive("no incarnation with executors was replaced, so no executor could become stale")
	}
	var worst *stale
	for i := range executors {
		s := &executors[i]
		if took := s.took(m); took > within {
			return lingering(m, *s, within)
		}
		if s.gone.Never() {
			return f.inconclusive("the record ends %s after the end of %s, before the bound, and executor %s was still there",
				tell(s.took(m)), s.driver, s.name)
		}
		if worst == nil || s.took(m) > worst.took(m) {
			worst = s
		}
	}
	f.Measured = tell(worst.took(m))
	f.cite(worst.died, "%s gives its last sign of life", worst.driver)
	f.cite(worst.gone, "executor %s is gone, the last one", worst.name)
	if worst.took(m) == 0 {
		return f.held("none of the %d executors of replaced incarnations outlived its driver", len(executors))
	}
	return f.held("all %d executors of replaced incarnations were gone %s after their driver's end", len(executors), tell(worst.took(m)))
}

func (s *stale) took(m *Model) time.Duration {
	until := s.gone
	if until.Never() {
		until = m.seenUntil("Pod")
	}
	return max(0, until.At.Sub(s.died.At))
}

func lingering(m *Model, s stale, within time.Duration) Result {
	f := m.finding()
	f.Bound, f.Measured = tell(within), tell(s.took(m))
	f.cite(s.died, "%s gives its last sign of life", s.driver)
	if s.gone.Never() {
		f.Measured = "never"
		f.cite(s.seen, "executor %s of the dead driver is still there", s.name)
		f.cite(m.end(), "the record ends")
		return f.violated("executor %s was still there %s after the end of its driver, %s", s.name, tell(s.took(m)), s.driver)
	}
	f.cite(s.gone, "executor %s is gone, only now", s.name)
	return f.violated("executor %s was gone %s after the end of its driver, %s, later than %s", s.name, tell(s.took(m)), s.driver, tell(within))
}

// staleExecutors returns the executors of all incarnations but the last one that ran: each of them could outlive its driver.
func (m *Model) staleExecutors(f *finding, incarnations []*Incarnation) []stale {
	ran := running(incarnations)
	var all []stale
	var nodes []string
	for i, incarnation := range ran {
		if i == len(ran)-1 {
			break
		}
		died := m.died(incarnation)
		for _, s := range m.executorEnds(incarnation, died) {
			s.driver, s.died = incarnation, died
			all = append(all, s)
		}
		nodes = append(nodes, nodesOf([]*Incarnation{incarnation})...)
		for _, pod := range m.executors(incarnation) {
			if pod.Node != "" && m.down(pod.Node, died.At) {
				nodes = append(nodes, pod.Node)
			}
		}
	}
	slices.Sort(nodes)
	missing := m.diskMissing(slices.Compact(nodes))
	f.assume(len(missing) == 0, "the witness's files were read in full from the disk of each node that was struck or that a replaced driver ran on%s", except(missing))
	return all
}

// died returns when an incarnation that was replaced had ended: its last own sign of life; without any, the fault that
// struck it, or what the API server says.
func (m *Model) died(incarnation *Incarnation) Moment {
	if incarnation.Driver != nil {
		return incarnation.Driver.Alive.last()
	}
	for _, fault := range m.landed() {
		if fault.hits(incarnation.UID, incarnation.Node) && fault.Began.At.After(incarnation.Pod.Running.At) {
			return fault.Began
		}
	}
	if gone := incarnation.Pod.Gone(); !gone.Never() {
		return gone
	}
	return m.end()
}

// executorEnds returns the executors of an incarnation and when they ended; died is when their driver did.
func (m *Model) executorEnds(incarnation *Incarnation, died Moment) []stale {
	var all []stale
	reported := map[string]bool{}
	for _, pod := range m.executors(incarnation) {
		process := m.Processes[pod.UID]
		reported[pod.UID] = true
		s := stale{name: pod.Name, gone: pod.Gone(), seen: pod.Added}
		switch {
		case process != nil && m.down(pod.Node, died.At):
			s.gone = m.silence(process)
		case process != nil && !s.gone.Never():
			s.gone = later(s.gone, process.Alive.last())
		}
		all = append(all, s)
	}
	for _, process := range m.executorProcesses(incarnation) {
		if reported[process.PodUID] {
			continue
		}
		all = append(all, stale{name: process.PodName, gone: m.silence(process), seen: process.Alive.last()})
	}
	slices.SortStableFunc(all, func(a, b stale) int { return cmp.Compare(a.name, b.name) })
	return all
}

// silence returns a process's last sign of life, or Never if it was still alive when the record ended.
func (m *Model) silence(process *Process) Moment {
	last := process.Alive.last()
	if m.end().At.Sub(last.At) <= stillAlive {
		return Moment{}
	}
	return last
}

// reused returns a violation if an incarnation registered an executor that is another one's pod: its id has no pod
// that the incarnation owns, but one that an earlier incarnation owns.
func (m *Model) reused(incarnations []*Incarnation) *Result {
	earlier := map[string]*Pod{}
	for _, incarnation := range incarnations {
		own := map[string]bool{}
		for _, pod := range m.executors(incarnation) {
			own[pod.ExecutorID] = true
		}
		if incarnation.Driver != nil {
			for _, e := range sortedExecutors(incarnation.Driver) {
				old := earlier[e.ID]
				if e.At.Never() || own[e.ID] || old == nil {
					continue
				}
				f := m.finding()
				f.Measured = "1 executor reused"
				f.cite(old.Added, "pod %s was made as executor %s of an earlier incarnation", old.Name, e.ID)
				f.cite(e.At, "%s registers executor %s, for which it made no pod", incarnation, e.ID)
				r := f.violated("%s uses executor %s, the pod %s of an earlier incarnation", incarnation, e.ID, old.Name)
				return &r
			}
		}
		for _, pod := range m.executors(incarnation) {
			if pod.ExecutorID != "" {
				earlier[pod.ExecutorID] = pod
			}
		}
	}
	return nil
}

// sortedExecutors returns a driver's executors in the order in which they registered.
func sortedExecutors(driver *Process) []*Registered {
	var all []*Registered
	for _, e := range driver.Executors {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *Registered) int {
		return cmp.Or(a.At.At.Compare(b.At.At), cmp.Compare(a.ID, b.ID))
	})
	return all
}
