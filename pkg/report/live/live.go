// Package live shows a run in progress, in lines for a terminal: what is awaited, faults, drivers and their executors, and nodes.
package live

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/report/timeline"
)

// View is what there is to show.
type View struct {
	What  string       // of the run is recorded: itself, or the run without faults before it
	Model *model.Model // of what was recorded so far; nil if nothing is recorded
	Waits []Wait       // in the order in which they began
}

// Wait is something that is awaited.
type Wait struct {
	What   string
	Since  time.Time
	AtMost time.Duration // 0: nobody knows
	Seen   string        // last
}

// silentAfter is how old the last sign of life of a process may be that is not called silent. Heartbeats come ten times a second.
const silentAfter = 2 * time.Second

// incarnationsShown is how many of the drivers that have ended are shown.
const incarnationsShown = 2

// Lines returns what a terminal shows of a view at a time, the most important first: a terminal that is too low shows the first lines.
func Lines(v View, now time.Time) []string {
	var p page
	if v.Model != nil {
		p.lines = append(p.lines, title(v, now))
	}
	for _, w := range v.Waits {
		p.add("awaiting", w.What)
		p.add("", "  "+w.progress(now))
		p.last = ""
	}
	if v.Model == nil {
		return p.lines
	}
	for _, text := range faults(v.Model, now) {
		p.add("fault", text)
	}
	p.last = ""
	drivers(&p, v.Model, now)
	p.groups("nodes", nodes(v.Model, now))
	return p.lines
}

// page is lines with a column of labels before them.
type page struct {
	lines []string
	last  string // label
}

// labels is the width of the column.
const labels = 11

func (p *page) add(label, text string) {
	shown := label
	if label == p.last {
		shown = ""
	}
	p.last = cmp.Or(label, p.last)
	p.lines = append(p.lines, fmt.Sprintf("%-*s%s", labels, shown, text))
}

// groups adds things by their states, those of one state in one line.
func (p *page) groups(label string, all []member) {
	byState := map[string][]string{}
	order := map[string]int{}
	for _, each := range all {
		byState[each.state] = append(byState[each.state], each.name)
		order[each.state] = each.order
	}
	states := slices.SortedFunc(maps.Keys(byState), func(a, b string) int {
		return cmp.Or(cmp.Compare(order[a], order[b]), strings.Compare(a, b))
	})
	for _, state := range states {
		names := byState[state]
		p.add(label, fmt.Sprintf("%d %s: %s", len(names), state, strings.Join(names, ", ")))
	}
}

// member is one of several things that are shown together.
type member struct {
	name, state string
	order       int // of the state among the others
}

func title(v View, now time.Time) string {
	m := v.Model
	words := []string{cmp.Or(m.Run.Scenario, v.What)}
	if m.Run.Scenario != "" && !m.Started.Never() {
		words = append(words, v.What+" for "+length(now.Sub(m.Started.At)))
	}
	if phase, began := m.CurrentPhase(); phase != "" {
		words = append(words, "phase "+phase+" for "+length(now.Sub(began.At)))
	}
	if m.Progress != nil {
		if n := len(m.Progress.Tasks); n > 0 {
			words = append(words, wording.Count(n, "task")+" succeeded")
		}
		if n := len(m.Progress.Batches); n == 1 {
			words = append(words, "1 batch completed")
		} else if n > 1 {
			words = append(words, fmt.Sprintf("%d batches completed", n))
		}
	}
	return strings.Join(words, " · ")
}

// progress says how long something has been awaited, how much of the time is left, and what was seen.
func (w Wait) progress(now time.Time) string {
	text := "for " + length(now.Sub(w.Since))
	if w.AtMost > 0 {
		text = length(w.AtMost-now.Sub(w.Since)) + " of " + w.AtMost.String() + " left"
	}
	if w.Seen != "" {
		text += "; seen: " + w.Seen
	}
	return text
}

