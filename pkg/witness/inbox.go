package witness

import (
	"slices"
	"sync"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Sink takes a record into the history. It is never called by two goroutines at a time. A record whose Sink fails
// counts as not taken: it may come again.
type Sink func(history.WitnessRecord) error

// Inbox hands each record to its sink exactly once, however often and by whichever way it arrives: a record is known
// by its pod's UID and its sequence number. Its memory grows with the gaps in the sequences, not with the records.
type Inbox struct {
	mu    sync.Mutex
	sink  Sink
	taken map[string]*spans // by pod UID
}

// NewInbox returns an empty inbox before sink.
func NewInbox(sink Sink) *Inbox {
	return &Inbox{sink: sink, taken: map[string]*spans{}}
}

// Take hands r to the sink unless it was taken before, and says whether it did. It fails when the sink does.
func (b *Inbox) Take(r history.WitnessRecord) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := b.taken[r.PodUID]
	if seen == nil {
		seen = &spans{}
		b.taken[r.PodUID] = seen
	}
	i, known := seen.find(r.Seq)
	if known {
		return false, nil
	}
	if err := b.sink(r); err != nil {
		return false, err
	}
	seen.insert(i, r.Seq)
	return true, nil
}

// span is a run of sequence numbers without a hole, both ends included.
type span struct{ from, to int64 }

// spans is a set of sequence numbers: sorted, disjoint, never touching each other.
type spans []span

// find returns the span that holds n, or else where a new span for n belongs.
func (s spans) find(n int64) (int, bool) {
	return slices.BinarySearchFunc(s, n, func(have span, n int64) int {
		switch {
		case have.to < n:
			return -1
		case have.from > n:
			return 1
		default:
			return 0
		}
	})
}

// insert adds n, which is in no span yet, at the place that find gave.
func (s *spans) insert(i int, n int64) {
	before := i > 0 && (*s)[i-1].to == n-1
	after := i < len(*s) && (*s)[i].from-1 == n
	switch {
	case before && after:
		(*s)[i-1].to = (*s)[i].to
		*s = slices.Delete(*s, i, i+1)
	case before:
		(*s)[i-1].to = n
	case after:
		(*s)[i].from = n
	default:
		*s = slices.Insert(*s, i, span{n, n})
	}
}
