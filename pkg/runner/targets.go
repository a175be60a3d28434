package runner

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// targets answers from the history as it is when asked: what is not recorded cannot be struck.
type targets struct{ path string }

// Driver returns the live driver's pod: of several that the API server shows as running, the newest.
func (t targets) Driver() (faults.Pod, error) {
	model, err := replay(t.path)
	if err != nil {
		return faults.Pod{}, err
	}
	live, err := liveIncarnation(model)
	if err != nil {
		return faults.Pod{}, err
	}
	return faults.Pod{Namespace: live.Pod.Namespace, Name: live.Name, UID: live.UID, Node: live.Node}, nil
}

// Executors returns the live executors of the live driver, in the order of their ids.
func (t targets) Executors() ([]faults.Pod, error) {
	model, err := replay(t.path)
	if err != nil {
		return nil, err
	}
	live, err := liveIncarnation(model)
	if err != nil {
		return nil, err
	}
	var pods []*check.Pod
	for _, pod := range model.Pods {
		if pod.Owner.UID == live.UID && !pod.Running.Never() && pod.Gone().Never() && pod.Terminating.Never() {
			pods = append(pods, pod)
		}
	}
	slices.SortFunc(pods, func(a, b *check.Pod) int {
		return cmp.Or(cmp.Compare(executorID(a), executorID(b)), cmp.Compare(a.Name, b.Name))
	})
	var executors []faults.Pod
	for _, pod := range pods {
		executors = append(executors, faults.Pod{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, Node: pod.Node})
	}
	return executors, nil
}

// executorID is Spark's number of an executor; a label that is none counts as the last.
func executorID(pod *check.Pod) int {
	id, err := strconv.Atoi(pod.ExecutorID)
	if err != nil {
		return int(^uint(0) >> 1)
	}
	return id
}

func liveIncarnation(model *check.Model) (*check.Incarnation, error) {
	all := model.Incarnations()
	for _, incarnation := range slices.Backward(all) {
		pod := incarnation.Pod
		if pod != nil && !pod.Running.Never() && pod.Gone().Never() && pod.Terminating.Never() {
			return incarnation, nil
		}
	}
	return nil, fmt.Errorf("no driver runs; %d incarnations were seen so far", len(all))
}

// replay reads the history so far into a model.
func replay(path string) (*check.Model, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the history so far: %w", err)
	}
	defer func() { _ = file.Close() }() // opened for reading only
	model := check.NewModel()
	reader := history.NewReader(file)
	var event history.Event
	for {
		err := reader.Next(&event)
		if errors.Is(err, io.EOF) {
			return model, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the history so far: %w", err)
		}
		model.Observe(&event)
	}
}

// heartbeats knows when each JVM was last heard of, by the harness's clock.
type heartbeats struct {
	mu   sync.Mutex
	last map[string]time.Time // by pod UID
}

func (h *heartbeats) heard(podUID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last[podUID] = time.Now()
}

// Last returns when the pod's JVM was last heard of.
func (h *heartbeats) Last(podUID string) (time.Time, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, ok := h.last[podUID]
	return at, ok
}
