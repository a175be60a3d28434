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
		pod := m.Pods[uid]
		lost := pod != nil && (!pod.Terminating.Never() || !pod.Gone().Never()) || m.Struck(uid, fetch.Node)
		if !ended[uid] && !lost {
			open = append(open, fetch.String())
		}
	}
	return open
}

// Struck reports whether a fault that landed struck a pod or its node.
func (m *Model) Struck(uid, node string) bool {
	for _, fault := range m.Landed() {
		if fault.Hits(uid, node) {
			return true
		}
	}
	return false
}
