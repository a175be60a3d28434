package check

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// difference is what tells an output from the one of the run without faults.
type difference struct {
	lost, doubled, fresh, changed differing
	columns                       []string // whose values differ, or that only one of the two has
	atLeast                       bool     // there are more rows than were listed, so some may differ that are not counted
	other                         bool     // the two differ, wherever that is
}

// differing are rows that differ in one way.
type differing struct {
	count    int64
	examples []string
}

func (d *differing) add(n int64, example string) {
	d.count += n
	if len(d.examples) < 3 {
		d.examples = append(d.examples, example)
	}
}

func (d difference) none() bool { return !d.other }

// String says it as the end of a sentence about the output.
func (d difference) String() string {
	var parts []string
	few := ""
	if d.atLeast {
		few = "at least "
	}
	for _, part := range []struct {
		rows differing
		what string
	}{
		{d.lost, "lost"}, {d.doubled, "doubled"}, {d.changed, "changed"}, {d.fresh, "that the run without faults has not"},
	} {
		if part.rows.count == 0 {
			continue
		}
		said := few + count64(part.rows.count, "row") + " " + part.what
		if len(part.rows.examples) > 0 {
			said += " (" + strings.Join(part.rows.examples, ", ") + more(part.rows) + ")"
		}
		parts = append(parts, said)
	}
	if len(d.columns) > 0 {
		parts = append(parts, "columns that differ: "+wording.Some(d.columns))
	}
	if len(parts) == 0 {
		return "the sums of their rows differ"
	}
	return strings.Join(parts, "; ")
}

func more(rows differing) string {
	if rows.count > int64(len(rows.examples)) {
		return ", …"
	}
	return ""
}

// differenceOf compares an output with the one that is wanted. keyed says that rows have names.
func differenceOf(wanted, got history.OutputData, keyed bool) difference {
	var d difference
	d.columns = differingColumns(wanted.Columns, got.Columns)
	d.other = len(d.columns) > 0 || wanted.Rows != got.Rows || wanted.Sum != got.Sum || wanted.Distinct != got.Distinct
	bits := max(wanted.SampleBits, got.SampleBits)
	d.compare(rowsByKey(wanted.Sample, bits), rowsByKey(got.Sample, bits), keyed)
	if bits > 0 {
		d.atLeast = true
		d.countParts(wanted, got)
	}
	d.other = d.other || d.lost.count+d.doubled.count+d.changed.count+d.fresh.count > 0
	if d.doubled.count > 0 || d.lost.count > 0 && d.changed.count == 0 && d.fresh.count == 0 {
		d.columns = nil // all of them do
	}
	return d
}

// differingColumns names the columns that only one of two outputs has, or whose types or values differ.
func differingColumns(wanted, got []history.OutputColumn) []string {
	var names []string
	for _, list := range [][2][]history.OutputColumn{{wanted, got}, {got, wanted}} {
		for _, column := range list[0] {
			if !slices.ContainsFunc(list[1], sameAs(column)) && !slices.Contains(names, column.Name) {
				names = append(names, column.Name)
			}
		}
	}
	return names
}

func sameAs(a history.OutputColumn) func(history.OutputColumn) bool {
	return func(b history.OutputColumn) bool { return a.Name == b.Name && a.Type == b.Type && a.Sum == b.Sum }
}

// rowsByKey returns the listed rows by the hashes of their keys, as far as these end in so many zero bits.
func rowsByKey(rows []history.OutputRow, bits int) map[string][]history.OutputRow {
	byKey := map[string][]history.OutputRow{}
	for _, row := range rows {
		if key, err := strconv.ParseUint(row.Key, 16, 64); err == nil && key&(1<<bits-1) == 0 {
			byKey[row.Key] = append(byKey[row.Key], row)
		}
	}
	return byKey
}

func countOf(rows []history.OutputRow) int64 {
	var n int64
	for _, row := range rows {
		n += row.Count
	}
	return n
}

// compare compares rows one by one.
func (d *difference) compare(wanted, got map[string][]history.OutputRow, keyed bool) {
	for _, key := range keysOf(wanted, got) {
		before, after := wanted[key], got[key]
		had, has := countOf(before), countOf(after)
		switch {
		case has == 0:
			d.lost.add(had, before[0].Text)
		case had == 0:
			d.fresh.add(has, after[0].Text)
		case has < had:
			d.lost.add(had-has, standing(before[0].Text, has, had))
		case has > had:
			d.doubled.add(has-had, standing(after[0].Text, has, had))
		case keyed && !sameRows(before, after):
			d.changed.add(1, before[0].Text+" is now "+after[0].Text)
		}
	}
}

func standing(text string, has, had int64) string {
	return fmt.Sprintf("%s stands %s instead of %d", text, count64(has, "time"), had)
}

func sameRows(a, b []history.OutputRow) bool {
	counts := map[string]int64{}
	for _, row := range a {
		counts[row.Value] += row.Count
	}
	for _, row := range b {
		counts[row.Value] -= row.Count
	}
	for _, n := range counts {
		if n != 0 {
			return false
		}
	}
	return true
}

func keysOf(all ...map[string][]history.OutputRow) []string {
	var keys []string
	for _, rows := range all {
		for key := range rows {
			keys = append(keys, key)
		}
	}
	return wording.Distinct(keys)
}

// countParts counts what differs by parts of the rows, of which not all are listed: at least so many do.
func (d *difference) countParts(wanted, got history.OutputData) {
	before, after := bucketsOf(wanted), bucketsOf(got)
	var lost, more, changed int64
	for i := range before {
		switch gone := before[i].Rows - after[i].Rows; {
		case gone > 0:
			lost += gone
		case gone < 0:
			more -= gone
		case before[i].Sum != after[i].Sum:
			changed++
		}
	}
	doubled := min(more, max(0, got.Rows-got.Distinct-(wanted.Rows-wanted.Distinct)))
	for _, counted := range []struct {
		rows *differing
		n    int64
	}{{&d.lost, lost}, {&d.doubled, doubled}, {&d.fresh, more - doubled}, {&d.changed, changed}} {
		counted.rows.count = max(counted.rows.count, counted.n)
	}
}

// buckets is into how many parts rows are divided.
const buckets = 1024

// bucketsOf returns the parts of an output; those of one whose rows are all listed are made of them.
func bucketsOf(o history.OutputData) []history.OutputBucket {
	parts := make([]history.OutputBucket, buckets)
	if len(o.Buckets) > 0 {
		copy(parts, o.Buckets)
		return parts
	}
	sums := make([]big.Int, buckets)
	for _, row := range o.Sample {
		key, _ := strconv.ParseUint(row.Key, 16, 64) // the model has only those that can be read
		value, _ := strconv.ParseUint(row.Value, 16, 64)
		i := key % buckets
		parts[i].Rows += row.Count
		sums[i].Add(&sums[i], new(big.Int).Mul(big.NewInt(int64(value)), big.NewInt(row.Count)))
	}
	for i := range parts {
		parts[i].Sum = sums[i].String()
	}
	return parts
}
