package check

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// Keys of the ledger entries of streaming applications, each followed by the batch's id.
const (
	keyBatch   = "batch/"   // Structured Streaming: a micro-batch's range of offsets and the counts up to it
	keyOffsets = "offsets/" // DStreams: the ranges of offsets in a batch
	keyTotals  = "totals/"  // DStreams: the counts up to a batch
)

// entry is a ledger entry of a streaming batch.
type entry struct {
	model.Commit
	batch  int64
	writer *model.Incarnation
}

// entries returns the ledger entries with a key of the kind, in the order of batches, then of writers and times. Those
// of writers that are no incarnation of this run's driver are left out.
func entries(m *model.Model, incarnations model.Incarnations, kind string) []entry {
	writers := map[string]*model.Incarnation{}
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
			if writer := writers[commit.Incarnation]; writer != nil && writes(m, commit) {
				all = append(all, entry{Commit: commit, batch: batch, writer: writer})
			}
		}
	}
	slices.SortFunc(all, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.batch, b.batch), cmp.Compare(a.writer.Number, b.writer.Number), a.At.At.Compare(b.At.At),
			cmp.Compare(a.Record, b.Record))
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

// structured reports whether the application is one of Structured Streaming; dstreams whether it is one of DStreams.
func structured(m *model.Model) bool { return len(m.Streams.Runs) > 0 }

func dstreams(m *model.Model, incarnations model.Incarnations) bool {
	return !structured(m) && (len(m.Streams.Batches) > 0 || len(entries(m, incarnations, keyTotals)) > 0)
}
