package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report/tell"
)

// Difference is a point in which two runs differ. What one of them does not have is empty.
type Difference struct {
	Part  string `json:"part"` // verdict, invariants, faults, phases, counts, settings, versions or machine
	What  string `json:"what"`
	First string `json:"first"`
	Other string `json:"other"`
}

// Comparison is what two runs have in common and where they part.
type Comparison struct {
	First       string       `json:"first"` // their run ids
	Other       string       `json:"other"`
	Same        int          `json:"same"` // points in which they are the same
	Differences []Difference `json:"differences"`
}

// point is something that can be compared.
type point struct{ part, what string }

// pointList are the points of a run, in the order in which they are shown.
type pointList struct {
	order  []point
	values map[point]string
}

func (p *pointList) add(part, what, value string) {
	at := point{part, what}
	if _, again := p.values[at]; !again {
		p.order = append(p.order, at)
	}
	p.values[at] = value
}

// Compare returns where two runs part: verdicts, invariants, faults, phases, counts, settings, versions and machines.
func Compare(first, other Run) (Comparison, error) {
	a, err := points(first)
	if err != nil {
		return Comparison{}, err
	}
	b, err := points(other)
	if err != nil {
		return Comparison{}, err
	}
	c := Comparison{First: first.Verdict.RunID, Other: other.Verdict.RunID, Differences: []Difference{}}
	for _, at := range inOrder(a, b) {
		if a.values[at] == b.values[at] {
			c.Same++
			continue
		}
		c.Differences = append(c.Differences, Difference{at.part, at.what, a.values[at], b.values[at]})
	}
	return c, nil
}

// inOrder returns the points of both runs: parts in their order, within them those of the first run and then what only the other one has.
func inOrder(a, b *pointList) []point {
	all := slices.Clone(a.order)
	for _, at := range b.order {
		if _, known := a.values[at]; !known {
			all = append(all, at)
		}
	}
	parts := []string{"verdict", "invariants", "faults", "phases", "counts", "settings", "versions", "machine"}
	slices.SortStableFunc(all, func(x, y point) int { return slices.Index(parts, x.part) - slices.Index(parts, y.part) })
	return all
}

func points(run Run) (*pointList, error) {
	p := &pointList{values: map[point]string{}}
	p.verdict(run.Verdict)
	record, err := run.Info.record(nil)
	if err != nil {
		return nil, err
	}
	if record != nil {
		p.counts(record)
		p.settings(record.Model.Run.Plan)
	}
	p.addAll("settings", "cluster", run.Info.Environment.Timing)
	p.addAll("versions", "", run.Info.Environment.Versions)
	p.addAll("machine", "", run.Info.Environment.Machine)
	if took := run.Info.Took; took > 0 {
		p.add("counts", "the run took", wording.Duration(took))
	}
	return p, nil
}

func (p *pointList) verdict(v check.RunVerdict) {
	p.add("verdict", "verdict", string(v.Verdict))
	p.add("verdict", "reason", v.Reason)
	p.add("versions", "recorded by", v.Recorded)
	p.add("settings", "scenario", v.Scenario)
	p.add("settings", "seed", fmt.Sprint(v.Seed))
	for _, r := range v.Results {
		value := string(r.Verdict)
		if r.Measured != "" {
			value += ", measured " + r.Measured
		}
		if r.Bound != "" {
			value += ", bound " + r.Bound
		}
		p.add("invariants", r.Invariant, value)
	}
	for _, e := range judge(v) {
		if e.fault != nil {
			p.add("faults", e.fault.Fault, e.fault.Kind+" "+e.verdict)
		}
	}
	for _, r := range tell.Recoveries(v) {
		for _, phase := range r.Phases {
			p.add("phases", r.Fault+": "+phase.Name, wording.Duration(phase.Duration))
		}
		p.add("phases", r.Fault+": in all", wording.Duration(r.Total))
	}
}

// counts adds what a run cost.
func (p *pointList) counts(record *tell.Record) {
	c := tell.CostOf(record.Model)
	for _, each := range []struct {
		what string
		took time.Duration
	}{{"application took", c.Took}, {"baseline took", c.Baseline}, {"task time lost", c.Lost}, {"longest time without progress",
		c.Standstill}} {
		if each.took > 0 {
			p.add("counts", each.what, wording.Duration(each.took))
		}
	}
	for _, each := range []struct {
		what string
		n    int
	}{
		{"driver incarnations", len(record.Model.Incarnations())}, {"drivers lost", c.Drivers}, {"executors lost", c.Executors},
		{"tasks that ended well", c.Tasks},
		{"tasks done again", c.Again}, {"attempts that were cut", c.Cut}, {"batches", c.Batches}, {"batches done again", c.BatchesAgain},
	} {
		p.add("counts", each.what, fmt.Sprint(each.n))
	}
}

// settings adds the values of a plan by their paths. Its description and what follows from the rest is left out.
func (p *pointList) settings(plan json.RawMessage) {
	var value any
	if json.Unmarshal(plan, &value) != nil {
		return // without a plan there is less to compare
	}
	p.setting("", value)
}

func (p *pointList) setting(path string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			p.setting(strings.TrimPrefix(path+"."+key, "."), value[key])
		}
	case []any:
		for i, each := range value {
			p.setting(fmt.Sprintf("%s[%d]", path, i), each)
		}
	default:
		text, err := json.Marshal(value)
		if err != nil || path == "seed" || path == "scenario.description" {
			return
		}
		p.add("settings", "plan "+path, strings.Trim(string(text), `"`))
	}
}

// addAll adds the values of a map.
func (p *pointList) addAll(part, prefix string, values map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		p.add(part, strings.TrimSpace(prefix+" "+key), values[key])
	}
}

// Text shows a comparison on a terminal.
func (c Comparison) Text() []byte {
	var out strings.Builder
	fmt.Fprintf(&out, "%s and %s: ", clean(c.First), clean(c.Other))
	if len(c.Differences) == 0 {
		fmt.Fprintf(&out, "no difference in %d points\n", c.Same)
		return []byte(out.String())
	}
	fmt.Fprintf(&out, "%s, the same in %d points\n", wording.Count(len(c.Differences), "difference"), c.Same)
	part := ""
	for _, d := range c.Differences {
		if d.Part != part {
			part = d.Part
			fmt.Fprintf(&out, "\n%s\n", part)
		}
		fmt.Fprintf(&out, "  %s\n    - %s\n    + %s\n", clean(d.What), shown(d.First), shown(d.Other))
	}
	return []byte(out.String())
}

// shown writes a value, or that there is none.
func shown(value string) string {
	if value == "" {
		return "(none)"
	}
	return clean(value)
}
