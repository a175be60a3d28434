package check

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

func TestExactlyOnce(t *testing.T) {
	t.Parallel()
	runInvariant(t, "wordsCounted", args{"delivery": "exactlyOnce"}, []invariantCase{
		{name: "a batch again after the death of its first writer", want: Pass, measure: "350 words up to batch 6",
			says: "1 of which were committed again", twist: structuredStream().told()},
		{name: "without a fault", want: Pass, twist: both(structuredStream().told(), withoutFault)},
		{name: "twice, by two drivers that lived", want: Violation, says: "which were both alive",
			shows: []string{"Spark reports " + model.ConcurrentUpdate, "last sign of life"},
			twist: both(structuredStream().but(func(s *stream) { s.extra = conflict(31*second, "d2") }), zombie(40*second))},
		{name: "twice, the first writer being frozen", want: Pass, twist: both(structuredStream().told(), func(s *historytest.Story) {
			s.FaultKind = "nodeFreeze"
			tell := s.Extra
			s.Extra = func(b *historytest.Builder) {
				tell(b)
				say(b, 40*second, "d1", "heartbeat", nil, nil) // thawed
			}
		})},
		{name: "the driver behind the cut commits last", want: Violation, says: "both alive", twist: both(structuredStream().but(func(s *stream) {
			s.batches[4].committed = 31 * second
		}), zombie(31500*1e6))},
		{name: "again with other offsets", want: Violation, says: "with the offsets 200-250 and 250 words",
			twist: structuredStream().but(func(s *stream) { s.batches[5].to = 260 })},
		{name: "again with other counts", want: Violation, says: "committed twice",
			twist: structuredStream().but(func(s *stream) { s.batches[5].total = 300 })},
		{name: "a hole", want: Violation, says: "the offsets 250-260 are in no batch",
			twist: structuredStream().but(func(s *stream) { s.batches[6].from = 260 })},
		{name: "an overlap", want: Violation, says: "the offsets 240-250 are in two batches",
			twist: structuredStream().but(func(s *stream) { s.batches[6].from = 240 })},
		{name: "counted twice by the state", want: Violation, says: "there were 300 words, but 350 were counted",
			twist: structuredStream().but(func(s *stream) { s.batches[6].total = 350 })},
		{name: "again by the driver that committed it", want: Inconclusive,
			says: "batch 5, which incarnation 2 (pod driver-d2) committed twice", twist: structuredStream().but(func(s *stream) {
				again := s.batches[6]
				again.started, again.completed, again.committed = 0, 0, again.committed+500*time.Millisecond
				s.batches = append(s.batches, again)
			})},
		{name: "completed, and not in the ledger", want: Inconclusive, says: "batch 7 of incarnation 2 (pod driver-d2), up to offset 400",
			twist: structuredStream().but(func(s *stream) {
				s.batches = append(s.batches, storyBatch{driver: "d2", run: "r2", id: 7, from: 350, to: 400, started: 34 * second,
					completed: 35 * second})
			})},
		{name: "begun, and not in the ledger", want: Pass, twist: structuredStream().but(func(s *stream) {
			s.batches = append(s.batches, storyBatch{driver: "d2", run: "r2", id: 7, from: 350, to: 400, started: 34 * second})
		})},
		{name: "a batch again, while the harness's clock is no good", want: Inconclusive,
			says: "batch 4, when incarnation 1 (pod driver-d1) may have been alive", twist: and(structuredStream().told(),
				also(func(b *historytest.Builder) {
					b.Harness(second, history.ClocksMeasured,
						history.ClocksData{Nodes: []history.ClockOffset{{Node: "n1", Uncertainty: 25 * second}, {Node: "n2", Uncertainty: 25 * second}}})
				}))},
		{name: "nothing after the fault", want: Inconclusive, says: "no later incarnation",
			twist: structuredStream().but(func(s *stream) { s.batches = s.batches[:5] })},
		{name: "an entry that cannot be read", want: Inconclusive, says: "can be read", twist: structuredStream().but(func(s *stream) {
			s.extra = func(b *historytest.Builder) {
				id := int64(9)
				say(b, 34*second, "d2", history.Ledger, &id, map[string]string{"key": "batch/9", "value": "many"})
			}
		})},
		{name: "the dead node's disk was not read", want: Inconclusive, twist: both(structuredStream().told(), unreadDisk)},
		{name: "another kind of application", want: Inconclusive, says: "no Structured Streaming one", twist: dstream().told()},
	})
}

