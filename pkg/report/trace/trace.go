// Package trace writes a run as a trace for viewers of traces: Chrome's trace events, Perfetto and OpenTelemetry.
package trace

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"strconv"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/otlp"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report/tell"
	"github.com/sparkchaos/sparkchaos/pkg/report/timeline"
)

// Run is what traces are made of.
type Run struct {
	Record   *tell.Record
	Verdict  check.RunVerdict
	Timeline *timeline.Timeline
	Phases   []string  // of the run, in their order
	Exported otlp.Kept // by the cluster's components; empty if the run kept no spans of theirs
}

// New returns what traces of a run are made of. phases are those of the run, in their order.
func New(record *tell.Record, verdict check.RunVerdict, phases []string) *Run {
	return &Run{Record: record, Verdict: verdict, Timeline: timeline.Of(record, verdict, nil), Phases: phases}
}

// began returns the time from which offsets are counted.
func (r *Run) began() time.Time {
	last := r.Record.Model.Last
	return last.At.Add(-r.Record.Model.Offset(last))
}

// id returns bytes that are the same whenever the trace of a run is written, and that no other part of it has.
func (r *Run) id(parts ...string) [sha256.Size]byte {
	hash := sha256.New()
	for _, part := range append([]string{r.Verdict.RunID, r.began().UTC().Format(time.RFC3339Nano)}, parts...) {
		hash.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// slice is a time in which something was so.
type slice struct {
	from, to time.Duration
	name     string
	text     string
	events   []int64
}

// row is a line of a viewer, in which no slices overlap: neither of the viewers shows those that do.
type row struct {
	name   string
	slices []slice
	marks  []timeline.Mark
}

// group is a heading with its rows.
type group struct {
	name string
	rows []row
}

// counter is a figure over time.
type counter struct {
	name   string
	step   time.Duration
	values []int
}

// groups returns what viewers of lanes show of a run: faults and recoveries first.
func (r *Run) groups() []group {
	t := r.Timeline
	var faults, recoveries, overlaps []slice
	for _, w := range t.Faults {
		text := "it did not land"
		if w.Landed {
			text = "it landed"
		}
		faults = append(faults, slice{w.From, w.To, w.Fault, w.Kind + " of " + w.Target + ": " + text, w.Events})
	}
	for _, p := range t.Phases {
		text := "recovery from " + p.Fault
		if p.Bound > 0 {
			text += ", at most " + p.Bound.String()
		}
		recoveries = append(recoveries, slice{p.From, p.To, p.Name, text, p.Events})
	}
	for _, o := range t.Overlaps {
		overlaps = append(overlaps, slice{o.From, o.To, "two drivers", t.Lanes[o.Lanes[0]].Name + ", " + t.Lanes[o.Lanes[1]].Name, o.Events})
	}
	all := []group{{"faults", rows("faults", faults, nil)}, {"recovery", rows("recovery", recoveries, nil)},
		{"two drivers", rows("two drivers", overlaps, nil)}}
	for _, lane := range t.Lanes {
		if name := string(lane.Group); all[len(all)-1].name != name {
			all = append(all, group{name: name})
		}
		var slices []slice
		for _, span := range lane.Spans {
			slices = append(slices, slice{span.From, span.To, string(span.State), span.Text, span.Events})
		}
		last := &all[len(all)-1]
		last.rows = append(last.rows, rows(cmp.Or(lane.Name, lane.Key), slices, lane.Marks)...)
	}
	all = append(all, r.components().groups()...)
	return slices.DeleteFunc(all, func(g group) bool { return len(g.rows) == 0 })
}

// rows puts slices into as few rows as they need so that none overlap.
func rows(name string, all []slice, marks []timeline.Mark) []row {
	made, _ := place(name, all, len(all))
	if len(marks) == 0 {
		return made
	}
	if len(made) == 0 {
		made = []row{{name: name}}
	}
	made[0].marks = marks
	return made
}

// place puts slices into rows so that none overlap, and returns how many found none because there may be no more rows.
func place(name string, all []slice, most int) (made []row, leftOut int) {
	slices.SortStableFunc(all, func(a, b slice) int { return cmp.Compare(a.from, b.from) })
	for _, s := range all {
		i := slices.IndexFunc(made, func(r row) bool { return r.slices[len(r.slices)-1].to <= s.from })
		switch {
		case i >= 0:
		case len(made) < most:
			i = len(made)
			made = append(made, row{name: name})
		default:
			leftOut++
			continue
		}
		made[i].slices = append(made[i].slices, s)
	}
	return made, leftOut
}

func (r *Run) counters() []counter {
	s := r.Timeline.Series
	return []counter{{"running tasks", s.Step, s.Tasks}, {"executors alive", s.Step, s.Executors}}
}

// changes calls each with every value of a counter that differs from the one before.
func (c counter) changes(each func(at time.Duration, value int)) {
	for i, value := range c.values {
		if i == 0 || value != c.values[i-1] {
			each(time.Duration(i)*c.step, value)
		}
	}
}
