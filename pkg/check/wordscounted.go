package check

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// The promises of delivery.
const (
	ExactlyOnce = "exactlyOnce"
	AtLeastOnce = "atLeastOnce"
)

// DeliveryArgs are the arguments of wordsCounted.
type DeliveryArgs struct {
	// Delivery is exactlyOnce, which Structured Streaming promises, or atLeastOnce, which DStreams with a write-ahead log do.
	Delivery string `json:"delivery" enum:"exactlyOnce|atLeastOnce"`
}

func wordsCounted() Definition {
	return Definition{
		Name: "wordsCounted",
		Doc: "By the offsets of the source, the ledger shows each word counted exactly once, or at least once. A batch that a new driver " +
			"commits again after the death of the driver that committed it, with the same offsets and counts, counts once: sinks must be " +
			"idempotent by batch ID, since Spark does not guarantee more for foreachBatch. A batch that two live drivers commit, or that is " +
			"committed with other offsets, counts twice.",
		Args: func() any { return &DeliveryArgs{} },
		Problems: func(args any) []string {
			if d := args.(*DeliveryArgs).Delivery; d != ExactlyOnce && d != AtLeastOnce {
				return []string{"delivery is missing: write {delivery: exactlyOnce} or {delivery: atLeastOnce}"}
			}
			return nil
		},
		New: func(args any) Checker {
			if args.(*DeliveryArgs).Delivery == ExactlyOnce {
				return CheckerFunc(checkExactlyOnce)
			}
			return CheckerFunc(checkAtLeastOnce)
		},
	}
}

// counted is a micro-batch in the ledger of a Structured Streaming application.
type counted struct {
	entry
	offsets
	total int64 // of all words counted up to it
}

func countedBatches(m *model.Model, incarnations model.Incarnations) ([]counted, []string) {
	var all []counted
	var unreadable []string
	for _, e := range entries(m, incarnations, keyBatch) {
		from, err := e.numbered("from")
		to, err2 := e.numbered("to")
		total, err3 := e.numbered("total")
		if err != nil || err2 != nil || err3 != nil {
			unreadable = append(unreadable, batchKey(e.batch))
			continue
		}
		all = append(all, counted{e, offsets{from, to}, total})
	}
	return all, unreadable
}

func checkExactlyOnce(m *model.Model) Result {
	f := NewFinding(m)
	incarnations := m.Incarnations()
	batches, unreadable := countedBatches(m, incarnations)
	f.AssumeWitnessed(incarnations)
	f.assumeOwn(incarnations)
	f.Assume(len(unreadable) == 0, "the ledger's batches can be read%s", wording.Except(unreadable))
	if !f.Assume(len(batches) > 0, "the application committed batches to the ledger") {
		return f.Inconclusive("the ledger holds no %s<id>: the application is no Structured Streaming one that counts words, or it did not "+
			"get as far", keyBatch)
	}
	if r := f.countedAgain(batches); r != nil {
		return *r
	}
	once := slices.CompactFunc(slices.Clone(batches), func(a, b counted) bool { return a.batch == b.batch })
	if r := f.holes(once); r != nil {
		return *r
	}
	for _, b := range m.DriverLosses(incarnations) {
		later := slices.ContainsFunc(batches, func(c counted) bool { return c.writer.Number > b.Driver.Number })
		if !f.Assume(later, "after fault %s a later incarnation than %s committed a batch", b.Fault.Name, b.Driver.Name) {
			return f.Inconclusive("after fault %s no later incarnation than %s committed a batch, so nothing shows what was lost or doubled",
				b.Fault.Name, b.Driver)
		}
	}
	first, last := once[0], once[len(once)-1]
	f.assumeAgainByOthers(batches)
	f.assumeInLedger(incarnations, last)
	f.assumeAll(last.to)
	f.Measured = fmt.Sprintf("%s up to batch %d", wording.Count(int(last.to), "word"), last.batch)
	f.Cite(first.At, "%s commits batch %d with the offsets %s", first.writer, first.batch, first.offsets)
	f.Cite(last.At, "%s commits batch %d with the offsets %s and %d words in all", last.writer, last.batch, last.offsets, last.total)
	return f.Held("each of %d words was counted once, in %d batches, %d of which were committed again by a new driver", last.to, len(once),
		len(batches)-len(once))
}

