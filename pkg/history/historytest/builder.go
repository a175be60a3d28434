// Package historytest makes histories for tests: by hand, event by event, or as the story of a whole run.
package historytest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
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
	entries   []entry
	cut       map[string]time.Duration // since when the records of a node come by its disk alone
	collected time.Duration            // when they do
	ahead     map[string]time.Duration // by how much the clocks of nodes are ahead
}

// New returns a builder without events.
func New() *Builder {
	return &Builder{cut: map[string]time.Duration{}, ahead: map[string]time.Duration{}}
}

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

// Witness adds a record that its JVM wrote at a time and the harness learned of at another one. The record's time is filled in, and its
// sequence number: the records of a JVM are numbered in the order of their times when the history is written.
func (b *Builder) Witness(learned, written time.Duration, record history.WitnessRecord) {
	record.WallMicros = Epoch().Add(written + b.ahead[record.Node]).UnixMicro()
	record.Via = cmp.Or(record.Via, "http")
	if cut := b.cutOff(record.Node, min(learned, written)); cut && record.Via == "http" {
		record.Via = "disk"
		learned = max(learned, b.collected)
	}
	b.Add(learned, history.Witness, record.Type, nil, record)
}

// CutOff lets the records that processes on a node write after a time reach the harness by the node's disk alone, when it is collected.
func (b *Builder) CutOff(node string, after, collected time.Duration) {
	b.cut[node], b.collected = after, collected
}

func (b *Builder) cutOff(node string, written time.Duration) bool {
	after, cut := b.cut[node]
	return cut && written > after
}

// number gives the records of each JVM their sequence numbers, in the order of their times.
func (b *Builder) number() {
	byPod := map[string][]*entry{}
	for i := range b.entries {
		if record, ok := b.entries[i].data.(history.WitnessRecord); ok && record.Seq == 0 {
			byPod[record.PodUID] = append(byPod[record.PodUID], &b.entries[i])
		}
	}
	for _, entries := range byPod {
		slices.SortStableFunc(entries, func(x, y *entry) int {
			return cmp.Compare(x.data.(history.WitnessRecord).WallMicros, y.data.(history.WitnessRecord).WallMicros)
		})
		last := int64(0)
		told := map[string]int64{} // a record that comes by both ways has one number
		for _, e := range entries {
			whole := e.data.(history.WitnessRecord)
			content := contentOf(whole)
			seq := told[content]
			if sameWay := told[content+whole.Via]; seq == 0 || sameWay == seq {
				last++
				seq = last
			}
			told[content], told[content+whole.Via] = seq, seq
			whole.Seq = seq
			e.data = whole
		}
	}
}

// contentOf tells records of one JVM apart, whichever way they came. Nearly all are heartbeats, which differ by their times alone.
func contentOf(record history.WitnessRecord) string {
	if record.Type == history.Heartbeat && record.Detail == nil {
		return strconv.FormatInt(record.WallMicros, 10)
	}
	record.Via = ""
	ids := numbersOf(record)
	record.JobID, record.StageID, record.Attempt, record.TaskID, record.Partition, record.BatchID = nil, nil, nil, nil, nil, nil
	return fmt.Sprintf("%+v %v ", record, ids)
}

// recordOf names a record.
type recordOf struct {
	podUID string
	seq    int64
}

// numbersOf returns the ids in a record, which are pointers in it.
func numbersOf(r history.WitnessRecord) []int64 {
	var all []int64
	for _, n := range []*int64{r.JobID, r.StageID, r.Attempt, r.TaskID, r.Partition, r.BatchID} {
		if n == nil {
			all = append(all, -1)
			continue
		}
		all = append(all, *n)
	}
	return all
}

// nodes returns the node of each pod that wrote records, as any of them tells.
func (b *Builder) nodes() map[string]string {
	nodes := map[string]string{}
	for _, e := range b.entries {
		if record, ok := e.data.(history.WitnessRecord); ok && record.Node != "" {
			nodes[record.PodUID] = record.Node
		}
	}
	return nodes
}

// Disk returns what a node's disk holds of the records so far.
func (b *Builder) Disk(node string) history.CollectionData {
	b.number()
	data := history.CollectionData{Node: node, Took: 100 * time.Millisecond}
	byPod := map[string]*history.WriterData{}
	nodes, seen := b.nodes(), map[recordOf]bool{}
	for _, e := range b.entries {
		record, ok := e.data.(history.WitnessRecord)
		if !ok || nodes[record.PodUID] != node {
			continue
		}
		if seen[recordOf{record.PodUID, record.Seq}] {
			continue
		}
		seen[recordOf{record.PodUID, record.Seq}] = true
		w := byPod[record.PodUID]
		if w == nil {
			w = &history.WriterData{PodUID: record.PodUID, First: record.Seq}
			byPod[record.PodUID] = w
		}
		w.Records++
		w.First, w.Last = min(w.First, record.Seq), max(w.Last, record.Seq)
	}
	for _, uid := range slices.Sorted(maps.Keys(byPod)) {
		data.Files++
		data.Records += byPod[uid].Records
		data.Writers = append(data.Writers, *byPod[uid])
	}
	return data
}

// Beats adds heartbeats of a process, each 100 ms from the first time to the second, both included.
func (b *Builder) Beats(from, to time.Duration, process history.WitnessRecord) {
	process.Type = history.Heartbeat
	for at := from; at <= to; at += 100 * time.Millisecond {
		b.Witness(at+time.Millisecond, at, process)
	}
}

// Node adds what the API server says about a node: ready is True, False or Unknown.
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
	b.Add(at, history.Kubernetes, eventType, &history.Object{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		map[string]any{
			"metadata": metadata, "spec": map[string]any{"nodeName": pod.Node}, "status": map[string]any{"phase": pod.Phase},
		})
}

// Output adds what a pod read of an output of the application, for which it was made two seconds before.
func (b *Builder) Output(at time.Duration, data history.OutputData) {
	pod := Pod{
		UID: "reader", Name: "output-reader", Namespace: Namespace, Node: "n3", Phase: "Running",
		Labels: map[string]string{"sparkchaos.dev/role": history.RoleOutputReader},
	}
	b.Pod(at-2*time.Second, history.Added, pod)
	object := &history.Object{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}
	b.Add(at, history.Harness, history.OutputRead, object, data)
}

// Object adds an object of namespace "ns" as the API server tells it.
func (b *Builder) Object(at time.Duration, eventType, kind, name string, object map[string]any) {
	b.Add(at, history.Kubernetes, eventType, &history.Object{Kind: kind, Name: name, UID: "uid-" + name, Namespace: "ns"}, object)
}

// Stamp is a time, counted from the begin of the run, as Kubernetes writes it.
func Stamp(at time.Duration) string { return Epoch().Add(at).Format(time.RFC3339) }

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
	b.number()
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

// Sync does nothing.
func (m *memory) Sync() error { return nil }

// Close does nothing.
func (m *memory) Close() error { return nil }
