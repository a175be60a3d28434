// Package timeline lays out a run as lanes over time: what each node, pod and process was, when, and which events show it.
package timeline

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/report/tell"
)

// Group is a kind of lanes.
type Group string

// The groups, in the order in which they are shown.
const (
	ControlPlane Group = "control plane"
	Nodes        Group = "nodes"
	Application  Group = "application"
	Components   Group = "components"
	Streams      Group = "streams"
	OtherPods    Group = "other pods"
)

// State is what something was in a span.
type State string

// The states.
const (
	Seen        State = "seen"        // of the control plane: watched
	NotSeen     State = "not seen"    // a watch was interrupted
	Ready       State = "Ready"       // a node, by the API server's word
	NotReady    State = "NotReady"    //
	Unknown     State = "Unknown"     // its kubelet is silent
	NoObject    State = "gone"        // the Node object was deleted
	Off         State = "off"         // a node's machine, by the fault that was proven to have landed
	Frozen      State = "frozen"      //
	Isolated    State = "isolated"    //
	Silenced    State = "kubelet off" //
	Disturbed   State = "disturbed"   // another fault acts on it
	Marked      State = "tainted"     // only the Node object is changed
	Pending     State = "pending"     // a pod without a node
	Starting    State = "starting"    // on a node, not running yet
	Running     State = "running"     //
	Terminating State = "terminating" // marked for deletion
	Succeeded   State = "succeeded"   //
	Failed      State = "failed"      //
	Active      State = "active"      // a Job that has not ended
	Alive       State = "alive"       // a process, by its own records
	Batch       State = "batch"       // of a stream
)

// Span is a time in which a lane was in a state, from the begin of the run.
type Span struct {
	From, To time.Duration
	State    State
	Text     string
	Events   []int64 // that show its begin and its end
	Low      bool    // drawn in the lower half of the lane, below what the API server says
}

// Mark is something that happened at a time.
type Mark struct {
	At    time.Duration
	Text  string
	Event int64
}

// Lane is a line of the picture.
type Lane struct {
	Group  Group
	Name   string
	Detail string // the name of the pod
	Depth  int    // 1: below the lane before it that has depth 0
	Key    string
	Spans  []Span
	Marks  []Mark
}

// Window is the time in which a fault acted.
type Window struct {
	Fault, Kind, Target string
	From, To            time.Duration
	Events              []int64
	Lanes               []int // that it touched
	Landed              bool
}

// Bracket is a phase of a recovery.
type Bracket struct {
	Fault, Name string
	From, To    time.Duration
	Bound       time.Duration
	Events      []int64
	Row         int // phases that run side by side have rows of their own
}

// Overlap is a time in which two drivers lived.
type Overlap struct {
	From, To time.Duration
	Lanes    [2]int
	Events   []int64
}

// Series are figures at equal distances: how many tasks ran and executors lived at a time, and how many heartbeats came until the next one.
type Series struct {
	Step                         time.Duration
	Tasks, Executors, Heartbeats []int
}

// Timeline is a run as a picture.
type Timeline struct {
	Begin    time.Duration // of the part that is worth looking at: the launch, after the cluster and the baseline were made
	End      time.Duration
	Lanes    []Lane
	Faults   []Window
	Phases   []Bracket
	Overlaps []Overlap
	Series   Series
}

// Of lays out a run. beats are the offsets of heartbeats.
func Of(record *tell.Record, verdict check.RunVerdict, beats []time.Duration) *Timeline {
	b := builder{m: record.Model, lanes: map[string]int{}, t: &Timeline{}}
	b.t.End = b.m.Offset(b.m.Last)
	if !b.m.Launched.Never() {
		b.t.Begin = max(0, b.off(b.m.Launched)-time.Second)
	}
	b.incarnations = b.m.Incarnations()
	b.controlPlane()
	b.nodes()
	b.application()
	b.pods()
	b.streams()
	b.arrange()
	b.faults()
	b.phases(verdict)
	b.overlaps()
	b.series(beats)
	return b.t
}

type builder struct {
	m            *model.Model
	t            *Timeline
	incarnations model.Incarnations
	lanes        map[string]int // by key
}

func (b *builder) add(lane Lane) {
	b.lanes[lane.Key] = len(b.t.Lanes)
	b.t.Lanes = append(b.t.Lanes, lane)
}

// arrange puts the groups into their order and notes where each lane is.
func (b *builder) arrange() {
	order := []Group{ControlPlane, Nodes, Application, Components, Streams, OtherPods}
	slices.SortStableFunc(b.t.Lanes, func(x, y Lane) int { return slices.Index(order, x.Group) - slices.Index(order, y.Group) })
	for i, lane := range b.t.Lanes {
		b.lanes[lane.Key] = i
	}
}

func (b *builder) off(at model.Moment) time.Duration { return max(0, b.m.Offset(at)) }

