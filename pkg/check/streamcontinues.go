package check

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

func streamContinues() Definition {
	return Definition{
		Name: "streamContinues",
		Doc: "After a fault hit the driver, the stream continues where it stopped. Structured Streaming: the query ID is the same, the run " +
			"ID is new, each batch begins at the offset at which the last one ended, no completed batch is run again, and the batch in " +
			"progress is run again with the same offsets. DStreams: a batch that is run again has the same offsets, and no count decreases.",
		Args: func() any { return &NoArgs{} },
		New:  func(any) Checker { return CheckerFunc(checkContinues) },
	}
}

func checkContinues(m *model.Model) Result {
	f := NewFinding(m)
	incarnations := m.Incarnations()
	blows := m.DriverLosses(incarnations)
	if !f.Assume(len(blows) > 0, "a fault that landed hit the live driver") {
		return f.Inconclusive("no fault that landed hit the live driver, so there was nothing to continue")
	}
	f.AssumeWitnessed(incarnations)
	switch {
	case structured(m):
		return f.queriesContinue(incarnations, blows)
	case dstreams(m, incarnations):
		return f.stateContinues(incarnations, blows)
	default:
		f.Assume(false, "the application reported streaming batches")
		return f.Inconclusive("no streaming query and no batch was seen: the application is no stream, or it did not get as far")
	}
}

// life is a query's run in one incarnation of the driver.
type life struct {
	*model.QueryRun
	of *model.Incarnation
}

// lives returns the runs of each query, in the order of incarnations. Its name tells a query apart, since its id is what is to be
// compared; one without a name is known by its id alone.
func lives(m *model.Model, incarnations model.Incarnations) map[string][]life {
	all := map[string][]life{}
	for _, id := range slices.Sorted(maps.Keys(m.Streams.Runs)) {
		run := m.Streams.Runs[id]
		for _, incarnation := range incarnations {
			if incarnation.UID == run.Driver {
				key := cmp.Or(run.Name, run.Query)
				all[key] = append(all[key], life{run, incarnation})
			}
		}
	}
	for _, lives := range all {
		slices.SortFunc(lives, func(a, b life) int {
			return cmp.Or(cmp.Compare(a.of.Number, b.of.Number), a.Started.At.Compare(b.Started.At), cmp.Compare(a.Run, b.Run))
		})
	}
	return all
}

// assumeContinued states that each query that a lost driver ran was run by a later one, too, which continued with it.
func (f *Finding) assumeContinued(incarnations model.Incarnations, b model.DriverLoss) {
	runs := f.model.Streams.Runs
	later := map[string]bool{}
	for _, incarnation := range incarnations {
		later[incarnation.UID] = incarnation.Number > b.Driver.Number
	}
	for _, id := range slices.Sorted(maps.Keys(runs)) {
		before := runs[id]
		if before.Driver != b.Driver.UID || len(before.Batches) == 0 {
			continue
		}
		went := false
		for _, after := range runs {
			went = went || after.Query == before.Query && later[after.Driver] && len(after.CompletedBatches()) > 0
		}
		name := cmp.Or(before.Name, before.Query)
		f.Assume(went, "query %s, which %s ran, was gone on with after fault %s: a later driver completed a batch of it", name, b.Driver,
			b.Fault.Name)
	}
}

func (f *Finding) queriesContinue(incarnations model.Incarnations, blows []model.DriverLoss) Result {
	queries := lives(f.model, incarnations)
	ledger := ledgerRanges{}
	if len(queries) == 1 { // its entries do not name the query of a batch
		ledger = rangesOf(f.model, incarnations)
	}
	resumed := 0
	for _, name := range slices.Sorted(maps.Keys(queries)) {
		lives := queries[name]
		for i := 1; i < len(lives); i++ {
			if r := f.newQuery(lives[i-1], lives[i]); r != nil {
				return *r
			}
		}
		if r := f.broken(lives, ledger); r != nil {
			return *r
		}
		resumed += f.citeResumptions(lives)
	}
	for _, b := range blows {
		later := 0
		for _, name := range slices.Sorted(maps.Keys(queries)) {
			for _, l := range queries[name] {
				if l.of.Number > b.Driver.Number {
					later += len(l.CompletedBatches())
				}
			}
		}
		if !f.Assume(later > 0, "after fault %s a later incarnation than %s completed a batch", b.Fault.Name, b.Driver.Name) {
			return f.Inconclusive("after fault %s no later incarnation than %s completed a batch, so nothing shows where it continued", b.Fault.Name,
				b.Driver)
		}
		f.assumeContinued(incarnations, b)
	}
	f.Assume(resumed > 0, "a query that one driver ran was run by the next one, too")
	f.Measured = wording.Count(resumed, "resumption")
	return f.Held("each query continued at its last offset, %s in all", wording.Count(resumed, "time"))
}

// newQuery returns a violation if a run is not a new run of the same query.
func (f *Finding) newQuery(before, after life) *Result {
	if before.Query == after.Query && before.Run != after.Run {
		return nil
	}
	v := NewFinding(f.model)
	v.Cite(before.Started, "%s starts query %s, run %s", before.of, before.Query, before.Run)
	v.Cite(after.Started, "%s starts query %s, run %s", after.of, after.Query, after.Run)
	r := v.Proven("%s runs a new query, %s, instead of continuing with %s: it began from the start", after.of, after.Query, before.Query)
	if before.Query == after.Query {
		r = v.Proven("%s has the same run id as %s, %s: a run that was recovered gets a new one", after.of, before.of, before.Run)
	}
	return &r
}

// told is a completed batch and the run that reports it.
type told struct {
	*model.Batch
	by life
}

