package check

import (
	"maps"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func stagedArtifactsSurvive() Definition {
	return Definition{
		Name: "stagedArtifactsSurvive",
		Doc: "What was uploaded to the staging server before a fault took away one of its pods can be fetched afterwards, with the same " +
			"secret and the same hash, by the harness and by each driver and executor that asks for it. It is not enough that the server's pod " +
			"is Ready again.",
		Args: func() any { return &NoArgs{} },
		New:  func(any) Checker { return CheckerFunc(checkArtifacts) },
	}
}

func checkArtifacts(m *model.Model) Result {
	f := NewFinding(m)
	a := m.Artifacts
	if !f.Assume(!a.Uploaded.Never(), "artifacts were uploaded to a staging server") {
		return f.Inconclusive("no artifacts were uploaded")
	}
	f.Cite(a.Uploaded, "artifacts are uploaded, sha256 %.12s…", a.Upload.SHA256)
	if !f.Assume(a.Upload.SHA256 != "", "the hash of what was uploaded is known") {
		return f.Inconclusive("the history does not say what was uploaded, so nothing can be compared with it")
	}
	fault, server := stagingBlow(m)
	if server != nil {
		f.Cite(fault.Began, "fault %s takes away the staging server's pod %s on %s", fault.Name, server.Name, server.Node)
	}
	f.Assume(a.Again.Never(), "the artifacts were uploaded once")
	for _, fetch := range fetches(m) {
		if r := f.failedFetch(fetch); r != nil {
			return *r
		}
	}
	if !f.Assume(server != nil, "a fault that landed took away a pod of the staging server after the upload") {
		return f.Inconclusive("no fault took away a pod of the staging server after the upload, so there was nothing to survive")
	}
	anew := func(fetch model.Fetch) bool { return m.ServedAnew(fault, server, fetch) }
	harness, driver := lastFetch(m, model.ByHarness, fault.Began.At, anew), lastFetch(m, model.RoleDriver, a.Uploaded.At, nil)
	if !f.Assume(harness != nil, "the harness fetched the artifacts after the fault") {
		if old := lastFetch(m, model.ByHarness, fault.Began.At, nil); old != nil {
			f.Cite(old.At, "the harness fetches them from pod %s, which the fault takes away", old.Pod)
			return f.Inconclusive("after the fault the harness fetched the artifacts only from pod %s, which the fault took away and which "+
				"served them still: it is not known whether they survived", old.Pod)
		}
		return f.Inconclusive("the harness could not fetch the artifacts after the fault, so it is not known whether they are still served")
	}
	f.Assume(driver != nil, "a driver fetched the artifacts")
	open := m.Unfinished()
	f.Assume(len(open) == 0, "each fetch that a pod began came to an end, or the pod was lost%s", wording.Except(open))
	f.AssumeDisks(fetchers(m), "on which artifacts were fetched")
	f.Cite(harness.At, "the harness fetches them from pod %s with the same secret: the same hash", harness.Pod)
	if driver != nil {
		f.Cite(driver.At, "%s fetches them on %s", driver, driver.Node)
	}
	f.Measured = wording.Count(fetched(m), "download")
	return f.Held("the artifacts were fetched in %s, after fault %s too, each with the right hash", wording.Count(fetched(m), "download"),
		fault.Name)
}

// failedFetch returns a violation if a fetch shows that the artifacts are not served; nil if it does not. That the harness reaches no
// server may be its own trouble.
func (f *Finding) failedFetch(fetch model.Fetch) *Result {
	wanted := f.model.Artifacts.Upload.SHA256
	var r Result
	switch {
	case !concerns(f.model, fetch):
		return nil
	case fetch.Outcome == history.ArtifactsRefused:
		f.Measured = "refused"
		f.Cite(fetch.At, "%s is refused: %s", fetch, fetch.Error)
		r = f.Proven("%s could not fetch the artifacts that were uploaded: %s", fetch, fetch.Error)
	case fetch.Outcome == history.ArtifactsFetched && fetch.SHA256 != "" && fetch.SHA256 != wanted:
		f.Measured = "altered"
		f.Cite(fetch.At, "%s receives other bytes, sha256 %.12s…", fetch, fetch.SHA256)
		r = f.Proven("%s received other bytes than were uploaded: sha256 %s instead of %s", fetch, fetch.SHA256, wanted)
	case fetch.Outcome == history.ArtifactsUnreachable && fetch.By != model.ByHarness && !f.model.Struck(fetch.PodUID, fetch.Node):
		f.Measured = "unreachable"
		f.Cite(fetch.At, "%s gives up: %s", fetch, fetch.Error)
		w := Window{From: f.model.Artifacts.Begun[fetch.PodUID].At.At, To: fetch.At.At}
		r = f.Late(w, "%s could not fetch the artifacts: no staging server answered it in time: %s", fetch, fetch.Error)
	default:
		return nil
	}
	return &r
}

// stagingBlow returns the last fault that took away a pod of the staging server that ran, after the upload, and that pod.
func stagingBlow(m *model.Model) (*model.Fault, *model.Pod) {
	for _, fault := range slices.Backward(m.Landed()) {
		if fault.Began.At.Before(m.Artifacts.Uploaded.At) {
			continue
		}
		for _, uid := range slices.Sorted(maps.Keys(m.Pods)) {
			pod := m.Pods[uid]
			ran := !pod.Running.Never() && !pod.Running.At.After(fault.Began.At) && pod.Wanted(fault.Began.At)
			if pod.Component == scenario.OfStagingServer && pod.Namespace == m.Workload.Namespace && ran &&
				!m.Cost(fault, pod, nil, model.Moment{}).Never() {
				return fault, pod
			}
		}
	}
	return nil, nil
}

// fetches returns the fetches in the order of time.
func fetches(m *model.Model) []model.Fetch {
	return slices.SortedStableFunc(slices.Values(m.Artifacts.Fetches), func(x, y model.Fetch) int { return x.At.At.Compare(y.At.At) })
}

// lastFetch returns the last fetch of what was uploaded that succeeded after a time, of those that are wanted (nil: all); nil if there is
// none.
func lastFetch(m *model.Model, by string, since time.Time, wanted func(model.Fetch) bool) *model.Fetch {
	for _, fetch := range slices.Backward(fetches(m)) {
		if fetch.By == by && fetch.At.At.After(since) && received(m, fetch) && (wanted == nil || wanted(fetch)) {
			return &fetch
		}
	}
	return nil
}

// received reports whether a fetch gave what was uploaded before the launch, which its hash shows.
func received(m *model.Model, fetch model.Fetch) bool {
	return fetch.Outcome == history.ArtifactsFetched && fetch.SHA256 == m.Artifacts.Upload.SHA256 && concerns(m, fetch)
}

// concerns reports whether a fetch asked for what was uploaded before the launch, for this application: others may be served, too.
func concerns(m *model.Model, fetch model.Fetch) bool {
	if pod := m.Pods[fetch.PodUID]; pod != nil && !m.Belongs(pod) {
		return false
	}
	return fetch.ID == "" || m.Artifacts.Upload.ResourceID == "" || fetch.ID == m.Artifacts.Upload.ResourceID
}

// fetched counts the fetches that succeeded.
func fetched(m *model.Model) int {
	n := 0
	for _, fetch := range m.Artifacts.Fetches {
		if received(m, fetch) {
			n++
		}
	}
	return n
}

// fetchers returns the nodes on which pods fetched, sorted, without doubles.
func fetchers(m *model.Model) []string {
	var nodes []string
	for _, fetch := range m.Artifacts.Begun {
		nodes = append(nodes, fetch.Node)
	}
	return wording.Distinct(nodes)
}