// change is the begin of a state.
type change struct {
	at    model.Moment
	state State
	text  string
}

// spans makes spans of changes in the order of time; the last one lasts until end, which is the end of the record if it never came.
func (b *builder) spans(changes []change, end model.Moment) []Span {
	changes = slices.DeleteFunc(changes, func(c change) bool { return c.at.Never() })
	slices.SortStableFunc(changes, func(x, y change) int { return x.at.At.Compare(y.at.At) })
	var all []Span
	for i, c := range changes {
		span := Span{From: b.off(c.at), To: b.t.End, State: c.state, Text: c.text, Events: []int64{c.at.Seq}}
		next := end
		if i+1 < len(changes) {
			next = changes[i+1].at
		}
		if !next.Never() {
			span.To, span.Events = max(span.From, b.off(next)), append(span.Events, next.Seq)
		}
		all = append(all, span)
	}
	return all
}

func (b *builder) controlPlane() {
	lane := Lane{Group: ControlPlane, Name: "API server", Key: "control-plane"}
	lane.Spans = b.spans([]change{{b.m.Started, Seen, "watched"}}, b.m.Last)
	for _, gap := range b.m.Gaps {
		to := b.off(gap.At)
		lane.Spans = append(lane.Spans, Span{
			From: max(0, to-gap.Data.For), To: to, State: NotSeen, Low: true, Events: []int64{gap.At.Seq},
			Text: gap.Kind + "s were not seen: " + gap.Data.Reason,
		})
	}
	b.add(lane)
}

func (b *builder) nodes() {
	for _, name := range slices.Sorted(maps.Keys(b.m.Nodes)) {
		node := b.m.Nodes[name]
		lane := Lane{Group: Nodes, Name: name, Key: "node/" + name}
		var changes []change
		for _, c := range node.Changes {
			state := Readiness(c.Status)
			changes = append(changes, change{c.At, state, "Kubernetes: " + string(state)})
		}
		lane.Spans = b.spans(changes, b.m.Last)
		for _, f := range b.m.Faults {
			if f.Landed.Never() || !slices.ContainsFunc(f.Named, func(o history.Object) bool { return o.Kind == "Node" && o.Name == name }) {
				continue
			}
			state := Machine(f)
			span := Span{From: b.off(f.Began), To: b.t.End, State: state, Low: true, Text: fmt.Sprintf("fault %s: %s", f.Name, state),
				Events: []int64{f.Landed.Seq}}
			if !f.Recovered.Never() {
				span.To, span.Events = max(span.From, b.off(f.Recovered)), append(span.Events, f.Recovered.Seq)
			}
			lane.Spans = append(lane.Spans, span)
		}
		for _, mark := range node.Marks {
			lane.Marks = append(lane.Marks, Mark{b.off(mark.At), "node " + name + " " + mark.What, mark.At.Seq})
		}
		b.add(lane)
	}
}

// Readiness returns what a node is by the API server's word, from the status of its Ready condition.
func Readiness(status string) State {
	return cmp.Or(map[string]State{"True": Ready, "False": NotReady, "Unknown": Unknown, "Deleted": NoObject}[status], Unknown)
}

// Machine returns what a node's machine is while a fault acts on it.
func Machine(f *model.Fault) State {
	switch {
	case f.Does(history.EndsProcesses):
		return Off
	case f.Does(history.Pauses):
		return Frozen
	case f.Does(history.CutsNetwork):
		return Isolated
	case f.Does(history.SilencesNode):
		return Silenced
	case f.Does(history.MarksNode):
		return Marked
	default:
		return Disturbed
	}
}

func (b *builder) application() {
	if job, kind := b.m.Job(), b.m.Workload.DriverKind; b.m.Kept() {
		b.add(Lane{Group: Application, Name: kind + " " + b.m.Workload.DriverName, Key: "job", Spans: b.spans([]change{
			{b.m.Launched, Active, "the " + kind + " has not ended"}, {job.Complete, Succeeded, "the " + kind + " is complete"},
			{job.Failed, Failed, "the " + kind + " failed: " + job.Reason},
		}, job.Deleted)})
	}
	for _, i := range b.incarnations {
		lane := Lane{Group: Application, Name: placed(fmt.Sprintf("driver %d", i.Number), i.Node), Detail: i.Name, Key: i.UID}
		if i.Pod != nil {
			lane.Spans = b.podSpans(i.Pod)
		}
		b.live(&lane, i.Driver)
		b.add(lane)
		for _, pod := range b.m.Executors(i) {
			executor := Lane{Group: Application, Name: placed("executor "+cmp.Or(pod.ExecutorID, "?"), pod.Node), Detail: pod.Name, Depth: 1,
				Key: pod.UID, Spans: b.podSpans(pod)}
			b.live(&executor, b.m.Processes[pod.UID])
			b.known(&executor, i, pod.ExecutorID)
			b.add(executor)
		}
	}
}

