package check

import (
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// promptly is how soon a driver asks for another executor when it sees that one is lost: it does so five times a second
// or once a second, by its settings.
const promptly = 5 * time.Second

func noStaleStandIn() Definition {
	return Definition{
		Name: "noStaleStandIn",
		Doc: "No executor pod of an earlier incarnation is taken for a lost executor of the new one. With the same application ID and " +
			"executor ID, the driver mistakes the old pod for its own, does not notice that its executor is lost, and requests no other one " +
			"until the old pod is deleted.",
		Args: func() any { return &NoArgs{} },
		New:  func(any) Checker { return CheckerFunc(checkStandIns) },
	}
}

// missed is an executor that was lost while its driver lived on.
type missed struct {
	*model.Pod
	driver *model.Incarnation
	lost   model.Moment // its object was gone, or it ended
	asked  model.Moment // the next executor pod of the same driver was created; Never if none was
	early  bool         // that was a little before anything showed the loss
}

func checkStandIns(m *model.Model) Result {
	f := NewFinding(m)
	incarnations := m.Incarnations()
	f.Assume(m.SawAll("Pod"), "no change of a pod was missed")
	f.AssumeDrivers(incarnations)
	f.AssumeDisks(m.NodesOf(incarnations), "that a driver ran on")
	var all []missed
	var undecided *missed
	for i, incarnation := range incarnations {
		if i > 0 {
			all = append(all, missedExecutors(m, incarnation)...)
		}
	}
	if !f.Assume(len(all) > 0, "a driver that replaced another one lost an executor and lived on") {
		return f.Inconclusive("no driver that replaced another one lost an executor and lived on, so no old executor could stand in for it")
	}
	for _, lost := range all {
		stale, sure := standIn(m, incarnations, lost)
		if stale != nil && sure {
			return f.stoodIn(lost, stale)
		}
		if stale != nil {
			undecided = &lost
		}
		f.Cite(lost.lost, "executor %s of %s is lost", lost.Name, lost.driver)
		f.Cite(lost.asked, "%s asks for another executor", lost.driver)
	}
	if undecided != nil {
		return f.Inconclusive("%s lost executor %s and asked for another one %s after, and an old one with the same ids was there: whether "+
			"that stood in for it was not seen at the time",
			undecided.driver, undecided.Name, undecided.waited(m))
	}
	f.Measured = "0 stand-ins for " + wording.Count(len(all), "lost executor")
	return f.Held("no executor of an earlier incarnation stood in for %s", wording.Count(len(all), "lost executor"))
}

// missedExecutors returns the executors whose pods ended while their driver lived on and stayed in service.
func missedExecutors(m *model.Model, driver *model.Incarnation) []missed {
	if driver.Driver == nil {
		return nil
	}
	pods := m.Executors(driver)
	slices.SortStableFunc(pods, func(a, b *model.Pod) int { return a.Gone().At.Compare(b.Gone().At) })
	asked := m.Executors(driver)
	taken := map[string]bool{}
	var all []missed
	for _, pod := range pods {
		lost := pod.Gone()
		lived := driver.Driver.Alive.Last().At.Sub(lost.At) > promptly
		ending := !driver.Driver.Stopping.Never() && driver.Driver.Stopping.Before(lost)
		if lost.Never() || pod.Running.Never() || !lived || ending {
			continue
		}
		found := missed{Pod: pod, driver: driver, lost: lost}
		if next, early := nextAsked(asked, taken, pod, noticed(driver, pod)); next != nil {
			found.asked, found.early = next.Added, early
			taken[next.UID] = true
		}
		all = append(all, found)
	}
	return all
}

// nextAsked returns the executor pod that a driver asked for when it had lost one: the first that is not taken and came after it may have
// noticed; if that did not come promptly, one that it asked for a little before.
func nextAsked(asked []*model.Pod, taken map[string]bool, lost *model.Pod, noticed model.Moment) (next *model.Pod, early bool) {
	var before *model.Pod
	for _, pod := range asked {
		switch since := pod.Added.At.Sub(noticed.At); {
		case taken[pod.UID] || pod == lost:
		case since > promptly && before != nil:
			return before, true
		case noticed.Before(pod.Added):
			return pod, false
		case since > -promptly && lost.Running.Before(pod.Added):
			before = pod
		}
	}
	return before, before != nil
}

// noticed returns when a driver may first have known that it lost an executor: somebody deleted the pod, it ended, or the driver itself
// removed it. The connection breaks before the API server reports it.
func noticed(driver *model.Incarnation, pod *model.Pod) model.Moment {
	first := pod.Gone()
	if !pod.Terminating.Never() {
		first.KeepEarlier(pod.Terminating)
	}
	if e := driver.Driver.Executors[pod.ExecutorID]; e != nil && !e.Removed.Never() {
		first.KeepEarlier(e.Removed)
	}
	return first
}

// standIn returns the pod of an earlier incarnation that stood in for a lost executor, and whether that is certain; nil if none can have.
func standIn(m *model.Model, incarnations model.Incarnations, lost missed) (stale *model.Pod, sure bool) {
	for _, earlier := range incarnations[:lost.driver.Number-1] {
		for _, old := range m.Executors(earlier) {
			same := old.Application == lost.Application && old.ExecutorID == lost.ExecutorID && old.ExecutorID != ""
			if !same || old.Running.Never() || !old.Running.Before(lost.lost) {
				continue
			}
			may, does := stands(m, old, lost)
			if does {
				return old, true
			}
			if may && stale == nil {
				stale = old
			}
		}
	}
	return stale, false
}

// stands reports whether an old pod may have stood in for a lost executor, and whether it did for certain: it was there for longer than
// promptly after the loss, and the driver asked for another one only when it was gone. What was seen late may have been earlier.
func stands(m *model.Model, old *model.Pod, lost missed) (may, does bool) {
	ended := old.EndedSince(lost.lost.At)
	stood := m.Lapse(lost.lost, orElse(ended, m.Horizon()))
	if ended.Never() {
		stood.Least = m.Lapse(lost.lost, m.SeenUntil("Pod")).Least
	}
	if lost.early {
		return stood.Most > promptly, false
	}
	waited := lost.waited(m)
	may, does = stood.Most > promptly && waited.Most > promptly, stood.Least > promptly && waited.Least > promptly
	if !lost.asked.Never() && !ended.Never() {
		first := m.Lapse(lost.asked, ended)
		may, does = may && first.Least == 0, does && first.Most == 0
	}
	return may, does
}

func orElse(at, other model.Moment) model.Moment {
	if at.Never() {
		return other
	}
	return at
}

// waited returns how long the driver did not ask for another executor, as far as pods were seen.
func (l missed) waited(m *model.Model) model.Lapse {
	if !l.asked.Never() {
		return m.Lapse(l.lost, l.asked)
	}
	last := l.driver.Driver.Alive.Last()
	took := m.Lapse(l.lost, last)
	took.Least = min(took.Least, m.Lapse(l.lost, m.SeenUntil("Pod")).Least)
	return took
}

func (f *Finding) stoodIn(lost missed, old *model.Pod) Result {
	f.Evidence, f.Narrative = nil, nil
	until := lost.asked
	f.Cite(old.Running, "pod %s runs as executor %s of application %s, made by an earlier incarnation", old.Name, old.ExecutorID,
		old.Application)
	f.Cite(lost.Running, "pod %s runs as executor %s of application %s, too, made by %s", lost.Name, lost.ExecutorID, lost.Application,
		lost.driver)
	f.Cite(lost.lost, "executor %s of %s is lost", lost.Name, lost.driver)
	f.Cite(old.EndedSince(lost.lost.At), "pod %s, which stood in for it, ends or is marked for deletion", old.Name)
	if until.Never() {
		until = lost.driver.Driver.Alive.Last()
		f.Measured = "never asked for"
		f.Cite(until, "%s gives its last sign of life; it never asked for another executor", lost.driver)
	} else {
		f.Measured = wording.Duration(until.At.Sub(lost.lost.At))
		f.Cite(until, "%s asks for another executor, only now", lost.driver)
	}
	w := Window{From: lost.lost.At, To: until.At, Least: until.At.Sub(lost.lost.At), Bound: promptly}
	return f.Late(w, "%s lost executor %s and asked for no other one in %s: pod %s of an earlier incarnation, with the same application id "+
		"and executor id, stood in for it",
		lost.driver, lost.Name, wording.Duration(until.At.Sub(lost.lost.At)), old.Name)
}