// length writes a time that passes while somebody looks: tenths of a second below ten seconds, else seconds.
func length(d time.Duration) string {
	d = max(0, d)
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// faults describes the state of each fault of the plan.
func faults(m *model.Model, now time.Time) []string {
	var lines []string
	for _, f := range m.Faults {
		lines = append(lines, aim(f)+": "+state(f, now))
	}
	for _, name := range planned(m) {
		if m.Fault(name) == nil {
			lines = append(lines, name+": planned")
		}
	}
	return lines
}

// planned returns the names of the plan's faults. A plan that cannot be read has none: the judgement of the history reports it.
func planned(m *model.Model) []string {
	var plan struct {
		Steps []struct {
			Fault string `json:"fault"`
		} `json:"steps"`
	}
	_ = json.Unmarshal(m.Run.Plan, &plan) // see above
	var names []string
	for _, step := range plan.Steps {
		if !slices.Contains(names, step.Fault) {
			names = append(names, step.Fault)
		}
	}
	return names
}

// aim names a fault with what it was aimed at.
func aim(f *model.Fault) string {
	var targets []string
	for _, o := range f.Named {
		targets = append(targets, strings.ToLower(o.Kind)+" "+o.Name)
	}
	if len(targets) == 0 {
		return fmt.Sprintf("%s (%s)", f.Name, f.Kind)
	}
	return fmt.Sprintf("%s (%s of %s)", f.Name, f.Kind, wording.Some(targets))
}

func state(f *model.Fault, now time.Time) string {
	ago := func(what string, at model.Moment) string { return what + " " + length(now.Sub(at.At)) + " ago" }
	switch f.Step {
	case history.FaultInjecting:
		return ago("injection began", f.Injecting)
	case history.FaultLanded:
		if f.Lapsed != "" {
			return ago("landed", f.Landed) + ", but did not hold: " + f.Lapsed
		}
		return ago("landed", f.Landed)
	case history.FaultDidNotLand:
		return "did not land: " + f.Reason
	case history.FaultRecovering:
		return ago("landed", f.Landed) + ", is being recovered"
	case history.FaultRecovered:
		return ago("recovered", f.Recovered)
	case history.FaultNotRecovered:
		return "not recovered: " + f.Reason
	default:
		return "about to be injected"
	}
}

// drivers adds the driver's incarnations, each with its executors. Of those that are over the newest are shown.
func drivers(p *page, m *model.Model, now time.Time) {
	all := m.Incarnations()
	over := slices.DeleteFunc(slices.Clone(all), func(i *model.Incarnation) bool { return !isOver(m, i, now) })
	hidden := over[:max(0, len(over)-incarnationsShown)]
	if len(hidden) > 0 {
		p.add("driver", wording.Count(len(hidden), "earlier incarnation")+", ended")
	}
	for _, i := range all {
		if slices.Contains(hidden, i) {
			continue
		}
		p.add("driver", driver(i, now))
		p.groups("executors", executors(m, i, now))
		p.last = ""
	}
}

// isOver reports whether a driver's pod has ended and its process is silent.
func isOver(m *model.Model, i *model.Incarnation, now time.Time) bool {
	return i.Pod != nil && !i.Pod.Gone().Never() && (i.Driver == nil || silence(i.Driver, now) > silentAfter) &&
		len(executors(m, i, now)) == 0
}

func driver(i *model.Incarnation, now time.Time) string {
	words := []string{fmt.Sprintf("%d", i.Number)}
	if i.Node != "" {
		words[0] += " on " + i.Node
	}
	if i.Pod == nil {
		words = append(words, "not known to the API server")
	} else {
		words = append(words, string(timeline.OfPod(i.Pod)))
	}
	switch {
	case i.Driver == nil:
	case !i.Driver.Stopping.Never():
		words = append(words, "its process has stopped")
	case silence(i.Driver, now) > silentAfter:
		words = append(words, "silent for "+length(silence(i.Driver, now)))
	default:
		words = append(words, "alive", wording.Count(i.Driver.Registered(now), "executor")+" registered")
	}
	return strings.Join(words, ", ")
}

// silence returns how old the last sign of life of a process is, by the harness's clock: its own may be another one.
func silence(p *model.Process, now time.Time) time.Duration {
	last := p.Alive.Last()
	if last.Never() {
		return 0
	}
	return now.Sub(last.At.Add(p.Delay))
}

// executors returns the executors of a driver that are not gone.
func executors(m *model.Model, i *model.Incarnation, now time.Time) []member {
	var all []member
	for _, pod := range m.Executors(i) {
		state := timeline.OfPod(pod)
		if state == timeline.NoObject {
			continue
		}
		each := member{name: cmp.Or(pod.ExecutorID, pod.Name), state: string(state)}
		if pod.Node != "" {
			each.name += " on " + pod.Node
		}
		if state == timeline.Running {
			if p := m.Processes[pod.UID]; p != nil && silence(p, now) > silentAfter {
				each.state, each.order = each.state+", silent", 1
			}
		} else {
			each.order = 2
		}
		all = append(all, each)
	}
	return all
}

// nodes returns the nodes by what the API server says about them and by the faults that are in effect.
func nodes(m *model.Model, now time.Time) []member {
	var all []member
	for _, name := range slices.Sorted(maps.Keys(m.Nodes)) {
		changes := m.Nodes[name].Changes
		if len(changes) == 0 {
			continue
		}
		change := changes[len(changes)-1]
		told := timeline.Readiness(change.Status)
		each := member{name: name, state: string(told)}
		if told != timeline.Ready {
			each.name, each.order = name+" for "+length(now.Sub(change.At.At)), 1
		}
		if machine := held(m, name); machine != "" {
			each.state, each.order = string(machine)+", "+string(told)+" to Kubernetes", 1
		}
		all = append(all, each)
	}
	return all
}

// held returns what a fault that is in effect makes of a node; empty if none is.
func held(m *model.Model, node string) timeline.State {
	for _, f := range slices.Backward(m.Faults) {
		named := slices.ContainsFunc(f.Named, func(o history.Object) bool { return o.Kind == "Node" && o.Name == node })
		if named && !f.Landed.Never() && !f.Undone() && f.Lapsed == "" {
			return timeline.Machine(f)
		}
	}
	return ""
}
