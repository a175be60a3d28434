package runner

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// targets finds targets in the history as it is when asked: what is not recorded cannot be a target.
type targets struct{ live *live }

// Driver returns the live driver's pod: of several that the API server shows as running, the newest. One that still
// initialises on its node is the driver, too.
func (t targets) Driver() (found faults.Pod, err error) {
	t.live.read(func(m *model.Model) {
		var driver *model.Incarnation
		if driver, err = liveIncarnation(m); err == nil {
			found = target(driver.Pod)
		}
	})
	return found, err
}

// Executors returns the live executors of the live driver, in the order of their ids.
func (t targets) Executors() (found []faults.Pod, err error) {
	t.live.read(func(m *model.Model) { found, err = liveExecutors(m) })
	return found, err
}

func liveExecutors(m *model.Model) ([]faults.Pod, error) {
	driver, err := liveIncarnation(m)
	if err != nil {
		return nil, err
	}
	pods := slices.DeleteFunc(m.Executors(driver), func(pod *model.Pod) bool { return !pod.Runs() })
	slices.SortFunc(pods, func(a, b *model.Pod) int {
		return cmp.Or(cmp.Compare(executorID(a), executorID(b)), cmp.Compare(a.Name, b.Name))
	})
	var found []faults.Pod
	for _, pod := range pods {
		found = append(found, target(pod))
	}
	return found, nil
}

// Component returns the live pods of a component beside the application, in the order of their names.
func (t targets) Component(role string) ([]faults.Pod, error) {
	var found []faults.Pod
	label := launcher.RoleValue(role)
	t.live.read(func(m *model.Model) {
		for _, pod := range m.Pods {
			if pod.Component == label && pod.Namespace == m.Workload.Namespace && pod.Runs() {
				found = append(found, target(pod))
			}
		}
	})
	slices.SortFunc(found, func(a, b faults.Pod) int { return cmp.Compare(a.Name, b.Name) })
	return found, nil
}

func target(pod *model.Pod) faults.Pod {
	return faults.Pod{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, Node: pod.Node}
}

// executorID is Spark's number of an executor; a label that is none counts as the last.
func executorID(pod *model.Pod) int {
	id, err := strconv.Atoi(pod.ExecutorID)
	if err != nil {
		return int(^uint(0) >> 1)
	}
	return id
}

// liveIncarnation returns the driver that a fault is injected into: the live one; if there is none, one that initialises on its node.
func liveIncarnation(m *model.Model) (*model.Incarnation, error) {
	all := m.Incarnations()
	if live := all.Live(); live != nil {
		return live, nil
	}
	if placed := all.Placed(); placed != nil {
		return placed, nil
	}
	return nil, fmt.Errorf("no driver runs; %d incarnations were seen so far", len(all))
}

// heartbeats knows when each JVM was last heard of, by the harness's clock, and what its own one said.
type heartbeats struct {
	mu   sync.Mutex
	last map[string]heartbeat // by pod UID
}

// heartbeat is the latest one of a JVM.
type heartbeat struct{ arrived, told time.Time }

func (h *heartbeats) heard(podUID string, told time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last[podUID] = heartbeat{time.Now(), told}
}

// Last returns when the pod's JVM was last heard of.
func (h *heartbeats) Last(podUID string) (time.Time, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, ok := h.last[podUID]
	return at.arrived, ok
}

// Ahead returns by how much the clock of the pod's JVM was ahead when it was last heard of.
func (h *heartbeats) Ahead(podUID string) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.last[podUID]
	return at.told.Sub(at.arrived.Round(0))
}
