package tell

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// Sentence is a statement about a run, with the numbers of the events that show it.
type Sentence struct {
	Text   string
	Events []int64
}

// String returns the sentence with its event numbers in brackets.
func (s Sentence) String() string {
	if len(s.Events) == 0 {
		return s.Text
	}
	var numbers []string
	for _, seq := range s.Events {
		numbers = append(numbers, fmt.Sprintf("#%d", seq))
	}
	return s.Text + " [" + strings.Join(numbers, ", ") + "]"
}

// Paragraph is what a story says on one question.
type Paragraph struct {
	Heading   string
	Sentences []Sentence
}

// Story is a run in words. Its texts come from outside in part and are not escaped.
type Story struct {
	Lead       []Sentence // the run in one or two sentences
	Paragraphs []Paragraph
}

// Of returns the story of a run.
func Of(record *Record, verdict check.RunVerdict) Story {
	t := teller{record: record, m: record.Model, verdict: verdict}
	t.all = t.m.Incarnations()
	t.losses = t.m.DriverLosses(t.all)
	t.cost = CostOf(t.m)
	var story Story
	story.Lead = t.part(t.lead)
	for _, p := range []struct {
		heading string
		tell    func()
	}{
		{"What ran where", t.whatRan}, {"What was broken", t.whatBroke}, {"Who noticed", t.whoNoticed},
		{"What came back", t.whatCameBack}, {"What it cost", t.whatItCost}, {"What was not seen", t.whatWasNotSeen},
	} {
		if sentences := t.part(p.tell); len(sentences) > 0 {
			story.Paragraphs = append(story.Paragraphs, Paragraph{p.heading, sentences})
		}
	}
	return story
}

// teller collects sentences about a run.
type teller struct {
	record  *Record
	m       *model.Model
	verdict check.RunVerdict
	all     model.Incarnations
	losses  []model.DriverLoss
	cost    Cost
	said    []Sentence
}

// part returns what one function says.
func (t *teller) part(tell func()) []Sentence {
	t.said = nil
	tell()
	return t.said
}

// say adds a sentence that some moments show; those that never came show nothing.
func (t *teller) say(shownBy []model.Moment, format string, args ...any) {
	var events []int64
	for _, at := range shownBy {
		if !at.Never() {
			events = append(events, at.Seq)
		}
	}
	slices.Sort(events)
	t.said = append(t.said, Sentence{Text: fmt.Sprintf(format, args...), Events: slices.Compact(events)})
}

func by(moments ...model.Moment) []model.Moment { return moments }

// at writes when something was, from the begin of the run.
func (t *teller) at(moment model.Moment) string {
	return fmt.Sprintf("at +%.1fs", t.m.Offset(moment).Seconds())
}

func after(from, to model.Moment) string { return wording.Duration(max(0, to.At.Sub(from.At))) }

// driver names an incarnation.
func driver(i *model.Incarnation) string { return fmt.Sprintf("driver incarnation %d", i.Number) }

