// Package historytest makes histories for tests: by hand, event by event, or as the story of a whole run.
package historytest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Epoch is the wall time at which every history of this package begins.
func Epoch() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// entry is an event that waits to be written.
type entry struct {
	at        time.Duration
	source    history.Source
	eventType string
	object    *history.Object
	data      any
}

// Builder collects events with the times at which the harness learned of them, in any order.
type Builder struct {
	entries []entry
	beats   map[string]int64 // records written so far, by pod UID
}

// New returns a builder without events.
func New() *Builder { return &Builder{beats: map[string]int64{}} }

// Add adds an event, at a time counted from the begin of the run. Events of equal times keep the order of the calls.
func (b *Builder) Add(at time.Duration, source history.Source, eventType string, object *history.Object, data any) {
	b.entries = append(b.entries, entry{at, source, eventType, object, data})
}

// Harness adds an event of the harness itself.
func (b *Builder) Harness(at time.Duration, eventType string, data any) {
	b.Add(at, history.Harness, eventType, nil, data)
}

// Fault adds a step of a fault's life.
func (b *Builder) Fault(at time.Duration, eventType string, data history.FaultData) {
	b.Add(at, history.Fault, eventType, &history.Object{Kind: "Fault", Name: data.Fault}, data)
}

// Witness adds a record that its JVM wrote at a time and the harness learned of at another one. The record's time and
// sequence number are filled in.
func (b *Builder) Witness(learned, written time.Duration, record history.WitnessRecord) {
	b.beats[record.PodUID]++
	record.Seq = b.beats[record.PodUID]
	record.WallMicros = Epoch().Add(written).UnixMicro()
	record.Via = cmp.Or(record.Via, "http")
	b.Add(learned, history.Witness, record.Type, nil, record)
}

// Beats adds heartbeats of a process, each 100 ms from the first time to the second, both included.
func (b *Builder) Beats(from, to time.Duration, process history.WitnessRecord) {
	process.Type = history.Heartbeat
	for at := from; at <= to; at += 100 * time.Millisecond {
		b.Witness(at+time.Millisecond, at, process)
	}
}

// Node adds what the API server says of a node: ready is True, False or Unknown.
func (b *Builder) Node(at time.Duration, eventType, name, ready string) {
	b.Add(at, history.Kubernetes, eventType, &history.Object{Kind: "Node", Name: name, UID: "uid-" + name}, map[string]any{
		"metadata": map[string]any{"name": name, "uid": "uid-" + name},
		"status":   map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": ready}}},
	})
}

// Pod is a pod as the API server tells it.
type Pod struct {
	UID, Name, Namespace, Node string
	OwnerKind, Owner           string // UID of the owner
	Labels                     map[string]string
	Phase                      string
	Deleting                   bool
}

// Pod adds a state of a pod. The times in it have the resolution of a second, as the API server's.
func (b *Builder) Pod(at time.Duration, eventType string, pod Pod) {
	metadata := map[string]any{
		"name": pod.Name, "namespace": pod.Namespace, "uid": pod.UID, "labels": pod.Labels,
		"creationTimestamp": Epoch().Format(time.RFC3339),
		"ownerReferences":   []any{map[string]any{"kind": pod.OwnerKind, "name": "owner", "uid": pod.Owner, "controller": true}},
	}
	if pod.Deleting {
		metadata["deletionTimestamp"] = Epoch().Add(at).Format(time.RFC3339)
	}
	b.Add(at, history.Kubernetes, eventType, &history.Object{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}, map[string]any{
		"metadata": metadata, "spec": map[string]any{"nodeName": pod.Node}, "status": map[string]any{"phase": pod.Phase},
	})
}

// Job adds a state of a Job with the conditions that are True.
func (b *Builder) Job(at time.Duration, eventType, namespace, uid string, conditions ...string) {
	list := []any{}
	for _, condition := range conditions {
		list = append(list, map[string]any{"type": condition, "status": "True", "reason": "Because"})
	}
	b.Add(at, history.Kubernetes, eventType, &history.Object{Kind: "Job", Namespace: namespace, Name: "driver", UID: uid}, map[string]any{
		"metadata": map[string]any{"name": "driver", "namespace": namespace, "uid": uid},
		"status":   map[string]any{"conditions": list},
	})
}

// Bytes writes the events in the order of their times, as a history.Writer does.
func (b *Builder) Bytes() ([]byte, error) {
	sorted := slices.Clone(b.entries)
	slices.SortStableFunc(sorted, func(x, y entry) int { return cmp.Compare(x.at, y.at) })
	file := &memory{}
	clock := &setClock{now: Epoch()}
	w := history.NewWriter(file, clock)
	for _, e := range sorted {
		clock.now = Epoch().Add(e.at)
		if _, err := w.Append(e.source, e.eventType, e.object, e.data); err != nil {
			return nil, fmt.Errorf("writing a history for a test: %w", err)
		}
	}
	return file.Buffer.Bytes(), w.Close()
}

// WriteFile writes the events to a file.
func (b *Builder) WriteFile(path string) error {
	content, err := b.Bytes()
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}

// RunData returns the data of a first event for a plan, which is any value that is encoded as JSON.
func RunData(plan any) (history.RunData, error) {
	encoded, err := json.Marshal(plan)
	if err != nil {
		return history.RunData{}, fmt.Errorf("encoding the plan of a test: %w", err)
	}
	return history.RunData{
		FormatVersion: history.FormatVersion, RunID: "run-1", Scenario: "driver-node-power-off", Seed: 7, Plan: encoded,
		Harness: "test", ClusterKind: "embedded",
	}, nil
}

// setClock shows the time that it was set to.
type setClock struct{ now time.Time }

// Now returns the time.
func (c *setClock) Now() time.Time { return c.now }

// memory is a file in memory that is only written.
type memory struct{ bytes.Buffer }

// ReadAt reads what was written.
func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader(m.Buffer.Bytes()).ReadAt(p, at)
}

// Sync does nothing.
func (m *memory) Sync() error { return nil }

// Close does nothing.
func (m *memory) Close() error { return nil }