func TestAtLeastOnce(t *testing.T) {
	t.Parallel()
	runInvariant(t, "wordsCounted", args{"delivery": "atLeastOnce"}, []invariantCase{
		{name: "each", want: Pass, measure: "350 words counted, 350 words read", twist: dstream().told()},
		{name: "some twice", want: Pass, measure: "360 words counted, 350 words read", twist: dstream().but(func(s *stream) {
			s.batches[6].from -= 10
			s.batches[6].total, s.batches[7].total = 310, 360
		})},
		{name: "never read", want: Violation, says: "the offsets 250-260 are in no batch: 10 words were never counted",
			twist: dstream().but(func(s *stream) { s.batches[6].from = 260 })},
		{name: "read and lost", want: Violation, says: "100 are lost", twist: dstream().but(func(s *stream) {
			for i := 5; i < len(s.batches); i++ {
				s.batches[i].total -= 100
			}
		})},
		{name: "lost, hidden by words that were read twice", want: Violation, says: "50 are lost", twist: dstream().but(func(s *stream) {
			s.batches[6].from -= 50 // counted once only
		})},
		{name: "read, and never counted", want: Inconclusive, says: "each batch that was read was counted (not 8000)",
			twist: dstream().but(func(s *stream) {
				s.extra = func(b *historytest.Builder) {
					id := int64(8000)
					say(b, 34*second, "d2", history.Ledger, &id, map[string]string{"key": "offsets/8000", "value": "350-400"})
				}
			})},
		{name: "the last counts are of the dead driver", want: Inconclusive, says: "nothing shows what was lost",
			twist: dstream().but(func(s *stream) { s.batches = s.batches[:5] })},
		{name: "the dead node's disk was not read", want: Inconclusive, twist: both(dstream().told(), unreadDisk)},
		{name: "another kind of application", want: Inconclusive, says: "no DStream one", twist: structuredStream().told()},
		{name: "unreadable offsets", want: Inconclusive, says: "no range of offsets", twist: dstream().but(func(s *stream) {
			s.extra = func(b *historytest.Builder) {
				id := int64(2)
				say(b, 34*second, "d2", "ledger", &id, map[string]string{"key": "offsets/2", "value": "5-"})
			}
		})},
	})
}

func TestWordsCountedNeedsItsPromise(t *testing.T) {
	t.Parallel()
	for delivery, problems := range map[string]int{"": 1, "once": 1, ExactlyOnce: 0, AtLeastOnce: 0} {
		if got := wordsCounted().Problems(&DeliveryArgs{Delivery: delivery}); len(got) != problems {
			t.Errorf("delivery %q: problems %v, want %d", delivery, got, problems)
		}
	}
}

func TestParseRanges(t *testing.T) {
	t.Parallel()
	tests := map[string][]offsets{
		"0-150": {{0, 150}}, "0-150,160-200": {{0, 150}, {160, 200}}, "": nil, "5": nil, "5-5": nil, "7-5": nil, "-1-5": nil, "a-b": nil,
		"0-1,": nil,
	}
	for text, want := range tests {
		got, err := parseRanges(text)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(offsets{})); diff != "" || (want == nil) != (err != nil) {
			t.Errorf("%q: %v (-want +got):\n%s", text, err, diff)
		}
	}
}

func FuzzParseRanges(f *testing.F) {
	for _, seed := range []string{"0-150,160-200", "1-2", "-", ",", "9223372036854775807-9223372036854775807"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ranges, err := parseRanges(text)
		if err != nil {
			return
		}
		for _, r := range ranges {
			if r.from < 0 || r.to <= r.from {
				t.Errorf("%q gives the range %s", text, r)
			}
		}
	})
}