// placed names something with the node that it is on.
func placed(name, node string) string {
	if node == "" {
		return name
	}
	return name + " · " + node
}

// live adds to a lane when a process lived, by its own records.
func (b *builder) live(lane *Lane, p *model.Process) {
	if p == nil {
		return
	}
	for _, life := range b.m.Life(p) {
		lane.Spans = append(lane.Spans, Span{
			From: b.off(life.From), To: b.off(life.To), State: Alive, Low: true, Text: "the process gives signs of life",
			Events: []int64{life.From.Seq, life.To.Seq},
		})
	}
	if !p.Started.Never() {
		lane.Marks = append(lane.Marks, Mark{b.off(p.Started), "Spark has started", p.Started.Seq})
	}
	if !p.FirstProgress.Never() {
		lane.Marks = append(lane.Marks, Mark{b.off(p.FirstProgress), "first task or batch ended well", p.FirstProgress.Seq})
	}
}

// known adds to an executor's lane what its driver says about it.
func (b *builder) known(lane *Lane, i *model.Incarnation, id string) {
	if i.Driver == nil || i.Driver.Executors[id] == nil {
		return
	}
	e := i.Driver.Executors[id]
	if !e.At.Never() {
		lane.Marks = append(lane.Marks, Mark{b.off(e.At), "registered with its driver", e.At.Seq})
	}
	if !e.Removed.Never() {
		lane.Marks = append(lane.Marks, Mark{b.off(e.Removed), "removed by its driver", e.Removed.Seq})
	}
}

// OfPod returns what a pod is now, by the API server's last word.
func OfPod(pod *model.Pod) State {
	switch {
	case !pod.Deleted.Never():
		return NoObject
	case !pod.Finished.Never():
		return map[bool]State{true: Succeeded, false: Failed}[pod.Succeeded]
	case !pod.Terminating.Never():
		return Terminating
	case !pod.Running.Never():
		return Running
	case !pod.Placed.Never():
		return Starting
	default:
		return Pending
	}
}

func (b *builder) podSpans(pod *model.Pod) []Span {
	on := func(what string) string {
		if pod.Node == "" {
			return "pod " + what
		}
		return "pod " + what + " on " + pod.Node
	}
	changes := []change{
		{pod.Added, Pending, on("has no node yet")}, {pod.Placed, Starting, on("starts")}, {pod.Running, Running, on("runs")},
		{pod.Terminating, Terminating, on("is marked for deletion")},
	}
	if !pod.Finished.Never() {
		state := map[bool]State{true: Succeeded, false: Failed}[pod.Succeeded]
		changes = append(changes, change{pod.Finished, state, on(string(state))})
	}
	return b.spans(changes, pod.Deleted)
}

func (b *builder) pods() {
	var rest []*model.Pod
	for uid, pod := range b.m.Pods {
		if _, drawn := b.lanes[uid]; !drawn {
			rest = append(rest, pod)
		}
	}
	slices.SortFunc(rest, func(x, y *model.Pod) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Added.Seq, y.Added.Seq))
	})
	for _, pod := range rest {
		group := OtherPods
		if b.m.Belongs(pod) {
			group = Components
		}
		b.add(Lane{Group: group, Name: placed(cmp.Or(pod.Component, pod.Name), pod.Node), Detail: pod.Name, Key: pod.UID, Spans: b.podSpans(pod)})
	}
}

func (b *builder) streams() {
	for _, i := range b.incarnations {
		b.queries(i)
		if batches := b.m.Streams.Batches[i.UID]; len(batches) > 0 {
			lane := Lane{Group: Streams, Name: fmt.Sprintf("batches · driver %d", i.Number), Key: "dstream/" + i.UID}
			for _, id := range slices.Sorted(maps.Keys(batches)) {
				lane.Marks = append(lane.Marks, Mark{b.off(batches[id]), fmt.Sprintf("batch %d completed", id), batches[id].Seq})
			}
			b.add(lane)
		}
	}
}

func (b *builder) queries(i *model.Incarnation) {
	for _, key := range slices.Sorted(maps.Keys(b.m.Streams.Runs)) {
		run := b.m.Streams.Runs[key]
		if run.Driver != i.UID {
			continue
		}
		lane := Lane{Group: Streams, Name: fmt.Sprintf("%s · driver %d", cmp.Or(run.Name, run.Query, "query"), i.Number), Key: "query/" + key}
		for _, batch := range slices.SortedFunc(maps.Values(run.Batches), func(x, y *model.Batch) int { return cmp.Compare(x.ID, y.ID) }) {
			if batch.Started.Never() {
				lane.Marks = append(lane.Marks, Mark{b.off(batch.Completed), fmt.Sprintf("batch %d completed", batch.ID), batch.Completed.Seq})
				continue
			}
			span := b.spans([]change{{batch.Started, Batch, fmt.Sprintf("batch %d", batch.ID)}}, batch.Completed)[0]
			if batch.Completed.Never() {
				span.To = min(b.t.End, max(span.From, b.off(b.m.Processes[i.UID].Alive.Last())))
				span.Text += ", which was not completed"
			}
			lane.Spans = append(lane.Spans, span)
		}
		b.add(lane)
	}
}

