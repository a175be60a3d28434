package check

import (
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

func stagedArtifactsSurvive() Definition {
	return Definition{
		Name: "stagedArtifactsSurvive",
		Doc: "What was uploaded to the staging server before a fault struck it is fetched after it, with the same secret and the same hash, by the harness and by each driver and executor " +
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
		f.cite(fault.Began, "fault %s struck the staging server's pod %s on %s", fault.Name, server.Name, server.Node)
	}
	slices.SortStableFunc(a.Fetches, func(x, y Fetch) int { return x.At.At.Compare(y.At.At) })
	for _, fetch := range a.Fetches {
		if r, failed := f.failedFetch(fetch); failed {
			return r
		}
	}
	if !f.assume(server != nil, "a fault that landed struck a pod of the staging server after the upload") {
		return f.inconclusive("no fault struck the staging server after the upload, so there was nothing to survive")
	}
	harness, driver := m.lastFetch(byHarness, fault.Began.At), m.lastFetch(roleDriver, a.Uploaded.At)
	if !f.assume(harness != nil, "the harness fetched the artifacts after the fault") {
		return f.inconclusive("the harness could not fetch the artifacts after the fault, so it is not known whether they are still served")
	}
	f.assume(driver != nil, "a driver fetched the artifacts")
	open := m.unfinished()
	f.assume(len(open) == 0, "each fetch that a pod began came to an end, or the pod was lost%s", except(open))
	missing := m.diskMissing(m.fetchers())
	f.assume(len(missing) == 0, "the witness's files were read in full from the disk of each node on which artifacts were fetched%s", except(missing))
	f.cite(harness.At, "the harness fetches them from pod %s with the same secret: the same hash", harness.Pod)
	if driver != nil {
		f.cite(driver.At, "%s fetches them on %s", driver, driver.Node)
	}
	f.Measured = count(m.fetched(), "download")
	return f.held("the artifacts were fetched in %s, after fault %s too, each with the right hash", count(m.fetched(), "download"), fault.Name)
}

// failedFetch returns a violation if a fetch shows that the artifacts are not served. That the harness reaches no server
// may be its own trouble.
func (f *finding) failedFetch(fetch Fetch) (Result, bool) {
	wanted := f.model.Artifacts.Upload.SHA256
	switch {
	case fetch.Outcome == history.ArtifactsRefused:
		f.Measured = "refused"
		f.cite(fetch.At, "%s is refused: %s", fetch, fetch.Error)
		return f.violated("%s could not fetch the artifacts that were uploaded: %s", fetch, fetch.Error), true
	case fetch.Outcome == history.ArtifactsFetched && fetch.SHA256 != "" && fetch.SHA256 != wanted:
		f.Measured = "altered"
		f.cite(fetch.At, "%s receives other bytes, sha256 %.12s…", fetch, fetch.SHA256)
		return f.violated("%s received other bytes than were uploaded: sha256 %s instead of %s", fetch, fetch.SHA256, wanted), true
	case fetch.Outcome == history.ArtifactsUnreachable && fetch.By != byHarness && !f.model.hit(fetch.PodUID, fetch.Node):
		f.Measured = "unreachable"
		f.cite(fetch.At, "%s gives up: %s", fetch, fetch.Error)
		return f.violated("%s could not fetch the artifacts: no staging server answered it in time: %s", fetch, fetch.Error), true
	default:
		return Result{}, false
	}
}

// stagingBlow returns the last fault that struck a pod of the staging server that ran, after the upload, and that pod.
func (m *Model) stagingBlow() (*Fault, *Pod) {
	for _, fault := range slices.Backward(m.landed()) {
		if fault.Began.At.Before(m.Artifacts.Uploaded.At) {
			continue
		}
		for _, pod := range m.Pods {
			gone := pod.Gone()
			ran := !pod.Running.Never() && !pod.Running.At.After(fault.Began.At) && (gone.Never() || gone.At.After(fault.Began.At))
			if pod.Component == stagingRole && pod.Namespace == m.Workload.Namespace && ran && fault.hits(pod.UID, pod.Node) {
				return fault, pod
			}
		}
	}
	return nil, nil
}

// lastFetch returns the last fetch that succeeded after a time; nil if there is none.
func (m *Model) lastFetch(by string, since time.Time) *Fetch {
	for i := range slices.Backward(m.Artifacts.Fetches) {
		fetch := &m.Artifacts.Fetches[i]
		if fetch.By == by && fetch.Outcome == history.ArtifactsFetched && fetch.At.At.After(since) {
			return fetch
		}
	}
	return nil
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
	slices.Sort(nodes)
	return slices.Compact(nodes)
}
