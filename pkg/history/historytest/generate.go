package historytest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Generate writes a history of about as many events as asked for, which passes all invariants: a PowerOff story with
// the bulk of a long run between its events, in the proportions of a real one: heartbeats, tasks, renewed leases and,
// rarely, large states of pods.
func Generate(to io.Writer, events int, plan any) error {
	content, err := PowerOff(plan).Bytes()
	if err != nil {
		return err
	}
	out := &stream{Writer: bufio.NewWriterSize(to, 1<<20)}
	clock := &setClock{now: Epoch()}
	w := history.NewWriter(out, clock)
	var story []history.Event
	for event, err := range history.NewReader(strings.NewReader(string(content))).All() {
		if err != nil {
			return fmt.Errorf("reading the story back: %w", err)
		}
		story = append(story, event)
	}
	bulk := bulk{beats: map[string]int64{}, every: bulkTime() / time.Duration(max(1, events-len(story)))}
	for _, event := range story {
		if err := bulk.until(w, clock, event.Offset); err != nil {
			return err
		}
		clock.now = event.Wall
		data, err := bulk.adjust(event)
		if err != nil {
			return err
		}
		if _, err := w.Append(event.Source, event.Type, event.Object, data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return out.Flush()
}

// adjust numbers a record of the story after those of the bulk that its JVM wrote so far, and lets a disk give them, too.
func (b *bulk) adjust(event history.Event) (any, error) {
	switch {
	case event.Source == history.Witness:
		var record history.WitnessRecord
		if err := json.Unmarshal(event.Data, &record); err != nil {
			return nil, err
		}
		b.beats[record.PodUID]++
		record.Seq = b.beats[record.PodUID]
		return record, nil
	case event.Type == history.DisksCollected:
		var data history.CollectionData
		if err := json.Unmarshal(event.Data, &data); err != nil {
			return nil, err
		}
		data.Records = 0
		for i := range data.Writers {
			w := &data.Writers[i]
			w.First, w.Last, w.Records = 1, b.beats[w.PodUID], int(b.beats[w.PodUID])
			data.Records += w.Records
		}
		return data, nil
	default:
		return event.Data, nil
	}
}

// bulkBegin and bulkEnd are the times between which at least one process of the story lives.
const bulkBegin, bulkEnd = 3 * time.Second, 44 * time.Second

func bulkTime() time.Duration { return bulkEnd - bulkBegin }

// bulk is the mass of a long run's events.
type bulk struct {
	n     int
	every time.Duration
	beats map[string]int64 // records written so far, by pod UID
}

// until writes the events before a time.
func (b *bulk) until(w *history.Writer, clock *setClock, end time.Duration) error {
	for {
		at := bulkBegin + time.Duration(b.n)*b.every
		if at >= end || at >= bulkEnd {
			return nil
		}
		clock.now = Epoch().Add(at)
		if err := b.next(w, at); err != nil {
			return err
		}
		b.n++
	}
}

func (b *bulk) next(w *history.Writer, at time.Duration) error {
	var err error
	switch n := b.n % 200; {
	case n == 0:
		_, err = w.Append(history.Kubernetes, history.Modified,
			&history.Object{Kind: "Pod", Namespace: Namespace, Name: "shuffle-1", UID: "shuffle-1"}, largePod())
	case n%40 == 1:
		_, err = w.Append(history.Kubernetes, history.Modified,
			&history.Object{Kind: "Lease", Namespace: "kube-node-lease", Name: "n2", UID: "lease-n2"},
			map[string]any{"metadata": map[string]any{"name": "n2", "namespace": "kube-node-lease"},
				"spec": map[string]any{"renewTime": Epoch().Add(at)}})
	default:
		record := b.record(at)
		_, err = w.Append(history.Witness, record.Type, nil, record)
	}
	return err
}

// record returns a record of one of the processes that live at a time.
func (b *bulk) record(at time.Duration) history.WitnessRecord {
	alive := processes(at)
	r := alive[b.n%len(alive)]
	r.WallMicros, r.Type, r.Via = Epoch().Add(at).UnixMicro(), history.Heartbeat, "http"
	b.beats[r.PodUID]++
	r.Seq = b.beats[r.PodUID]
	if r.Role == history.RoleDriver && b.n%10 == 5 {
		task, partition := int64(b.n), int64(b.n%64)
		r.Type, r.TaskID, r.Partition, r.StageID = history.TaskStarted, &task, &partition, &partition
		r.ExecutorID, r.Detail = "1", map[string]string{"kind": "map", "stageAttempt": "0", "host": "10.0.0.1"}
	}
	return r
}

func processes(at time.Duration) []history.WitnessRecord {
	ms := time.Millisecond
	var alive []history.WitnessRecord
	for _, p := range []struct {
		from, to time.Duration
		record   history.WitnessRecord
	}{
		{3000 * ms, 10000 * ms, history.WitnessRecord{Role: history.RoleDriver, PodUID: "d1", PodName: "driver-d1", Node: "n1", AppID: "spark-1",
			Incarnation: "d1"}},
		{6000 * ms, 29000 * ms, history.WitnessRecord{Role: history.RoleExecutor, PodUID: "e1", PodName: "driver-d1-exec-1", Node: "n2",
			AppID: "spark-1", ExecutorID: "1", Incarnation: "d1"}},
		{6000 * ms, 29000 * ms, history.WitnessRecord{Role: history.RoleExecutor, PodUID: "e2", PodName: "driver-d1-exec-2", Node: "n3",
			AppID: "spark-1", ExecutorID: "2", Incarnation: "d1"}},
		{26000 * ms, 44500 * ms, history.WitnessRecord{Role: history.RoleDriver, PodUID: "d2", PodName: "driver-d2", Node: "n2", AppID: "spark-2",
			Incarnation: "d2"}},
		{29500 * ms, 44000 * ms, history.WitnessRecord{Role: history.RoleExecutor, PodUID: "e3", PodName: "driver-d2-exec-1", Node: "n2",
			AppID: "spark-2", ExecutorID: "1", Incarnation: "d2"}},
		{29500 * ms, 44000 * ms, history.WitnessRecord{Role: history.RoleExecutor, PodUID: "e4", PodName: "driver-d2-exec-2", Node: "n3",
			AppID: "spark-2", ExecutorID: "2", Incarnation: "d2"}},
	} {
		if at >= p.from && at <= p.to {
			alive = append(alive, p.record)
		}
	}
	return alive
}

// largePod is a pod of the size that API servers really tell.
func largePod() map[string]any {
	env := []any{}
	for i := range 40 {
		env = append(env, map[string]any{"name": fmt.Sprintf("SPARK_JAVA_OPT_%d", i),
			"value": "-Dspark.some.setting.of.the.application=with-a-value"})
	}
	return map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": "shuffle-1", "namespace": Namespace, "uid": "shuffle-1", "labels": map[string]any{"app": "shuffle"}},
		"spec":     map[string]any{"nodeName": "n2", "containers": []any{map[string]any{"name": "main", "env": env}}},
		"status":   map[string]any{"phase": "Running"},
	}
}

// stream is a file that is only written, not kept.
type stream struct{ *bufio.Writer }

// Sync writes what is buffered.
func (s stream) Sync() error { return s.Flush() }

// Close does nothing.
func (stream) Close() error { return nil }