func (b *builder) faults() {
	for _, f := range b.m.Faults {
		w := Window{Fault: f.Name, Kind: f.Kind, Landed: !f.Landed.Never()}
		var names []string
		for _, o := range f.Named {
			names = append(names, strings.ToLower(o.Kind)+" "+o.Name)
		}
		w.Target = wording.Some(names)
		begin, end := f.Began, f.Recovered
		if !w.Landed {
			begin = f.Injecting
			end = f.DidNotLand
		}
		if begin.Never() {
			continue
		}
		w.From, w.To, w.Events = b.off(begin), b.t.End, []int64{begin.Seq}
		if !end.Never() {
			w.To, w.Events = max(w.From, b.off(end)), append(w.Events, end.Seq)
		}
		w.Lanes = b.touched(f, w)
		b.t.Faults = append(b.t.Faults, w)
	}
}

// touched returns the lanes of what a fault acted on: its targets, and the pods that were on them in its time.
func (b *builder) touched(f *model.Fault, w Window) []int {
	var all []int
	for _, o := range f.Named {
		key := o.UID
		if o.Kind == "Node" {
			key = "node/" + o.Name
		}
		if i, ok := b.lanes[key]; ok {
			all = append(all, i)
		}
	}
	for uid, pod := range b.m.Pods {
		ended := b.t.End
		if gone := pod.Gone(); !gone.Never() {
			ended = b.off(gone)
		}
		if i, ok := b.lanes[uid]; ok && f.Hits(uid, pod.Node) && !pod.Placed.Never() && b.off(pod.Placed) < w.To && ended > w.From {
			all = append(all, i)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (b *builder) phases(verdict check.RunVerdict) {
	for _, r := range tell.Recoveries(verdict) {
		f := b.m.Fault(r.Fault)
		if f == nil || f.Began.Never() {
			continue
		}
		began := b.off(f.Began)
		for i, p := range r.Phases {
			row := 0
			if i > 0 && p.Start < r.Phases[i-1].Start+r.Phases[i-1].Duration {
				row = 1
			}
			b.t.Phases = append(b.t.Phases, Bracket{
				Fault: r.Fault, Name: p.Name, From: began + p.Start, To: began + p.Start + p.Duration, Bound: p.Bound, Events: []int64{p.From, p.To},
				Row: row,
			})
		}
	}
}

func (b *builder) overlaps() {
	for n, x := range b.incarnations {
		for _, y := range b.incarnations[n+1:] {
			if x.Driver == nil || y.Driver == nil {
				continue
			}
			for _, o := range model.Overlaps(b.m.Life(x.Driver), b.m.Life(y.Driver)) {
				from, to := model.Later(o.Both[0].From, o.Both[1].From), model.Earlier(o.Both[0].To, o.Both[1].To)
				b.t.Overlaps = append(b.t.Overlaps, Overlap{
					From: b.off(from), To: b.off(to), Lanes: [2]int{b.lanes[x.UID], b.lanes[y.UID]}, Events: []int64{from.Seq, to.Seq},
				})
			}
		}
	}
}

// samples is the number of figures in a series.
const samples = 600

func (b *builder) series(beats []time.Duration) {
	s := &b.t.Series
	s.Step = max(250*time.Millisecond, (b.t.End/samples).Truncate(time.Millisecond)+time.Millisecond)
	n := int(b.t.End/s.Step) + 1
	s.Tasks, s.Executors, s.Heartbeats = make([]int, n), make([]int, n), make([]int, n)
	count := func(into []int, from, to time.Duration) {
		for i := max(0, int((from+s.Step-1)/s.Step)); i < n && time.Duration(i)*s.Step < to; i++ {
			into[i]++
		}
	}
	for _, i := range b.incarnations {
		if i.Driver != nil {
			for _, task := range i.Driver.Tasks {
				if !task.Started.Never() {
					end := task.Ended
					if end.Never() {
						end = i.Driver.Alive.Last()
					}
					count(s.Tasks, b.off(task.Started), b.off(end))
				}
			}
		}
		for _, p := range b.m.ExecutorProcesses(i) {
			for _, life := range b.m.Life(p) {
				count(s.Executors, b.off(life.From), b.off(life.To))
			}
		}
	}
	for _, at := range beats {
		if i := int(at / s.Step); i < n {
			s.Heartbeats[i]++
		}
	}
}
