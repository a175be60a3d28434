package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Artifacts is what was seen of the application's artifacts and the staging server that serves them.
type Artifacts struct {
	Uploaded Moment
	Upload   history.StagingData
	Again    Moment  // uploaded once more
	Fetches  []Fetch // that came to an end, each once, in the order of the history
	Begun    map[string]Fetch
	Last     *Fetch // what an init container of a driver told last, be it the begin or the end of a fetch; nil if none told anything
	known    map[recordID]bool
}

// Fetch is one fetch of the artifacts, with all its tries.
type Fetch struct {
	By      string // harness, driver or executor
	Pod     string // name of the pod that fetched; of the harness's the server's that was asked
	PodUID  string // of the pod that fetched; empty for the harness
	Node    string
	At      Moment
	Outcome string // a type of event: history.ArtifactsFetched …
	SHA256  string
	Error   string
	ID      string // of what was fetched
}

// ByHarness is who fetches from outside the workload.
const ByHarness = "harness"

// String names who fetched, in messages.
func (f Fetch) String() string {
	if f.By == ByHarness {
		return "the harness"
	}
	return fmt.Sprintf("the %s %s", f.By, f.Pod)
}

func (m *Model) observeStaging(e *history.Event, at Moment) error {
	var data history.StagingData
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return err
	}
	if e.Type == history.ArtifactsUploaded {
		if !m.Artifacts.Uploaded.Never() {
			m.Artifacts.Again.KeepEarlier(at)
			return nil
		}
		m.Artifacts.Uploaded, m.Artifacts.Upload = at, data
		return nil
	}
	m.Artifacts.Fetches = append(m.Artifacts.Fetches,
		Fetch{By: ByHarness, Pod: data.Server, At: at, Outcome: e.Type, SHA256: data.SHA256, Error: data.Error, ID: data.ResourceID})
	return nil
}

// observeFetch takes a record of an init container, which is no sign of life of the JVM that its pod is for.
func (m *Model) observeFetch(r *history.WitnessRecord, at Moment) {
	id := recordID{r.PodUID, r.Seq}
	if m.Artifacts.known[id] {
		return
	}
	fetch := Fetch{
		By: r.Role, Pod: r.PodName, PodUID: strings.TrimSuffix(r.PodUID, history.ArtifactsWriter), Node: r.Node, At: at,
		Outcome: r.Type, SHA256: r.Detail["sha256"], Error: r.Detail["error"], ID: r.Detail["resourceID"],
	}
	if r.Role == RoleDriver {
		m.Artifacts.Last = &fetch
	}
	if at.At.Before(m.LaunchBegan()) {
		return
	}
	m.Artifacts.known[id] = true
	if r.Type == history.ArtifactsFetching {
		m.Artifacts.Begun[fetch.PodUID] = fetch
		return
	}
	m.Artifacts.Fetches = append(m.Artifacts.Fetches, fetch)
}

// Unfinished returns the fetches that began and never came to an end, of pods whose loss does not explain it.
func (m *Model) Unfinished() []string {
	ended := map[string]bool{}
	for _, fetch := range m.Artifacts.Fetches {
		ended[fetch.PodUID] = true
	}
	var open []string
	for _, uid := range slices.Sorted(maps.Keys(m.Artifacts.Begun)) {
		fetch := m.Artifacts.Begun[uid]
		if !ended[uid] && !m.lostWhileFetching(uid, fetch) {
			open = append(open, fetch.String())
		}
	}
	return open
}

// lostWhileFetching reports whether a pod was taken away, which explains why its fetch never ended: it was deleted, or a fault cost it. One
// that failed by itself may have failed since it could not fetch.
func (m *Model) lostWhileFetching(uid string, fetch Fetch) bool {
	pod := m.Pods[uid]
	if pod == nil {
		return m.Struck(uid, fetch.Node)
	}
	for _, end := range []Moment{pod.Terminating, pod.Deleted} {
		if !end.Never() && (pod.Finished.Never() || end.Before(pod.Finished)) {
			return true
		}
	}
	return slices.ContainsFunc(m.Landed(), func(f *Fault) bool { return !m.Cost(f, pod, nil, Moment{}).Never() })
}

// ServedAnew reports whether a fetch by the harness shows that artifacts outlived the loss of a server's pod: another pod gave them, or
// that pod after a fault had ended its processes. A pod that is being deleted, or that a fault cut off, serves what it has for a while.
func (m *Model) ServedAnew(fault *Fault, server *Pod, fetch Fetch) bool {
	if fault.does(endsProcesses) && fetch.At.At.After(fault.Landed.At) || fetch.Pod != "" && fetch.Pod != server.Name {
		return true
	}
	gone := server.Gone()
	if gone.Never() || gone.At.After(fetch.At.At) {
		return false
	}
	if fetch.Pod == "" {
		return true // recorded by a release that did not say who was asked: nobody asks a pod that is gone
	}
	for _, pod := range m.Pods {
		successor := pod.UID != server.UID && pod.Name == server.Name && pod.Namespace == server.Namespace
		if successor && !pod.Running.Never() && !pod.Running.At.After(fetch.At.At) {
			return true
		}
	}
	return false
}

// Struck reports whether a fault that landed hit a pod or its node.
func (m *Model) Struck(uid, node string) bool {
	for _, fault := range m.Landed() {
		if fault.Hits(uid, node) {
			return true
		}
	}
	return false
}