// broken returns a violation if the batches of a query's runs do not follow each other.
func (f *Finding) broken(lives []life, ledger ledgerRanges) *Result {
	var last *told
	unknown := 0
	for _, l := range lives {
		for _, batch := range l.CompletedBatches() {
			next := told{batch, l}
			switch {
			case last == nil && next.ID > 0, last != nil && next.ID > last.ID+1 && !ledger.bridges(*last, next):
				unknown++
			case last != nil:
				if r := f.follows(*last, next); r != nil {
					return r
				}
			}
			if r := f.reruns(lives, ledger, next); r != nil {
				return r
			}
			last = &next
		}
	}
	f.Assume(unknown == 0, "every batch was reported as completed (%d are missing)", unknown)
	return nil
}

func (f *Finding) follows(last, next told) *Result {
	v := NewFinding(f.model)
	v.Cite(last.Completed, "%s completes batch %d up to offset %s", last.by.of, last.ID, last.To)
	v.Cite(next.Completed, "%s completes batch %d from offset %s to %s", next.by.of, next.ID, next.From, next.To)
	switch {
	case next.ID <= last.ID:
		r := v.Proven("%s ran batch %d again though batch %d was completed already", next.by.of, next.ID, last.ID)
		return &r
	case next.ID == last.ID+1 && !sameOffset(last.To, next.From):
		r := v.Proven("batch %d begins at offset %s, but batch %d ended at %s: the offsets do not follow each other", next.ID,
			cmp.Or(next.From, "none"), last.ID, last.To)
		return &r
	default:
		return nil
	}
}

// bridges reports whether the ledger knows the one batch that is missing between two others, and they follow each other by
// it: a driver may die between a batch's commit and the report of it.
func (l ledgerRanges) bridges(last, next told) bool {
	if next.ID != last.ID+2 {
		return false
	}
	between, known := l[batchOf{last.by.of.UID, last.ID + 1}]
	from, ok := plainOffset(last.To)
	to, ok2 := plainOffset(next.From)
	return known && ok && ok2 && between == offsets{from, to}
}

// reruns returns a violation if an earlier run put the batch into the ledger with other offsets.
func (f *Finding) reruns(lives []life, ledger ledgerRanges, next told) *Result {
	from, ok := plainOffset(next.From)
	to, ok2 := plainOffset(next.To)
	if next.From == "" {
		from, ok = 0, true // a stream's first batch begins at no offset
	}
	if !ok || !ok2 {
		return nil
	}
	for _, l := range lives {
		before, known := ledger[batchOf{l.of.UID, next.ID}]
		if l.of.Number >= next.by.of.Number || !known || before == (offsets{from, to}) {
			continue
		}
		v := NewFinding(f.model)
		for _, commit := range f.model.Ledger.Commits[batchKey(next.ID)] {
			if commit.Incarnation == l.of.UID {
				v.Cite(commit.At, "%s commits batch %d with the offsets %s", l.of, next.ID, before)
			}
		}
		v.Cite(next.Completed, "%s completes batch %d with the offsets %s", next.by.of, next.ID, offsets{from, to})
		r := v.Proven("%s ran batch %d again with other offsets, %s instead of %s", next.by.of, next.ID, offsets{from, to}, before)
		return &r
	}
	return nil
}

// batchOf is a batch that an incarnation, known by its UID, put into the ledger.
type batchOf struct {
	incarnation string
	batch       int64
}

// ledgerRanges are the offsets of batches in the ledger.
type ledgerRanges map[batchOf]offsets

// rangesOf returns the offsets with which incarnations first put each batch into the ledger, where they can be read.
func rangesOf(m *model.Model, incarnations model.Incarnations) ledgerRanges {
	ranges, seen := ledgerRanges{}, map[batchOf]bool{}
	for _, e := range entries(m, incarnations, keyBatch) {
		key := batchOf{e.writer.UID, e.batch}
		if seen[key] {
			continue
		}
		seen[key] = true
		from, err := e.numbered("from")
		to, err2 := e.numbered("to")
		if err == nil && err2 == nil {
			ranges[key] = offsets{from, to}
		}
	}
	return ranges
}

// sameOffset reports whether two texts are the same offset of any source. Most are JSON, in which the order of keys says nothing: a driver
// that read an offset from the checkpoint may write it in another one.
func sameOffset(a, b string) bool {
	if a == b {
		return true
	}
	left, ok := canonical(a)
	right, ok2 := canonical(b)
	return ok && ok2 && left == right
}

// canonical returns a JSON text with its keys in order and no space, and its numbers as they are.
func canonical(text string) (string, bool) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil || decoder.More() {
		return "", false
	}
	ordered, err := json.Marshal(value)
	return string(ordered), err == nil
}

// plainOffset reads the word source's offset, {"offset":N}.
func plainOffset(text string) (int64, bool) {
	var read struct {
		Offset *int64 `json:"offset"`
	}
	if json.Unmarshal([]byte(text), &read) != nil || read.Offset == nil {
		return 0, false
	}
	return *read.Offset, true
}

// citeResumptions cites where each run continued, and returns how many did.
func (f *Finding) citeResumptions(lives []life) int {
	resumed := 0
	var before *told
	for _, l := range lives {
		all := l.CompletedBatches()
		if len(all) == 0 {
			continue
		}
		if before != nil {
			resumed++
			f.Cite(before.by.Started, "%s starts query %s, run %s", before.by.of, before.by.Query, before.by.Run)
			f.Cite(before.Completed, "its last batch, %d, is completed up to offset %s", before.ID, before.To)
			f.Cite(l.Started, "%s starts query %s, run %s", l.of, l.Query, l.Run)
			f.Cite(all[0].Completed, "its first batch, %d, is completed from offset %s", all[0].ID, all[0].From)
		}
		before = &told{all[len(all)-1], l}
	}
	return resumed
}
