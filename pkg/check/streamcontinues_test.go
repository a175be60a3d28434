package check

import (
	"fmt"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

func TestQueriesContinue(t *testing.T) {
	t.Parallel()
	runInvariant(t, "streamContinues", args{}, []invariantCase{
		{name: "at the committed offsets", want: Pass, measure: "1 resumption", twist: structuredStream().told(),
			shows: []string{"its last batch, 3, is completed up to offset {\"offset\":200}", "starts query q, run r2",
				"its first batch, 4, is completed from offset {\"offset\":200}"}},
		{name: "the last batch's report died with the driver", want: Pass, twist: structuredStream().but(func(s *stream) {
			s.batches = append(s.batches[:5], s.batches[6:]...) // batch 4 was committed by d1, d2 begins with 5
		})},
		{name: "a new query", want: Violation, says: "runs a new query, q2",
			twist: structuredStream().but(func(s *stream) { s.runs[1].query = "q2" })},
		{name: "a new query that got no further", want: Violation, says: "runs a new query, q2", twist: structuredStream().but(func(s *stream) {
			s.runs[1].query, s.batches = "q2", s.batches[:5]
		})},
		{name: "the same run id", want: Violation, says: "has the same run id", twist: structuredStream().but(func(s *stream) {
			s.runs[1].run = "r1"
			for i := 5; i < len(s.batches); i++ {
				s.batches[i].run = "r1"
			}
		})},
		{name: "a gap", want: Violation, says: "do not follow each other",
			twist: structuredStream().but(func(s *stream) { s.batches[5].from = 210 })},
		{name: "an overlap", want: Violation, says: "do not follow each other",
			twist: structuredStream().but(func(s *stream) { s.batches[6].from = 240 })},
		{name: "a completed batch again", want: Violation, says: "ran batch 3 again", twist: structuredStream().but(func(s *stream) {
			s.batches[5].id, s.batches[5].from, s.batches[5].to = 3, 150, 200
		})},
		{name: "the batch under way with other offsets", want: Violation,
			says: "ran batch 4 again with other offsets, 200-260 instead of 200-250", twist: structuredStream().but(func(s *stream) {
				s.batches[5].to, s.batches[6].from = 260, 260
			}), shows: []string{"commits batch 4 with the offsets 200-250"}},
		{name: "batches that nobody reported", want: Inconclusive, says: "every batch was reported",
			twist: structuredStream().but(func(s *stream) {
				s.batches = append(s.batches[:4], s.batches[6:]...)
			})},
		{name: "more batches that nobody reported", want: Inconclusive, says: "every batch was reported",
			twist: structuredStream().but(func(s *stream) {
				s.batches = append(s.batches[:3], s.batches[6:]...)
			})},
		{name: "a second query that nobody continued with", want: Inconclusive,
			says: "query other, which incarnation 1 (pod driver-d1) ran, was gone on with", twist: secondQuery("d1")},
		{name: "a second query, though the first batch of it was under way", want: Inconclusive, says: "query other, which incarnation 1",
			twist: structuredStream().but(func(s *stream) {
				s.runs = append(s.runs, storyRun{"d1", "other", "r8", 4 * second})
				s.batches = append(s.batches, storyBatch{driver: "d1", run: "r8", id: 0, to: 10, started: 8 * second})
				s.names = map[string]string{"r8": "other"}
			})},
		{name: "a second query that the next driver continued with", want: Pass, twist: secondQuery("d1", "d2")},
		{name: "a second query of the first driver that the last one dropped", want: Inconclusive,
			says: "query other, which incarnation 2 (pod driver-d2) ran, was gone on with", twist: and(secondQuery("d1", "d2"), thirdDriver)},
		{name: "a second query with other offsets in its batch of the same number", want: Pass, twist: secondQueryAt(4)},
		{name: "the batch under way, and an entry of it that cannot be read", want: Pass, twist: structuredStream().but(func(s *stream) {
			s.batches[5].to, s.batches[6].from = 260, 260
			s.batches[4].committed = 0
			s.extra = func(b *historytest.Builder) {
				id := int64(4)
				say(b, 9*second, "d1", history.Ledger, &id, map[string]string{"key": "batch/4", "value": "200-many"})
			}
		})},
		{name: "no first batch", want: Inconclusive, says: "every batch was reported",
			twist: structuredStream().but(func(s *stream) { s.batches = s.batches[1:] })},
		{name: "nothing completed after the fault", want: Inconclusive, says: "no later incarnation",
			twist: structuredStream().but(func(s *stream) { s.batches = s.batches[:5] })},
		{name: "no fault", want: Inconclusive, says: "nothing to continue", twist: both(structuredStream().told(), withoutFault)},
		{name: "the dead node's disk was not read", want: Inconclusive, twist: both(structuredStream().told(), unreadDisk)},
		{name: "no stream", want: Inconclusive, says: "no streaming query and no batch"},
		{name: "offsets by topic and partition", want: Pass, measure: "1 resumption", twist: structuredStream().but(func(s *stream) {
			s.offset = ofTopics
		})},
		{name: "offsets by topic and partition, and a gap", want: Violation, says: "do not follow each other",
			twist: structuredStream().but(func(s *stream) { s.offset, s.batches[5].from = ofTopics, 210 })},
		{name: "offsets that are no JSON", want: Pass, twist: structuredStream().but(func(s *stream) {
			s.offset = func(_ string, n int64) string { return fmt.Sprintf("file %d", n) }
		})},
		{name: "offsets that are no JSON, and an overlap", want: Violation, says: "do not follow each other",
			twist: structuredStream().but(func(s *stream) {
				s.offset = func(_ string, n int64) string { return fmt.Sprintf("file %d", n) }
				s.batches[6].from = 240
			})},
		// The ledger's numbers cannot be compared with them, so they do not bridge the batch.
		{name: "offsets by topic, and a batch that nobody reported", want: Inconclusive, says: "every batch was reported",
			twist: structuredStream().but(func(s *stream) {
				s.offset, s.batches = ofTopics, append(s.batches[:5], s.batches[6:]...)
			})},
	})
}

// ofTopics writes an offset as Kafka's source does, the two drivers in another order.
func ofTopics(driver string, n int64) string {
	if driver == "d1" {
		return fmt.Sprintf(`{"a":{"0":%d,"1":9007199254740993},"b":{"0":7}}`, n)
	}
	return fmt.Sprintf(`{"b": {"0": 7}, "a": {"1": 9007199254740993, "0": %d}}`, n)
}

// secondQuery is a stream with a second query, of which each of the drivers completes a batch.
func secondQuery(drivers ...string) func(*historytest.Story) {
	return structuredStream().but(func(s *stream) {
		s.names = map[string]string{}
		for i, driver := range drivers {
			run, n := "other-"+driver, int64(i)
			at := []time.Duration{5 * second, 29 * second}[i]
			s.names[run] = "other"
			s.runs = append(s.runs, storyRun{driver, "other", run, at - second})
			s.batches = append(s.batches, storyBatch{driver: driver, run: run, id: n, from: 50 * n, to: 50 * (n + 1), started: at, completed: at +
				second})
		}
	})
}

// secondQueryAt is a stream with a second query whose batches both drivers number on, so that the second driver's has the number given.
func secondQueryAt(number int64) func(*historytest.Story) {
	return structuredStream().but(func(s *stream) {
		s.names = map[string]string{"other-d1": "other", "other-d2": "other"}
		s.runs = append(s.runs, storyRun{"d1", "other", "other-d1", 4 * second}, storyRun{"d2", "other", "other-d2", 28 * second})
		for n := range number + 1 {
			batch := storyBatch{driver: "d1", run: "other-d1", id: n, from: 10 * n, to: 10 * (n + 1), started: time.Duration(5+n) * second}
			if n == number {
				batch.driver, batch.run, batch.started = "d2", "other-d2", 29*second
			}
			batch.completed = batch.started + second/2
			s.batches = append(s.batches, batch)
		}
	})
}

// thirdDriver continues with the first query alone, after a second fault has taken the node of the second driver at 35 s.
func thirdDriver(s *historytest.Story) {
	d := &s.Drivers[1]
	d.Silent, d.Terminating, d.Finished, d.Deleted = 35*second, 36*second, 0, 40*second
	s.Drivers = append(s.Drivers, historytest.Driver{UID: "d3", Node: "n3", Application: "spark-3", Created: 36 * second,
		Running: 37 * second, Started: 38 * second, Silent: 44 * second})
	also(func(b *historytest.Builder) {
		began := historytest.Epoch().Add(35 * second)
		data := history.FaultData{Fault: "second", Kind: "podKill", Targets: []history.Object{podTarget("d2")}, Began: &began}
		b.Fault(35*second, history.FaultInjecting, data)
		b.Fault(36*second, history.FaultLanded, data)
		id := int64(7)
		say(b, 39*second, "d3", history.QueryStarted, nil, map[string]string{"queryId": "q", "runId": "r3", "name": "wordcount"})
		say(b, 40*second, "d3", history.BatchCompleted, &id, map[string]string{
			"queryId": "q", "runId": "r3", "startOffset": `{"offset":350}`, "endOffset": `{"offset":400}`,
		})
	})(s)
}

func TestStateContinues(t *testing.T) {
	t.Parallel()
	runInvariant(t, "streamContinues", args{}, []invariantCase{
		{name: "no count falls", want: Pass, measure: "8 batch totals", twist: dstream().told(),
			shows: []string{"incarnation 1 (pod driver-d1) has counted 250 words up to batch 5000",
				"incarnation 2 (pod driver-d2) has counted 250 words"}},
		{name: "the state was reset", want: Violation, says: "the state was reset", twist: dstream().but(func(s *stream) {
			for i := 5; i < len(s.batches); i++ {
				s.batches[i].total -= 100
			}
		})},
		{name: "a batch again with other offsets", want: Violation, says: "with other offsets",
			twist: dstream().but(func(s *stream) { s.batches[5].from = 210 })},
		{name: "no counts after the fault", want: Inconclusive, says: "no counts of both",
			twist: dstream().but(func(s *stream) { s.batches = s.batches[:5] })},
		{name: "no counts before it", want: Inconclusive, says: "no counts of both",
			twist: dstream().but(func(s *stream) { s.batches = s.batches[5:] })},
		{name: "unreadable counts", want: Inconclusive, says: "totals can be read", twist: both(dstream().but(func(s *stream) {
			s.extra = func(b *historytest.Builder) {
				id := int64(9000)
				say(b, 34*second, "d2", "ledger", &id, map[string]string{"key": "totals/9000", "value": "many"})
			}
		}))},
	})
}
