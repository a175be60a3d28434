package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Keys of the ledger entries of streaming applications, each followed by the batch's id.
const (
	keyBatch   = "batch/"   // Structured Streaming: a micro-batch's range of offsets and the counts up to it
	keyOffsets = "offsets/" // DStreams: the ranges of offsets in a batch
	keyTotals  = "totals/"  // DStreams: the counts up to a batch
)

// concurrentUpdate is Spark's name of the error of a query that finds another one writing to its checkpoint.
const concurrentUpdate = "CONCURRENT_STREAM_LOG_UPDATE"

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
		run.Started.first(at)
	case history.BatchStarted, history.BatchCompleted:
		s.observeBatch(r, at)
	case history.QueryEnded, history.LogEvent:
		for _, key := range []string{"condition", "errorClass", "exception", "causes", "message"} {
			if strings.Contains(r.Detail[key], concurrentUpdate) {
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
			completed.first(at)
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
		batch.Started.first(at)
		return
	}
	batch.Completed.first(at)
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

// completed returns the run's batches that were completed, in the order of their ids.
func (r *QueryRun) completed() []*Batch {
	var all []*Batch
	for _, batch := range r.Batches {
		if !batch.Completed.Never() {
			all = append(all, batch)
		}
	}
	slices.SortFunc(all, func(a, b *Batch) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// entry is a ledger entry of a streaming batch.
type entry struct {
	Commit
	batch  int64
	writer *Incarnation
}

// entries returns the ledger entries with a key of the kind, in the order of batches, then of writers and times. Those
// of writers that are no incarnation of this run's driver are left out.
func (m *Model) entries(incarnations []*Incarnation, kind string) []entry {
	writers := map[string]*Incarnation{}
	for _, incarnation := range incarnations {
		writers[incarnation.UID] = incarnation
	}
	var all []entry
	for key, commits := range m.Ledger.Commits {
		id, ok := strings.CutPrefix(key, kind)
		batch, err := strconv.ParseInt(id, 10, 64)
		if !ok || err != nil {
			continue
		}
		for _, commit := range commits {
			if writer := writers[commit.Incarnation]; writer != nil {
				all = append(all, entry{Commit: commit, batch: batch, writer: writer})
			}
		}
	}
	slices.SortFunc(all, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.batch, b.batch), cmp.Compare(a.writer.Number, b.writer.Number), a.At.At.Compare(b.At.At), cmp.Compare(a.record.seq, b.record.seq))
	})
	return all
}

// offsets is a range of a source's offsets: from the first to the one after the last.
type offsets struct{ from, to int64 }

// String writes the range as the ledger does.
func (o offsets) String() string { return fmt.Sprintf("%d-%d", o.from, o.to) }

// parseRanges reads ranges like "0-150,160-200".
func parseRanges(text string) ([]offsets, error) {
	var all []offsets
	for part := range strings.SplitSeq(text, ",") {
		begin, end, _ := strings.Cut(part, "-")
		from, err := strconv.ParseInt(begin, 10, 64)
		to, err2 := strconv.ParseInt(end, 10, 64)
		if err != nil || err2 != nil || from < 0 || to <= from {
			return nil, fmt.Errorf("%q is no range of offsets like 0-150", part)
		}
		all = append(all, offsets{from, to})
	}
	return all, nil
}

// numbered returns a number that an entry's detail holds.
func (e entry) numbered(name string) (int64, error) {
	n, err := strconv.ParseInt(e.Detail[name], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the ledger entry of batch %d by %s has %s=%q, want a number", e.batch, e.writer, name, e.Detail[name])
	}
	return n, nil
}

// structured says whether the application is one of Structured Streaming; dstreams whether it is one of DStreams.
func (m *Model) structured() bool { return len(m.Streams.Runs) > 0 }

func (m *Model) dstreams(incarnations []*Incarnation) bool {
	return !m.structured() && (len(m.Streams.Batches) > 0 || len(m.entries(incarnations, keyTotals)) > 0)
}
