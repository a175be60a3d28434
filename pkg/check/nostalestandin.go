package check

import (
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
)

// promptly is how soon a driver asks for another executor when it sees that one is lost: it does so five times a second
// or once a second, by its settings.
const promptly = 5 * time.Second

func noStaleStandIn() Definition {
	return Definition{
		Name: "noStaleStandIn",
		Doc: "No executor pod of an earlier incarnation stands in for a lost one of the new: with the same application id and executor id the driver takes the old pod for its own, " +
			"does not see that its executor is lost and asks for no other one until the old pod goes.",
		Args: func() any { return &NoArgs{} },
		New:  func(any) Checker { return checkerFunc(checkStandIns) },
	}
}

// missed is an executor that was lost while its driver lived on.
type missed struct {
	*Pod
	driver *Incarnation
	lost   Moment // its object was gone, or it ended
	asked  Moment // the next executor pod of the same driver was created; Never if none was
}

func checkStandIns(m *Model) Result {
	f := m.finding()
	incarnations := m.Incarnations()
	f.assume(m.seen("Pod"), "no change of a pod was missed")
	f.assumeDrivers(incarnations)
	f.assumeDisks(m.nodesOf(incarnations), "that a driver ran on")
	var all []missed
	for i, incarnation := range incarnations {
		if i > 0 {
			all = append(all, m.missedExecutors(incarnation)...)
		}
	}
	if !f.assume(len(all) > 0, "a driver that replaced another one lost an executor and lived on") {
		return f.inconclusive("no driver that replaced another one lost an executor and lived on, so no old executor could stand in for it")
	}
	for _, lost := range all {
		if stale := m.standIn(incarnations, lost); stale != nil {
			return f.stoodIn(lost, stale)
		}
		f.cite(lost.lost, "executor %s of %s is lost", lost.Name, lost.driver)
		f.cite(lost.asked, "%s asks for another executor", lost.driver)
	}
	f.Measured = "0 stand-ins for " + wording.Count(len(all), "lost executor")
	return f.held("no executor of an earlier incarnation stood in for %s", wording.Count(len(all), "lost executor"))
}

// missedExecutors returns the executors whose pods ended while their driver lived on and stayed in service.
func (m *Model) missedExecutors(driver *Incarnation) []missed {
	if driver.Driver == nil {
		return nil
	}
	pods := m.executors(driver)
	slices.SortStableFunc(pods, func(a, b *Pod) int { return a.Gone().At.Compare(b.Gone().At) })
	asked := m.executors(driver)
	taken := map[string]bool{}
	var all []missed
	for _, pod := range pods {
		lost := pod.Gone()
		lived := driver.Driver.Alive.last().At.Sub(lost.At) > promptly
		ending := !driver.Driver.Stopping.Never() && driver.Driver.Stopping.before(lost)
		if lost.Never() || pod.Running.Never() || !lived || ending {
			continue
		}
		found := missed{Pod: pod, driver: driver, lost: lost}
		for _, next := range asked {
			if next.Added.At.After(lost.At) && !taken[next.UID] {
				found.asked = next.Added
				taken[next.UID] = true
				break
			}
		}
		all = append(all, found)
	}
	return all
}

// standIn returns the pod of an earlier incarnation that stood in for a lost executor; nil if none did.
func (m *Model) standIn(incarnations []*Incarnation, lost missed) *Pod {
	for _, earlier := range incarnations[:lost.driver.Number-1] {
		pods := m.executors(earlier)
		i := slices.IndexFunc(pods, func(old *Pod) bool {
			same := old.Application == lost.Application && old.ExecutorID == lost.ExecutorID && old.ExecutorID != ""
			stood := !old.Running.Never() && old.Running.before(lost.lost) && m.held(old.ended(lost.lost.At), lost.lost)
			return same && stood && !lost.asked.prompt(old.ended(lost.lost.At), lost.lost)
		})
		if i >= 0 {
			return pods[i]
		}
	}
	return nil
}

// held reports whether something that ended, perhaps, was there for longer than promptly after a moment.
func (m *Model) held(ended, since Moment) bool {
	if ended.Never() {
		ended = m.horizon()
	}
	return ended.At.Sub(since.At) > promptly
}

// prompt reports whether the driver asked again before the old pod ended, or soon enough.
func (asked Moment) prompt(ended, lost Moment) bool {
	if asked.Never() {
		return false
	}
	return asked.At.Sub(lost.At) <= promptly || !ended.Never() && asked.before(ended)
}

func (f *finding) stoodIn(lost missed, old *Pod) Result {
	f.Evidence, f.Narrative = nil, nil
	until := lost.asked
	f.cite(old.Running, "pod %s runs as executor %s of application %s, made by an earlier incarnation", old.Name, old.ExecutorID, old.Application)
	f.cite(lost.Running, "pod %s runs as executor %s of application %s, too, made by %s", lost.Name, lost.ExecutorID, lost.Application, lost.driver)
	f.cite(lost.lost, "executor %s of %s is lost", lost.Name, lost.driver)
	f.cite(old.ended(lost.lost.At), "pod %s, which stood in for it, ends or is marked for deletion", old.Name)
	if until.Never() {
		until = lost.driver.Driver.Alive.last()
		f.Measured = "never asked for"
		f.cite(until, "%s gives its last sign of life; it never asked for another executor", lost.driver)
	} else {
		f.Measured = wording.Duration(until.At.Sub(lost.lost.At))
		f.cite(until, "%s asks for another executor, only now", lost.driver)
	}
	w := Window{From: lost.lost.At, To: until.At, Least: until.At.Sub(lost.lost.At), Bound: promptly}
	return f.late(w, "%s lost executor %s and asked for no other one in %s: pod %s of an earlier incarnation, with the same application id and executor id, stood in for it",
		lost.driver, lost.Name, wording.Duration(until.At.Sub(lost.lost.At)), old.Name)
}