// capital writes the first letter of a sentence large.
func capital(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// struck says in words what a kind of fault does to its target.
func struck(kind string) string {
	words := map[string]string{
		"nodePowerOff": "lost its power", "nodeFreeze": "was frozen", "nodeIsolate": "was cut off from the network", "nodeDrain": "was drained",
		"nodeShutdown": "was shut down", "podKill": "was killed", "containerKill": "had its container killed", "podEvict": "was evicted",
	}
	return cmp.Or(words[kind], "was hit by "+kind)
}

// targets names what a fault was aimed at.
func targets(f *model.Fault) string {
	var names []string
	for _, target := range f.Named {
		names = append(names, strings.ToLower(target.Kind)+" "+target.Name)
	}
	return cmp.Or(wording.Some(names), "nothing")
}

func (t *teller) lossBy(f *model.Fault) *model.DriverLoss {
	for i := range t.losses {
		if t.losses[i].Fault == f {
			return &t.losses[i]
		}
	}
	return nil
}

func (t *teller) lead() {
	landed := t.m.Landed()
	if len(landed) == 0 {
		t.say(nil, "No fault took effect, so this run shows nothing about losses.")
	}
	for _, f := range landed {
		what := fmt.Sprintf("%s %s %s", capital(targets(f)), struck(f.Kind), t.at(f.Began))
		switch b := t.lossBy(f); {
		case b == nil:
			lost := len(model.OfFault(t.m.ExecutorLosses(t.all), f))
			t.say(by(f.Landed), "%s; that cost the application %s.", what,
				cmp.Or(map[bool]string{true: wording.Count(lost, "executor")}[lost > 0], "no driver and no executor"))
		default:
			next := t.all.After(b.Driver)
			if next == nil || next.Pod == nil || next.Pod.Running.Never() {
				t.say(by(f.Landed), "%s; that cost %s, and no new driver ran.", what, driver(b.Driver))
				continue
			}
			t.say(by(f.Landed, next.Pod.Running), "%s; that cost %s. Incarnation %d ran on %s %s later.",
				what, driver(b.Driver), next.Number, cmp.Or(next.Node, "no node"), after(f.Began, next.Pod.Running))
		}
	}
	t.overlaps()
	t.end()
}

// end says how the application ended.
func (t *teller) end() {
	switch {
	case t.m.Launched.Never():
		t.say(nil, "The application was never launched.")
	case t.cost.Ended.Never():
		t.say(by(t.m.Horizon()), "The application had not ended when the record does, %s after its launch.", after(t.m.Launched, t.m.Horizon()))
	case t.cost.Well:
		t.say(by(t.cost.Ended), "The application ended well %s after its launch.", wording.Duration(t.cost.Took))
	default:
		t.say(by(t.cost.Ended), "The application failed %s after its launch.", wording.Duration(t.cost.Took))
	}
}

func (t *teller) whatRan() {
	plan := t.record.Plan
	did := "ran"
	if t.m.Workload.Attached {
		did = "was attached to"
	}
	t.say(by(t.m.Started, t.m.Launched), "Scenario %s with seed %d %s the application %s on a cluster of kind %s.",
		t.m.Run.Scenario, t.m.Run.Seed, did, cmp.Or(plan.Workload.Application.Name, t.m.Workload.DriverName,
			"without a name"), cmp.Or(t.m.Run.ClusterKind, plan.Cluster.Kind, "unknown"))
	for _, i := range t.all {
		t.whereRan(i)
	}
}

// whereRan says where an incarnation and its executors ran.
func (t *teller) whereRan(i *model.Incarnation) {
	if i.Pod == nil {
		t.say(by(i.Driver.Alive.First()), "%s (pod %s) reported from node %s; the API server never showed its pod.", capital(driver(i)), i.Name,
			i.Node)
		return
	}
	if i.Pod.Running.Never() {
		t.say(by(i.Pod.Added), "%s (pod %s) was created %s and never ran.", capital(driver(i)), i.Name, t.at(i.Pod.Added))
		return
	}
	events := by(i.Pod.Running)
	var where []string
	for _, pod := range t.m.Executors(i) {
		if !pod.Running.Never() {
			events = append(events, pod.Running)
			where = append(where, pod.Name+" on "+pod.Node)
		}
	}
	text := fmt.Sprintf("%s (pod %s) ran on %s from %s", capital(driver(i)), i.Name, i.Node, strings.TrimPrefix(t.at(i.Pod.Running), "at "))
	if len(where) > 0 {
		text += fmt.Sprintf(", with %s: %s", wording.Count(len(where), "executor"), wording.Some(where))
	}
	t.say(events, "%s.", text)
}

func (t *teller) whatBroke() {
	for _, f := range t.m.Faults {
		if f.Landed.Never() {
			t.say(by(f.DidNotLand, f.Injecting), "Fault %s (%s on %s) did not land: %s.", f.Name, f.Kind, targets(f),
				cmp.Or(f.Reason, "the history does not say why"))
			continue
		}
		t.say(by(f.Landed), "Fault %s (%s) hit %s %s%s.", f.Name, f.Kind, targets(f), t.at(f.Began), t.carried(f))
		if proof := t.record.Proofs[f.Name]; len(proof) > 0 {
			t.say(by(f.Landed), "Proof, taken from outside: %s.", strings.Join(proof, "; "))
		}
		switch {
		case f.Undone():
			t.say(by(f.Recovered), "It was undone %s, after %s.", t.at(f.Recovered), after(f.Began, f.Recovered))
		case !f.NotRecovered.Never():
			t.say(by(f.NotRecovered), "It could not be undone: %s.", cmp.Or(f.Reason, "the history does not say why"))
		default:
			t.say(nil, "It was not undone before the record ends.")
		}
		if f.Lapsed != "" {
			t.say(nil, "It did not hold until then: %s.", f.Lapsed)
		}
	}
	for _, missed := range t.m.Missed {
		t.say(by(missed.At), "Step %s never began: what it waits for did not come within %s; seen instead: %s.",
			missed.Data.Step, wording.Duration(missed.Data.Deadline), cmp.Or(missed.Data.Seen, "nothing"))
	}
	for _, name := range t.neverInjected() {
		t.say(nil, "Fault %s was never injected.", name)
	}
}

// neverInjected returns the faults of the plan of which the history has nothing.
func (t *teller) neverInjected() []string {
	var names []string
	for _, f := range t.verdict.Faults {
		if t.m.Fault(f.Fault) == nil {
			names = append(names, f.Fault)
		}
	}
	return names
}

// carried says what of the application was on a fault's targets when it began.
func (t *teller) carried(f *model.Fault) string {
	var what []string
	for _, i := range t.all {
		if i.Pod != nil && !i.Pod.Placed.Never() && i.Pod.Placed.At.Before(f.Began.At) && i.Pod.Wanted(f.Began.At) && f.Hits(i.UID, i.Node) {
			what = append(what, driver(i))
		}
		for _, pod := range t.m.Executors(i) {
			if !pod.Running.Never() && pod.Running.At.Before(f.Began.At) && pod.Wanted(f.Began.At) && f.Hits(pod.UID, pod.Node) {
				what = append(what, "executor "+pod.Name)
			}
		}
	}
	if len(what) == 0 {
		return ""
	}
	if f.Node() == "" {
		return ", which was " + strings.Join(what, " and ")
	}
	return ", where " + strings.Join(what, " and ") + " ran"
}

func (t *teller) whoNoticed() {
	for _, f := range t.m.Landed() {
		if lost := t.m.Nodes[f.Node()].Lost(f.Began.At); !lost.Never() && lost.At.Before(f.Until()) {
			t.say(by(lost), "Kubernetes saw that node %s is not Ready %s after fault %s began.", f.Node(), after(f.Began, lost), f.Name)
		} else if f.Node() != "" && f.SilencesNode() && !f.Leaves {
			t.say(nil, "Kubernetes did not notice that anything was wrong with node %s while fault %s lasted.", f.Node(), f.Name)
		}
		if b := t.lossBy(f); b != nil {
			t.driverNoticed(*b)
		}
		for _, l := range model.OfFault(t.m.ExecutorLosses(t.all), f) {
			t.executorNoticed(l)
		}
	}
}

func (t *teller) driverNoticed(b model.DriverLoss) {
	began := b.Fault.Began
	if b.Driver.Driver != nil {
		t.say(by(b.Driver.Driver.Alive.Last()), "The witness heard of %s last %s.", driver(b.Driver), t.at(b.Driver.Driver.Alive.Last()))
	}
	if b.Driver.Pod != nil {
		if ended := b.Driver.Pod.EndedSince(began.At); !ended.Never() {
			t.say(by(ended), "Its pod was marked for deletion, or had ended, %s after the fault.", after(began, ended))
		} else {
			t.say(nil, "Its pod was shown as if nothing had happened until the record ends.")
		}
	}
	if next := t.all.After(b.Driver); next != nil && next.Pod != nil {
		t.say(by(next.Pod.Added), "%s made pod %s, incarnation %d, %s after the fault.", t.maker(), next.Name, next.Number,
			after(began, next.Pod.Added))
	}
}

// maker returns who replaces drivers.
func (t *teller) maker() string {
	switch kind := t.m.Workload.DriverKind; {
	case kind == "SparkApplication":
		return "The operator"
	case t.m.Kept():
		return "The " + kind
	default:
		return "Somebody"
	}
}

func (t *teller) executorNoticed(l *model.ExecutorLoss) {
	if l.Driver.Driver == nil {
		return
	}
	if e := l.Driver.Driver.Executors[l.Pod.ExecutorID]; e != nil && !e.Removed.Never() {
		t.say(by(e.Removed), "The driver removed executor %s %s after the fault.", l.Pod.Name, after(l.Fault.Began, e.Removed))
		return
	}
	t.say(by(l.At), "Executor %s was lost %s; its driver never said so.", l.Pod.Name, t.at(l.At))
}

func (t *teller) whatCameBack() {
	for _, b := range t.losses {
		t.driverBack(b)
	}
	for _, l := range t.m.ExecutorLosses(t.all) {
		if l.Replacement == nil {
			t.say(nil, "No executor took the place of %s.", l.Pod.Name)
			continue
		}
		t.say(by(l.Asked, l.Replacement.At), "Executor %s of %s took the place of %s %s after the fault.",
			l.Replacement.ID, driver(l.Driver), l.Pod.Name, after(l.Fault.Began, l.Replacement.At))
	}
	t.overlaps()
	for _, name := range slices.Sorted(maps.Keys(t.m.Nodes)) {
		t.nodeBack(name)
	}
	for _, key := range slices.Sorted(maps.Keys(t.m.Ledger.Commits)) {
		t.committed(key, t.m.Ledger.Commits[key])
	}
	t.end()
}

func (t *teller) driverBack(b model.DriverLoss) {
	next := t.all.After(b.Driver)
	if next == nil || next.Pod == nil || next.Pod.Running.Never() {
		t.say(nil, "No driver ran after %s was lost.", driver(b.Driver))
		return
	}
	t.say(by(next.Pod.Running), "%s ran on %s %s after fault %s.", capital(driver(next)), next.Node, after(b.Fault.Began, next.Pod.Running),
		b.Fault.Name)
	if next.Driver == nil {
		return
	}
	if started := next.Driver.Started; !started.Never() {
		t.say(by(started), "Spark had started in it %s later.", after(next.Pod.Running, started))
	}
	var events []model.Moment
	for _, e := range next.Driver.Registrations() {
		if !e.At.Never() {
			events = append(events, e.At)
		}
	}
	if len(events) > 0 {
		t.say(events, "%s registered with it, the first %s after the fault, the last %s after it.",
			wording.Count(len(events), "executor"), after(b.Fault.Began, events[0]), after(b.Fault.Began, events[len(events)-1]))
	}
	if first := next.Driver.FirstProgress; !first.Never() {
		t.say(by(first), "Its first task or batch ended well %s after the fault.", after(b.Fault.Began, first))
	} else {
		t.say(nil, "It never ended a task or a batch well.")
	}
}

// overlaps says when two incarnations of the driver lived at the same time.
func (t *teller) overlaps() {
	for n, a := range t.all {
		for _, b := range t.all[n+1:] {
			if a.Driver == nil || b.Driver == nil {
				continue
			}
			for _, o := range model.Overlaps(t.m.Life(a.Driver), t.m.Life(b.Driver)) {
				from, to := model.Later(o.Both[0].From, o.Both[1].From), model.Earlier(o.Both[0].To, o.Both[1].To)
				t.say(by(from, to), "Driver incarnations %d and %d were alive at the same time for %s, from +%.1fs to +%.1fs.",
					a.Number, b.Number, wording.Duration(o.Length()), t.m.Offset(from).Seconds(), t.m.Offset(to).Seconds())
			}
		}
	}
}

// nodeBack says when a node that had not been Ready was so again.
func (t *teller) nodeBack(name string) {
	down := false
	for _, change := range t.m.Nodes[name].Changes {
		if change.Status == "True" && down {
			t.say(by(change.At), "Node %s was Ready again %s.", name, t.at(change.At))
		}
		down = change.Status != "True"
	}
}

// committed says who committed a result, if that is not what every run does: once, as the baseline has it.
func (t *teller) committed(key string, commits []model.Commit) {
	var events []model.Moment
	for _, c := range commits {
		events = append(events, c.At)
	}
	if len(events) > 1 {
		if t.cost.Batches == 0 {
			t.say(events, "Result %s was committed %d times.", key, len(events))
		}
		return
	}
	if t.m.Baseline == nil {
		return
	}
	if want, ok := t.m.Baseline.Results[key]; ok && want == commits[0].Value {
		t.say(append(events, t.m.BaselineAt), "Result %s is that of the run without faults.", key)
	} else {
		t.say(append(events, t.m.BaselineAt), "Result %s is not that of the run without faults.", key)
	}
}

func (t *teller) whatItCost() {
	c := t.cost
	if c.Took > 0 {
		text := fmt.Sprintf("From launch to end the application took %s", wording.Duration(c.Took))
		if c.Baseline > 0 {
			text += fmt.Sprintf("; without faults it took %s, so the faults cost %s (%+.0f %%)", wording.Duration(c.Baseline),
				wording.Duration(c.Took-c.Baseline), 100*(float64(c.Took)/float64(c.Baseline)-1))
		}
		t.say(by(c.Launched, c.Ended), "%s.", text)
	}
	if c.Tasks+c.Cut > 0 {
		text := fmt.Sprintf("%s ended well", wording.Count(c.Tasks, "task"))
		if c.Again > 0 {
			text += fmt.Sprintf(", %d of them did work that had been done before", c.Again)
		}
		if c.Cut > 0 {
			text += fmt.Sprintf("; %s ended badly or not at all", wording.Count(c.Cut, "attempt"))
		}
		if c.Lost > 0 {
			text += fmt.Sprintf("; together that is %.1f task-seconds lost", c.Lost.Seconds())
		}
		t.say(by(c.LostFirst), "%s.", text)
	}
	if c.Batches > 0 {
		t.say(nil, "%s completed, %d of them a second time.",
			map[bool]string{true: "1 batch was", false: fmt.Sprintf("%d batches were", c.Batches)}[c.Batches == 1], c.BatchesAgain)
	}
	if c.Standstill > 0 {
		t.say(by(c.StandFrom, c.StandTo), "The longest time without progress was %s.", wording.Duration(c.Standstill))
	}
	for _, r := range Recoveries(t.verdict) {
		t.say(bounds(r), "The recovery from fault %s took %s: %s.", r.Fault, wording.Duration(r.Total), phases(r))
	}
	if t.record.Plan.Timing() == "fast" {
		t.say(nil, "The cluster has timing: fast, so it notices a dead node in seconds; with Kubernetes' defaults that alone takes 40 to 50 "+
			"seconds, and eviction up to 5 minutes more.")
	}
}

// bounds returns the events between which the phases of a recovery lie.
func bounds(r Recovery) []model.Moment {
	var all []model.Moment
	for _, p := range r.Phases {
		all = append(all, model.Moment{Seq: p.From}, model.Moment{Seq: p.To})
	}
	return all
}

// phases lists the phases of a recovery so that they add up.
func phases(r Recovery) string {
	var parts []string
	for _, p := range r.Phases {
		part := p.Name + " " + wording.Duration(p.Adds)
		if p.Adds != p.Duration {
			part += " (it took " + wording.Duration(p.Duration) + ", in part beside the one before)"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " + ")
}

func (t *teller) whatWasNotSeen() {
	for _, damage := range t.record.Damage {
		t.say(nil, "The history is damaged: %s.", damage)
	}
	if t.m.Ended.Never() {
		t.say(by(t.m.Last), "The history has no end: the harness was killed, or the run continues.")
	} else if t.m.End.Interrupted {
		t.say(by(t.m.Ended), "The run was interrupted.")
	}
	for _, gap := range t.m.Gaps {
		what := "changes may have been missed"
		if gap.Outage {
			what = "what happened then was seen late"
		}
		t.say(by(gap.At), "%ss were not seen for %s until %s, so %s.", gap.Kind, wording.Duration(gap.Data.For),
			strings.TrimPrefix(t.at(gap.At), "at "), what)
	}
	for _, uid := range slices.Sorted(maps.Keys(t.m.Processes)) {
		if missing, known := t.m.MissingRecords(uid); known && missing > 0 {
			t.say(nil, "%s of pod %s are missing.", capital(wording.Count(int(missing), "record")), t.m.Processes[uid].PodName)
		}
	}
	for _, problem := range t.m.Problems {
		t.say(by(problem.At), "The harness had a problem: %s.", problem.Text)
	}
	t.spans()
	for _, r := range t.verdict.Results {
		for _, a := range r.Assumptions {
			if !a.Held {
				t.say(nil, "Invariant %s needs this, and it is not so: %s.", r.Invariant, a.What)
			}
		}
	}
	t.busy()
	if len(t.said) == 0 {
		t.say(by(t.m.Ended), "Nothing that is known: no watch was interrupted, and no number is missing among the records of the processes.")
	}
}

// spans says what is missing of the spans that the cluster's components exported.
func (t *teller) spans() {
	e := t.m.Exported
	if e.Dropped > 0 {
		t.say(by(t.m.ExportedAt), "%s of the cluster's components found no room beside %d others: the file has %s of at most %s.",
			capital(wording.Count(e.Dropped, "span")), e.Kept, wording.Megabytes(e.Bytes), wording.Megabytes(e.Most))
	}
	if e.Error != "" {
		t.say(by(t.m.ExportedAt), "The spans of the cluster's components are not complete: %s.", e.Error)
	}
}

// starvedShare is the share of a time in which processes waited for a CPU from which on a machine is worth a word.
const starvedShare = 0.5

// busy says if the machine was busy most of the time: times measured on it are longer than the application's own.
func (t *teller) busy() {
	var busy, whole time.Duration
	var first model.Moment
	for _, load := range t.m.Loads {
		whole += load.Data.For
		if load.Data.CPU >= starvedShare {
			busy += load.Data.For
			first.KeepEarlier(load.At)
		}
	}
	if whole > 0 && busy > whole/2 {
		t.say(by(first), "Processes waited for a CPU in %.0f %% of the measured time, so the times here are longer than on a "+
			"machine with enough of them.",
			100*busy.Seconds()/whole.Seconds())
	}
}
