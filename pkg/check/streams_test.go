package check

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// storyBatch is a batch of a stream in a story: of Structured Streaming by its number, of DStreams by its time.
type storyBatch struct {
	driver, run        string // run is empty for DStreams
	id                 int64
	from, to           int64
	total              int64         // in the ledger
	committed          time.Duration // to the ledger; zero: never
	started, completed time.Duration // zero: not reported
}

// storyRun is a run of a query in a story.
type storyRun struct {
	driver, query, run string
	started            time.Duration
}

// stream is what the drivers of a story say about their stream.
type stream struct {
	runs    []storyRun
	batches []storyBatch
	names   map[string]string                   // of queries, by run; wordcount if there is none
	offset  func(driver string, n int64) string // as the source writes it; the word source's if nil
	extra   func(*historytest.Builder)
}

// told makes the story's drivers report the stream.
func (s stream) told() func(*historytest.Story) {
	return func(story *historytest.Story) {
		story.Extra = func(b *historytest.Builder) {
			for _, r := range s.runs {
				say(b, r.started, r.driver, history.QueryStarted, nil,
					map[string]string{"queryId": r.query, "runId": r.run, "name": cmp.Or(s.names[r.run], "wordcount")})
			}
			for _, batch := range s.batches {
				s.tell(b, batch)
			}
			if s.extra != nil {
				s.extra(b)
			}
		}
	}
}

// say adds a driver's record.
func say(b *historytest.Builder, at time.Duration, driver, eventType string, batch *int64, detail map[string]string) {
	b.Witness(at+time.Millisecond, at, history.WitnessRecord{
		Type: eventType, Role: "driver", PodUID: driver, PodName: "driver-" + driver, Incarnation: driver, BatchID: batch, Detail: detail,
	})
}

func (s stream) query(run string) string {
	for _, r := range s.runs {
		if r.run == run {
			return r.query
		}
	}
	return ""
}

func (s stream) tell(b *historytest.Builder, batch storyBatch) {
	reported := map[string]string{}
	if batch.run != "" {
		reported = map[string]string{"queryId": s.query(batch.run), "runId": batch.run}
	}
	if batch.started > 0 {
		say(b, batch.started, batch.driver, history.BatchStarted, &batch.id, reported)
	}
	if batch.committed > 0 && batch.run != "" {
		say(b, batch.committed, batch.driver, history.Ledger, &batch.id, map[string]string{
			"key":   keyBatch + strconv.FormatInt(batch.id, 10),
			"value": fmt.Sprintf("%d-%d sha256:feed total=%d distinct=9", batch.from, batch.to, batch.total),
			"from":  fmt.Sprint(batch.from), "to": fmt.Sprint(batch.to), "total": fmt.Sprint(batch.total),
		})
	}
	if batch.committed > 0 && batch.run == "" {
		if batch.to > batch.from {
			say(b, batch.committed, batch.driver, history.Ledger, &batch.id, map[string]string{
				"key": keyOffsets + strconv.FormatInt(batch.id, 10), "value": fmt.Sprintf("%d-%d", batch.from, batch.to)})
		}
		say(b, batch.committed, batch.driver, history.Ledger, &batch.id, map[string]string{
			"key": keyTotals + strconv.FormatInt(batch.id, 10), "value": fmt.Sprintf("sha256:feed total=%d distinct=9", batch.total),
			"total": fmt.Sprint(batch.total), "highestOffset": fmt.Sprint(batch.to - 1),
		})
	}
	if batch.completed > 0 {
		offset := s.offset
		if offset == nil {
			offset = func(_ string, n int64) string { return fmt.Sprintf(`{"offset":%d}`, n) }
		}
		done := map[string]string{"endOffset": offset(batch.driver, batch.to)}
		if batch.from > 0 || batch.id > 0 {
			done["startOffset"] = offset(batch.driver, batch.from)
		}
		for key, value := range reported {
			done[key] = value
		}
		if batch.run == "" {
			done = nil
		}
		say(b, batch.completed, batch.driver, history.BatchCompleted, &batch.id, done)
	}
}

// structuredStream is a stream that continues as it should: driver d1 completes the batches 0 to 3 of 50 words each and
// dies between the commit of batch 4 to the ledger and its end; driver d2 runs batch 4 again and continues to batch 6.
func structuredStream() stream {
	s := stream{runs: []storyRun{{"d1", "q", "r1", 4 * second}, {"d2", "q", "r2", 28 * second}}}
	for id := range int64(5) {
		at := time.Duration(5+id) * second
		s.batches = append(s.batches, storyBatch{driver: "d1", run: "r1", id: id, from: 50 * id, to: 50 * (id + 1), total: 50 * (id + 1),
			started: at - 500*time.Millisecond, committed: at, completed: at + 200*time.Millisecond})
	}
	s.batches[4].completed = 0
	for id := int64(4); id < 7; id++ {
		at := time.Duration(26+id) * second
		s.batches = append(s.batches, storyBatch{driver: "d2", run: "r2", id: id, from: 50 * id, to: 50 * (id + 1), total: 50 * (id + 1),
			started: at - 500*time.Millisecond, committed: at, completed: at + 200*time.Millisecond})
	}
	return s
}

// dstream is the same for DStreams, whose batches have their times for ids.
func dstream() stream {
	s := structuredStream()
	s.runs = nil
	for i := range s.batches {
		s.batches[i].run, s.batches[i].id = "", 1000*(s.batches[i].id+1)
	}
	return s
}

// but changes a stream.
func (s stream) but(change func(*stream)) func(*historytest.Story) {
	change(&s)
	return s.told()
}

// conflict lets a driver report that another one writes to its checkpoint.
func conflict(at time.Duration, driver string) func(*historytest.Builder) {
	return func(b *historytest.Builder) {
		say(b, at, driver, history.QueryEnded, nil, map[string]string{"queryId": "q", "runId": "r2", "exception": "[" + model.ConcurrentUpdate +
			"] Multiple streaming jobs detected for 4."})
	}
}
