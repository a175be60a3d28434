package witness

import (
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// fakeHistory is a sink that keeps what it is given.
type fakeHistory struct {
	records []history.WitnessRecord
	err     error
}

func (f *fakeHistory) add(r history.WitnessRecord) error {
	if f.err != nil {
		return f.err
	}
	f.records = append(f.records, r)
	return nil
}

func TestInboxHandsOnEachRecordOnce(t *testing.T) {
	t.Parallel()
	var sink fakeHistory
	inbox := NewInbox(sink.add)
	random := rand.New(rand.NewPCG(1, 2))
	var sequence []int64
	for range 3 {
		for seq := range int64(300) {
			sequence = append(sequence, seq+1)
		}
	}
	random.Shuffle(len(sequence), func(i, j int) { sequence[i], sequence[j] = sequence[j], sequence[i] })
	var wait sync.WaitGroup
	for _, pod := range []string{"a", "b"} {
		for half := range 2 {
			wait.Go(func() {
				for i := half; i < len(sequence); i += 2 {
					if _, err := inbox.Take(record(pod, sequence[i])); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wait.Wait()
	got := map[string]map[int64]int{"a": {}, "b": {}}
	for _, r := range sink.records {
		got[r.PodUID][r.Seq]++
	}
	want := map[int64]int{}
	for seq := range int64(300) {
		want[seq+1] = 1
	}
	if diff := cmp.Diff(map[string]map[int64]int{"a": want, "b": want}, got); diff != "" {
		t.Errorf("how often each record was handed on (-want +got):\n%s", diff)
	}
	if n := len(*inbox.taken["a"]); n != 1 {
		t.Errorf("300 numbers without a hole are kept as %d spans, want 1", n)
	}
}

func TestInboxTakesARecordAgainThatItsSinkFailed(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	sink := fakeHistory{err: full}
	inbox := NewInbox(sink.add)
	if taken, err := inbox.Take(record("a", 1)); taken || !errors.Is(err, full) {
		t.Errorf("Take with a failing sink = %v, %v; want false and the sink's error", taken, err)
	}
	sink.err = nil
	if taken, err := inbox.Take(record("a", 1)); !taken || err != nil {
		t.Errorf("Take after the sink recovered = %v, %v; want true", taken, err)
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	var s spans
	for _, n := range []int64{5, 1, 2, 9, math.MaxInt64, 7, 8, 4, 3, math.MaxInt64 - 1, 2, 5} {
		if i, known := s.find(n); !known {
			s.insert(i, n)
		}
	}
	want := spans{{1, 5}, {7, 9}, {math.MaxInt64 - 1, math.MaxInt64}}
	if diff := cmp.Diff(want, s, cmp.AllowUnexported(span{})); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}
