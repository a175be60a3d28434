package check

import (
	"maps"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

func stagedArtifactsSurvive() Definition {
	return Definition{
		Name: "stagedArtifactsSurvive",
		Doc: "What was uploaded to the staging server before a fault took away a pod of it is fetched after it, with the same secret and the same hash, by the harness and by each driver and executor " +
			"that asks; that the server's pod is Ready again is no evidence.",
		Args: func() any { return &NoArgs{} },
		New:  func(any) Checker { return checkerFunc(checkArtifacts) },
	}
}

// stagingRole is the label's value on the staging server's pods.
const stagingRole = "stagingServer"

func checkArtifacts(m *Model) Result {
	f := m.finding()
	a := m.Artifacts
	if !f.assume(!a.Uploaded.Never(), "artifacts were uploaded to a staging server") {
		return f.inconclusive("no artifacts were uploaded")
	}
	f.cite(a.Uploaded, "artifacts are uploaded, sha256 %.12s…", a.Upload.SHA256)
	fault, server := m.stagingBlow()
	if server != nil {
		f.cite(fault.Began, "fault %s takes away the staging server's pod %s on %s", fault.Name, server.Name, server.Node)
	}
	f.assume(a.Again.Never(), "the artifacts were uploaded once")
	for _, fetch := range m.fetches() {
		if r, failed := f.failedFetch(fetch); failed {
			return r
		}
	}
	if !f.assume(server != nil, "a fault that landed took away a pod of the staging server after the upload") {
		return f.inconclusive("no fault took away a pod of the staging server after the upload, so there was nothing to survive")
	}
	harness, driver := m.lastFetch(byHarness, fault.Began.At), m.lastFetch(roleDriver, a.Uploaded.At)
	if !f.assume(harness != nil, "the harness fetched the artifacts after the fault") {
		return f.inconclusive("the harness could not fetch the artifacts after the fault, so it is not known whether they are still served")
	}
	f.assume(driver != nil, "a driver fetched the artifacts")
	open := m.unfinished()
	f.assume(len(open) == 0, "each fetch that a pod began came to an end, or the pod was lost%s", wording.Except(open))
	f.assumeDisks(m.fetchers(), "on which artifacts were fetched")
	f.cite(harness.At, "the harness fetches them from pod %s with the same secret: the same hash", harness.Pod)
	if driver != nil {
		f.cite(driver.At, "%s fetches them on %s", driver, driver.Node)
	}
	f.Measured = wording.Count(m.fetched(), "download")
	return f.held("the artifacts were fetched in %s, after fault %s too, each with the right hash", wording.Count(m.fetched(), "download"), fault.Name)
}

// failedFetch returns a violation if a fetch shows that the artifacts are not served. That the harness reaches no server
// may be its own trouble.
func (f *finding) failedFetch(fetch Fetch) (Result, bool) {
	wanted := f.model.Artifacts.Upload.SHA256
	switch {
	case fetch.Outcome == history.ArtifactsRefused:
		f.Measured = "refused"
		f.cite(fetch.At, "%s is refused: %s", fetch, fetch.Error)
		return f.proven("%s could not fetch the artifacts that were uploaded: %s", fetch, fetch.Error), true
	case fetch.Outcome == history.ArtifactsFetched && fetch.SHA256 != "" && fetch.SHA256 != wanted:
		f.Measured = "altered"
		f.cite(fetch.At, "%s receives other bytes, sha256 %.12s…", fetch, fetch.SHA256)
		return f.proven("%s received other bytes than were uploaded: sha256 %s instead of %s", fetch, fetch.SHA256, wanted), true
	case fetch.Outcome == history.ArtifactsUnreachable && fetch.By != byHarness && !f.model.hit(fetch.PodUID, fetch.Node):
		f.Measured = "unreachable"
		f.cite(fetch.At, "%s gives up: %s", fetch, fetch.Error)
		w := Window{From: f.model.Artifacts.begun[fetch.PodUID].At.At, To: fetch.At.At}
		return f.late(w, "%s could not fetch the artifacts: no staging server answered it in time: %s", fetch, fetch.Error), true
	default:
		return Result{}, false
	}
}

// stagingBlow returns the last fault that took away a pod of the staging server that ran, after the upload, and that pod.
func (m *Model) stagingBlow() (*Fault, *Pod) {
	for _, fault := range slices.Backward(m.landed()) {
		if fault.Began.At.Before(m.Artifacts.Uploaded.At) {
			continue
		}
		for _, uid := range slices.Sorted(maps.Keys(m.Pods)) {
			pod := m.Pods[uid]
			ran := !pod.Running.Never() && !pod.Running.At.After(fault.Began.At) && pod.wanted(fault.Began.At)
			if pod.Component == stagingRole && pod.Namespace == m.Workload.Namespace && ran && !m.cost(fault, pod, nil, Moment{}).Never() {
				return fault, pod
			}
		}
	}
	return nil, nil
}

// fetches returns the fetches in the order of time.
func (m *Model) fetches() []Fetch {
	return slices.SortedStableFunc(slices.Values(m.Artifacts.Fetches), func(x, y Fetch) int { return x.At.At.Compare(y.At.At) })
}

// lastFetch returns the last fetch of what was uploaded that succeeded after a time; nil if there is none.
func (m *Model) lastFetch(by string, since time.Time) *Fetch {
	for _, fetch := range slices.Backward(m.fetches()) {
		if fetch.By == by && fetch.Outcome == history.ArtifactsFetched && fetch.At.At.After(since) && m.uploaded(fetch) {
			return &fetch
		}
	}
	return nil
}

// uploaded reports whether a fetch was one of what was uploaded before the launch.
func (m *Model) uploaded(fetch Fetch) bool {
	return fetch.ID == "" || m.Artifacts.Upload.ResourceID == "" || fetch.ID == m.Artifacts.Upload.ResourceID
}

// fetched counts the fetches that succeeded.
func (m *Model) fetched() int {
	n := 0
	for _, fetch := range m.Artifacts.Fetches {
		if fetch.Outcome == history.ArtifactsFetched {
			n++
		}
	}
	return n
}

// fetchers returns the nodes on which pods fetched, sorted, without doubles.
func (m *Model) fetchers() []string {
	var nodes []string
	for _, fetch := range m.Artifacts.begun {
		nodes = append(nodes, fetch.Node)
	}
	return wording.Distinct(nodes)
}
