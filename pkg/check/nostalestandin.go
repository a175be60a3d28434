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
		Doc: "No executor pod of an earlier incarnation stands in for a lost one of the new: with the same application id and executor id the driver takes the old pod for its own, " +
			"does not see that its executor is lost and asks for no other one until the old pod goes.",
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
}

func checkStandIns(m *model.Model) Result {
	f := NewFinding(m)
	incarnations := m.Incarnations()
	f.Assume(m.SawAll("Pod"), "no change of a pod was missed")
	f.AssumeDrivers(incarnations)
	f.AssumeDisks(m.NodesOf(incarnations), "that a driver ran on")
	var all []missed
	for i, incarnation := range incarnations {
		if i > 0 {
			all = append(all, missedExecutors(m, incarnation)...)
		}
	}
	if !f.Assume(len(all) > 0, "a driver that replaced another one lost an executor and lived on") {
		return f.Inconclusive("no driver that replaced another one lost an executor and lived on, so no old executor could stand in for it")
	}
	for _, lost := range all {
		if stale := standIn(m, incarnations, lost); stale != nil {
			return f.stoodIn(lost, stale)
		}
		f.Cite(lost.lost, "executor %s of %s is lost", lost.Name, lost.driver)
		f.Cite(lost.asked, "%s asks for another executor", lost.driver)
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
func standIn(m *model.Model, incarnations model.Incarnations, lost missed) *model.Pod {
	for _, earlier := range incarnations[:lost.driver.Number-1] {
		pods := m.Executors(earlier)
		i := slices.IndexFunc(pods, func(old *model.Pod) bool {
			same := old.Application == lost.Application && old.ExecutorID == lost.ExecutorID && old.ExecutorID != ""
			stood := !old.Running.Never() && old.Running.Before(lost.lost) && held(m, old.EndedSince(lost.lost.At), lost.lost)
			return same && stood && !prompt(lost.asked, old.EndedSince(lost.lost.At), lost.lost)
		})
		if i >= 0 {
			return pods[i]
		}
	}
	return nil
}

// held reports whether something that ended, perhaps, was there for longer than promptly after a moment.
func held(m *model.Model, ended, since model.Moment) bool {
	if ended.Never() {
		ended = m.Horizon()
	}
	return ended.At.Sub(since.At) > promptly
}

// prompt reports whether the driver asked again before the old pod ended, or soon enough.
func prompt(asked model.Moment, ended, lost model.Moment) bool {
	if asked.Never() {
		return false
	}
	return asked.At.Sub(lost.At) <= promptly || !ended.Never() && asked.Before(ended)
}

func (f *Finding) stoodIn(lost missed, old *model.Pod) Result {
	f.Evidence, f.Narrative = nil, nil
	until := lost.asked
	f.Cite(old.Running, "pod %s runs as executor %s of application %s, made by an earlier incarnation", old.Name, old.ExecutorID, old.Application)
	f.Cite(lost.Running, "pod %s runs as executor %s of application %s, too, made by %s", lost.Name, lost.ExecutorID, lost.Application, lost.driver)
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
	return f.Late(w, "%s lost executor %s and asked for no other one in %s: pod %s of an earlier incarnation, with the same application id and executor id, stood in for it",
		lost.driver, lost.Name, wording.Duration(until.At.Sub(lost.lost.At)), old.Name)
}
