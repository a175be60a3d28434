package model

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// ConcurrentUpdate is Spark's name of the error of a query that finds another one writing to its checkpoint.
const ConcurrentUpdate = "CONCURRENT_STREAM_LOG_UPDATE"

// Streams is what drivers told of the application's streams.
type Streams struct {
	Runs map[string]*QueryRun // of Structured Streaming, by run id and driver
	// Batches of DStreams that were completed, by driver pod UID and batch id.
	Batches   map[string]map[int64]Moment
	Conflicts []Conflict
}

// QueryRun is one run of a Structured Streaming query: the query keeps its id over restarts, a run does not.
type QueryRun struct {
	Query, Run, Name string
	Driver           string // the driver pod's UID
	Started          Moment
	Batches          map[int64]*Batch
}

// Batch is a micro-batch as its driver reported it. The offsets are as the sources write them.
type Batch struct {
	ID                 int64
	Started, Completed Moment
	From, To           string
}

// Conflict is a driver that found another one writing to its checkpoint.
type Conflict struct {
	Driver string // the driver pod's UID
	At     Moment
}

func newStreams() Streams {
	return Streams{Runs: map[string]*QueryRun{}, Batches: map[string]map[int64]Moment{}}
}

func (s *Streams) observe(r *history.WitnessRecord, at Moment) {
	switch r.Type {
	case history.QueryStarted:
		run := s.run(r)
		run.Name = cmp.Or(r.Detail["name"], run.Name)
		run.Started.KeepEarlier(at)
	case history.BatchStarted, history.BatchCompleted:
		s.observeBatch(r, at)
	case history.QueryEnded, history.LogEvent:
		for _, key := range []string{"condition", "errorClass", "exception", "causes", "message"} {
			if strings.Contains(r.Detail[key], ConcurrentUpdate) {
				s.Conflicts = append(s.Conflicts, Conflict{Driver: r.PodUID, At: at})
				return
			}
		}
	}
}

func (s *Streams) run(r *history.WitnessRecord) *QueryRun {
	id := r.Detail["runId"] + " " + r.PodUID
	run := s.Runs[id]
	if run == nil {
		run = &QueryRun{Query: r.Detail["queryId"], Run: r.Detail["runId"], Driver: r.PodUID, Batches: map[int64]*Batch{}}
		s.Runs[id] = run
	}
	return run
}

func (s *Streams) observeBatch(r *history.WitnessRecord, at Moment) {
	if r.BatchID == nil {
		return
	}
	if r.Detail["queryId"] == "" {
		if r.Type == history.BatchCompleted {
			if s.Batches[r.PodUID] == nil {
				s.Batches[r.PodUID] = map[int64]Moment{}
			}
			completed := s.Batches[r.PodUID][*r.BatchID]
			completed.KeepEarlier(at)
			s.Batches[r.PodUID][*r.BatchID] = completed
		}
		return
	}
	run := s.run(r)
	if name := r.Detail["name"]; name != "" && run.Name == "" {
		run.Name = name // its start may not have been reported
	}
	batch := run.Batches[*r.BatchID]
	if batch == nil {
		batch = &Batch{ID: *r.BatchID}
		run.Batches[*r.BatchID] = batch
	}
	if r.Type == history.BatchStarted {
		batch.Started.KeepEarlier(at)
		return
	}
	batch.Completed.KeepEarlier(at)
	batch.From, batch.To = offsetsOf(r.Detail, "startOffset"), offsetsOf(r.Detail, "endOffset")
}

// offsetsOf joins the offsets of all sources: of one under the plain name, of several with their numbers.
func offsetsOf(detail map[string]string, prefix string) string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(detail)) {
		if strings.HasPrefix(key, prefix) {
			all = append(all, detail[key])
		}
	}
	return strings.Join(all, " ")
}

// CompletedBatches returns the run's batches that were completed, in the order of their ids.
func (r *QueryRun) CompletedBatches() []*Batch {
	var all []*Batch
	for _, batch := range r.Batches {
		if !batch.Completed.Never() {
			all = append(all, batch)
		}
	}
	slices.SortFunc(all, func(a, b *Batch) int { return cmp.Compare(a.ID, b.ID) })
	return all
}
