package check

import (
	"strconv"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

func batchKey(id int64) string { return keyBatch + strconv.FormatInt(id, 10) }

// tally is what a DStream application had counted up to a batch.
type tally struct {
	entry
	total, highest int64 // highest offset counted; -1: none
}

// tallies returns what was counted up to each batch, in the order of batches; entries that cannot be read are named.
func tallies(m *model.Model, incarnations model.Incarnations) ([]tally, []string) {
	var all []tally
	var unreadable []string
	for _, e := range entries(m, incarnations, keyTotals) {
		total, err := e.numbered("total")
		highest, err2 := e.numbered("highestOffset")
		if err != nil || err2 != nil {
			unreadable = append(unreadable, keyTotals+strconv.FormatInt(e.batch, 10))
			continue
		}
		all = append(all, tally{e, total, highest})
	}
	return all, unreadable
}

// stateContinues judges a DStream application by what it put into the ledger: it has no query, no offsets of its own.
func (f *Finding) stateContinues(incarnations model.Incarnations, blows []model.DriverLoss) Result {
	if r := f.otherOffsets(incarnations); r != nil {
		return *r
	}
	tallies, unreadable := tallies(f.model, incarnations)
	f.Assume(len(unreadable) == 0, "the ledger's totals can be read%s", wording.Except(unreadable))
	var most *tally
	for i := range tallies {
		t := &tallies[i]
		if most != nil && (t.total < most.total || t.highest < most.highest) {
			v := NewFinding(f.model)
			v.Cite(most.At, "%s has counted %s up to batch %d, the highest offset is %d", most.writer, wording.Count(int(most.total), "word"),
				most.batch, most.highest)
			v.Cite(t.At, "%s has counted %s up to batch %d, the highest offset is %d", t.writer, wording.Count(int(t.total), "word"), t.batch,
				t.highest)
			return v.Proven("the state was reset: %s has counted %d words up to batch %d, after %d up to batch %d", t.writer, t.total, t.batch,
				most.total, most.batch)
		}
		most = t
	}
	for _, b := range blows {
		if r := f.wentOn(tallies, b); r != nil {
			return *r
		}
	}
	f.Measured = wording.Count(len(tallies), "batch total")
	return f.Held("no count fell in %s over %s", wording.Count(len(tallies), "batch total"),
		wording.Count(len(running(incarnations)), "incarnation"))
}

// wentOn cites where the state continued after a fault; if nothing shows it, the result is inconclusive.
func (f *Finding) wentOn(tallies []tally, b model.DriverLoss) *Result {
	var last, next *tally
	for i := range tallies {
		switch t := &tallies[i]; {
		case t.writer.Number <= b.Driver.Number:
			last = t
		case next == nil:
			next = t
		}
	}
	if !f.Assume(last != nil && next != nil, "counts of %s and of a later incarnation are in the ledger", b.Driver.Name) {
		r := f.Inconclusive("the ledger holds no counts of both %s and a later incarnation, so nothing shows that the state continued after "+
			"fault %s", b.Driver, b.Fault.Name)
		return &r
	}
	f.Cite(last.At, "%s has counted %d words up to batch %d", last.writer, last.total, last.batch)
	f.Cite(next.At, "%s has counted %d words up to batch %d", next.writer, next.total, next.batch)
	return nil
}

// otherOffsets returns a violation if a batch was run again by another incarnation with other offsets.
func (f *Finding) otherOffsets(incarnations model.Incarnations) *Result {
	first := map[int64]entry{}
	for _, e := range entries(f.model, incarnations, keyOffsets) {
		before, again := first[e.batch]
		if !again {
			first[e.batch] = e
			continue
		}
		if before.Value == e.Value {
			continue
		}
		v := NewFinding(f.model)
		v.Cite(before.At, "%s runs batch %d with the offsets %s", before.writer, e.batch, before.Value)
		v.Cite(e.At, "%s runs batch %d with the offsets %s", e.writer, e.batch, e.Value)
		r := v.Proven("%s ran batch %d again with other offsets, %s instead of %s", e.writer, e.batch, e.Value, before.Value)
		return &r
	}
	return nil
}