// countedAgain returns a violation if a batch was committed twice, and not just again by the successor of a dead driver.
func (f *Finding) countedAgain(batches []counted) *Result {
	for i := 1; i < len(batches); i++ {
		a, b := batches[i-1], batches[i]
		if a.batch != b.batch {
			continue
		}
		if b.At.Before(a.At) {
			a, b = b, a
		}
		v := NewFinding(f.model)
		v.Cite(a.At, "%s commits batch %d with the offsets %s and %d words in all", a.writer, a.batch, a.offsets, a.total)
		v.Cite(b.At, "%s commits batch %d with the offsets %s and %d words in all", b.writer, b.batch, b.offsets, b.total)
		if a.offsets != b.offsets || a.total != b.total {
			r := v.Proven("batch %d was committed twice, by %s with the offsets %s and %d words, by %s with %s and %d", a.batch, a.writer,
				a.offsets, a.total, b.writer, b.offsets, b.total)
			return &r
		}
		witness, certain := alongside(f.model, a, b)
		if !certain {
			continue
		}
		v.Cite(witness.Driver.Alive.Last(), "%s gives its last sign of life", witness)
		for _, conflict := range f.model.Streams.Conflicts {
			if conflict.Driver == a.writer.UID || conflict.Driver == b.writer.UID {
				v.Cite(conflict.At, "Spark reports %s", model.ConcurrentUpdate)
			}
		}
		r := v.Proven("batch %d was committed twice, by %s and by %s, which were both alive: its words count twice", a.batch, a.writer, b.writer)
		return &r
	}
	return nil
}

// alongside returns the writer of one of two commits that was, or may have been, alive when the other one was made by another driver; nil
// if the two never were there together. It reports whether that is certain, although their clocks are not known exactly.
func alongside(m *model.Model, a, b counted) (writer *model.Incarnation, certain bool) {
	if a.writer == b.writer {
		return nil, false
	}
	for _, pair := range [][2]counted{{a, b}, {b, a}} {
		if certainlyAliveAt(pair[0].writer, m, pair[1].writer, pair[1].At) {
			return pair[0].writer, true
		}
	}
	for _, pair := range [][2]counted{{a, b}, {b, a}} {
		if aliveAt(pair[0].writer, m, pair[1].At) {
			return pair[0].writer, false
		}
	}
	return nil, false
}

// assumeAgainByOthers states that a batch that was committed again was so by the successor of a dead driver: nobody can tell whether a sink
// takes a batch twice from one driver, or from two that may both have been alive, since their clocks are not known well enough.
func (f *Finding) assumeAgainByOthers(batches []counted) {
	var doubtful []string
	for i := 1; i < len(batches); i++ {
		a, b := batches[i-1], batches[i]
		if a.batch != b.batch {
			continue
		}
		if a.writer == b.writer {
			doubtful = append(doubtful, fmt.Sprintf("batch %d, which %s committed twice", b.batch, b.writer))
		} else if witness, certain := alongside(f.model, a, b); witness != nil && !certain {
			doubtful = append(doubtful, fmt.Sprintf("batch %d, when %s may have been alive", b.batch, witness))
		}
	}
	if len(doubtful) > 0 {
		f.Assume(false, "each batch that was committed again was so after the death of its first writer%s", wording.Except(doubtful))
	}
}

// assumeInLedger states that the ledger goes as far as the drivers completed batches by Spark's word.
func (f *Finding) assumeInLedger(incarnations model.Incarnations, last counted) {
	var missing []string
	queries := lives(f.model, incarnations)
	for _, name := range slices.Sorted(maps.Keys(queries)) {
		for _, l := range queries[name] {
			for _, batch := range l.CompletedBatches() {
				switch to, ok := plainOffset(batch.To); {
				case ok && to > last.to:
					missing = append(missing, fmt.Sprintf("batch %d of %s, up to offset %d", batch.ID, l.of, to))
				case !ok && batch.ID > last.batch: // of a source whose offsets are not numbers
					missing = append(missing, fmt.Sprintf("batch %d of %s, up to %s", batch.ID, l.of, batch.To))
				}
			}
		}
	}
	if len(missing) > 0 {
		f.Assume(false, "each batch that was completed is in the ledger, which ends at offset %d%s", last.to, wording.Except(missing))
	}
}

// assumeOwn states that nobody but this run's drivers wrote to the ledger.
func (f *Finding) assumeOwn(incarnations model.Incarnations) {
	_, strangers := ownCommits(f.model)
	f.Assume(len(strangers) == 0, "only this run's drivers wrote to the ledger%s", wording.Except(strangers))
}

// assumeAll states that the ledger goes as far as the application was to read: to the word that its argument --until names.
func (f *Finding) assumeAll(counted int64) {
	if until := lastWord(f.model); until > 0 {
		f.Assume(counted >= until, "the ledger goes as far as the application was to read (%d of %d words)", counted, until)
	}
}

// lastWord returns how many words the application was to read by its argument --until; 0 if it has none.
func lastWord(m *model.Model) int64 {
	var run struct {
		Workload struct {
			Application struct {
				Args []string `json:"args"`
			} `json:"application"`
		} `json:"workload"`
	}
	if json.Unmarshal(m.Run.Plan, &run) != nil {
		return 0 // told as a problem of the plan
	}
	for _, arg := range run.Workload.Application.Args {
		if text, ok := strings.CutPrefix(arg, "--until="); ok {
			if n, err := strconv.ParseInt(text, 10, 64); err == nil {
				return n
			}
		}
	}
	return 0
}

// holes returns a violation if the batches, each once and in order, do not hold every offset from 0 on exactly once, or
// if the state counts other than they hold.
func (f *Finding) holes(batches []counted) *Result {
	before := counted{entry: entry{batch: -1}}
	for _, b := range batches {
		v := NewFinding(f.model)
		v.Assumptions = slices.Clone(f.Assumptions)
		v.Cite(before.At, "%s commits batch %d with the offsets %s", before.writer, before.batch, before.offsets)
		v.Cite(b.At, "%s commits batch %d with the offsets %s and %d words in all", b.writer, b.batch, b.offsets, b.total)
		var r Result
		switch {
		case b.from > before.to:
			r = v.Violated("the offsets %s are in no batch: batch %d begins at %d", offsets{before.to, b.from}, b.batch, b.from)
		case b.from < before.to:
			r = v.Proven("the offsets %s are in two batches: batch %d begins at %d again", offsets{b.from, before.to}, b.batch, b.from)
		case b.total != b.to:
			r = v.Proven("up to batch %d there were %d words, but %d were counted", b.batch, b.to, b.total)
		default:
			before = b
			continue
		}
		return &r
	}
	return nil
}

func checkAtLeastOnce(m *model.Model) Result {
	f := NewFinding(m)
	incarnations := m.Incarnations()
	f.AssumeWitnessed(incarnations)
	f.assumeOwn(incarnations)
	tallies, unreadable := tallies(m, incarnations)
	f.Assume(len(unreadable) == 0, "the ledger's totals can be read%s", wording.Except(unreadable))
	if !f.Assume(len(tallies) > 0, "the application committed counts to the ledger") {
		return f.Inconclusive("the ledger holds no %s<batch>: the application is no DStream one that counts words, or it did not get as far",
			keyTotals)
	}
	last := tallies[len(tallies)-1]
	for _, b := range m.DriverLosses(incarnations) {
		if !f.Assume(last.writer.Number > b.Driver.Number, "the last counts are of a later incarnation than %s, which fault %s hit",
			b.Driver.Name, b.Fault.Name) {
			return f.Inconclusive("the last counts are of %s, which fault %s hit: nothing shows what was lost", b.Driver, b.Fault.Name)
		}
	}
	read, err := offsetsRead(m, incarnations, last.batch)
	if !f.Assume(err == nil, "the ledger's offsets can be read") {
		return f.Inconclusive("the ledger's offsets cannot be read: %v", err)
	}
	f.Measured = wording.Count(int(last.total), "word") + " counted, " + wording.Count(int(last.highest+1), "word") + " read"
	f.Cite(last.At, "%s has counted %d words up to batch %d, the highest offset is %d", last.writer, last.total, last.batch, last.highest)
	if hole, at := read.hole(last.highest); hole != (offsets{}) {
		v := NewFinding(m)
		v.Measured, v.Assumptions = f.Measured, slices.Clone(f.Assumptions)
		v.Cite(at, "a batch is committed with offsets after %d", hole.to)
		v.Cite(last.At, "%s has counted %d words up to batch %d, the highest offset is %d", last.writer, last.total, last.batch, last.highest)
		return v.Violated("the offsets %s are in no batch: %d words were never counted", hole, hole.to-hole.from)
	}
	if held := max(read.words, last.highest+1); last.total < held {
		f.Cite(read.last, "the last batch with offsets is committed")
		return f.Violated("%s were counted up to batch %d, but the batches up to it hold %d: %d are lost",
			wording.Count(int(last.total), "word"), last.batch, held, held-last.total)
	}
	f.assumeAll(last.highest + 1)
	f.assumeCounted(incarnations, last)
	return f.Held("each of %d words was counted at least once, %d counts in all", last.highest+1, last.total)
}

// assumeCounted states that no batch was read after the last one that was counted. The words that the application was to read are enough.
func (f *Finding) assumeCounted(incarnations model.Incarnations, last tally) {
	if until := lastWord(f.model); until > 0 && last.highest+1 >= until {
		return
	}
	var uncounted []string
	for _, e := range entries(f.model, incarnations, keyOffsets) {
		if e.batch > last.batch {
			uncounted = append(uncounted, strconv.FormatInt(e.batch, 10))
		}
	}
	if len(uncounted) > 0 {
		f.Assume(false, "each batch that was read was counted%s", wording.Except(wording.Distinct(uncounted)))
	}
}

// readOffsets are the offsets that the batches of a DStream application hold, each batch once.
type readOffsets struct {
	ranges []placed
	words  int64
	last   model.Moment
}

// placed is a range and the commit that tells it.
type placed struct {
	offsets
	at model.Moment
}

func offsetsRead(m *model.Model, incarnations model.Incarnations, upTo int64) (readOffsets, error) {
	var read readOffsets
	known := map[int64]bool{}
	for _, e := range entries(m, incarnations, keyOffsets) {
		if e.batch > upTo || known[e.batch] {
			continue
		}
		known[e.batch] = true
		ranges, err := parseRanges(e.Value)
		if err != nil {
			return read, err
		}
		for _, r := range ranges {
			read.ranges = append(read.ranges, placed{r, e.At})
			read.words += r.to - r.from
		}
		read.last.KeepLater(e.At)
	}
	slices.SortFunc(read.ranges, func(a, b placed) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	return read, nil
}

// hole returns the first offsets up to the highest that no batch holds, and the commit that shows it; the zero range if
// there are none.
func (r readOffsets) hole(highest int64) (offsets, model.Moment) {
	next := int64(0)
	for _, p := range r.ranges {
		if p.from > next {
			return offsets{next, p.from}, p.at
		}
		next = max(next, p.to)
	}
	if next <= highest {
		return offsets{next, highest + 1}, r.last
	}
	return offsets{}, model.Moment{}
}
