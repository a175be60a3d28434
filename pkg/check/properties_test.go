package check

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// The properties in this file are about stories that are drawn at random. What is right is reported by oracles that know what
// really happened in a story, and that are written as plainly as possible from docs/invariants.md, not from the checkers.

// strike is a fault of a drawn story.
type strike struct {
	name, kind, node string
	at               time.Duration
	thawed           time.Duration // of a freeze: when it was undone
}

// tale is a drawn story with what really happened.
type tale struct {
	drivers   []historytest.Driver
	strikes   []strike
	resumed   map[string]time.Duration // by driver UID: how long one that was frozen beats after it was thawed
	clocks    []history.ClockOffset
	unread    map[string]bool // nodes whose disks could not be read
	within    time.Duration
	overlap   time.Duration
	sharesID  bool // the second incarnation gives its executors' pods the names that the first one gave
	extra     []func(*historytest.Builder)
	lost      map[string]string // UID of an executor that a hit cost a driver that lived on: name of the hit
	completed bool
}

// tick is the resolution of drawn times. It is no multiple of the heartbeat's interval.
const tick = 130 * time.Millisecond

func drawTime(t *rapid.T, from, to time.Duration, what string) time.Duration {
	if to <= from {
		return from
	}
	return from + tick*time.Duration(rapid.IntRange(0, int((to-from)/tick)).Draw(t, what))
}

// theNodes are those that a tale may use. What a hit made unusable is not used again.
func theNodes() []string { return []string{"n1", "n2", "n3", "n4"} }

// drawTale draws up to three incarnations of a driver with executors, and a fault for each of the first two: on the driver's node or
// on that of one of its executors.
func drawTale(t *rapid.T) *tale {
	s := &tale{resumed: map[string]time.Duration{}, unread: map[string]bool{}, lost: map[string]string{}, completed: true}
	s.overlap = rapid.SampledFrom([]time.Duration{0, second, 5 * second}).Draw(t, "overlap allowed")
	s.within = rapid.SampledFrom([]time.Duration{3 * second, 6 * second, 12 * second}).Draw(t, "replaced within")
	s.sharesID = rapid.IntRange(0, 3).Draw(t, "shares names") == 0
	usable := theNodes()
	created := second
	for n := 1; ; n++ {
		node := rapid.SampledFrom(usable).Draw(t, "driver's node")
		d := s.drawDriver(t, n, node, created, usable)
		if n == 3 || len(usable) < 3 || rapid.IntRange(0, 7).Draw(t, "another fault") == 0 {
			s.drivers = append(s.drivers, d)
			break
		}
		at := drawTime(t, d.Started+3*second, d.Started+6*second, "fault")
		if rapid.Bool().Draw(t, "the fault hits the driver") {
			lost := s.strikeDriver(t, &d, at)
			usable = slices.DeleteFunc(slices.Clone(usable), func(n string) bool { return n == node })
			s.drivers = append(s.drivers, d)
			created = drawTime(t, lost, at+8*second, "next driver")
			continue
		}
		s.strikeExecutors(t, &d, at, usable)
		s.drivers = append(s.drivers, d)
		break
	}
	if rapid.IntRange(0, 2).Draw(t, "clocks were asked") == 0 {
		for _, node := range theNodes() {
			s.clocks = append(s.clocks, history.ClockOffset{
				Node: node, Offset: time.Duration(rapid.IntRange(-20000, 20000).Draw(t, "offset")) * time.Millisecond,
				Uncertainty: time.Duration(rapid.IntRange(0, 400).Draw(t, "uncertainty")) * time.Millisecond,
			})
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "a disk is unreadable") == 0 {
		s.unread[rapid.SampledFrom(theNodes()).Draw(t, "unreadable disk")] = true
	}
	return s
}

const taleEnd = 44 * time.Second

func (s *tale) drawDriver(t *rapid.T, n int, node string, created time.Duration, usable []string) historytest.Driver {
	uid := fmt.Sprintf("d%d", n)
	d := historytest.Driver{
		UID: uid, Node: node, Application: "spark-" + uid, Prefix: "driver-" + uid, Created: created, Running: created + 500*time.Millisecond,
		Silent: taleEnd, Finished: taleEnd + 500*time.Millisecond,
	}
	if s.sharesID {
		d.Prefix = "driver"
	}
	d.Started = drawTime(t, d.Running+500*time.Millisecond, d.Running+1500*time.Millisecond, "started")
	d.FirstTask = d.Started + 2*second
	for i := range rapid.IntRange(1, 3).Draw(t, "executors") {
		d.Executors = append(d.Executors, s.drawExecutor(t, &d, i+1, rapid.SampledFrom(usable).Draw(t, "executor's node"),
			d.Started+300*time.Millisecond))
	}
	return d
}

func (s *tale) drawExecutor(t *rapid.T, d *historytest.Driver, id int, node string, created time.Duration) historytest.Executor {
	return historytest.Executor{
		UID: fmt.Sprintf("%s-e%d", d.UID, id), ID: strconv.Itoa(id), Node: node, Created: created,
		Registered: drawTime(t, created+1200*time.Millisecond, created+2*second, "registered"), Silent: taleEnd, Finished: taleEnd +
			600*time.Millisecond,
	}
}

// strikeDriver lets a fault cost a driver its node, and returns when a successor can be made.
func (s *tale) strikeDriver(t *rapid.T, d *historytest.Driver, at time.Duration) time.Duration {
	kind := rapid.SampledFrom([]string{"nodePowerOff", "nodeIsolate", "nodeFreeze"}).Draw(t, "kind")
	fault := strike{name: "strike-" + d.UID, kind: kind, node: d.Node, at: at}
	d.Silent = at
	d.Terminating = at + 2*second
	d.Finished, d.Deleted = 0, at+3*second
	switch kind {
	case "nodeIsolate":
		d.Silent = drawTime(t, at, taleEnd-second, "end of the driver behind the cut")
	case "nodeFreeze":
		if rapid.Bool().Draw(t, "it is thawed") {
			fault.thawed = drawTime(t, at+5*second, taleEnd-3*second, "thawed")
			s.resumed[d.UID] = drawTime(t, 200*time.Millisecond, 2*second, "beats after the thaw")
		}
	}
	for i := range d.Executors {
		e := &d.Executors[i]
		e.Silent = drawTime(t, at, at+4*second, "end of an executor")
		if e.Node == d.Node {
			e.Silent = min(e.Silent, max(at, e.Registered))
			if kind == "nodeIsolate" {
				e.Silent = max(d.Silent, e.Registered)
			}
		}
		e.Silent = max(e.Silent, e.Registered)
		e.Finished, e.Deleted = 0, max(at+3*second, e.Silent+200*time.Millisecond)
	}
	s.strikes = append(s.strikes, fault)
	return at + 2500*time.Millisecond
}

// strikeExecutors lets one fault or two cost a driver executors on other nodes; some are replaced.
func (s *tale) strikeExecutors(t *rapid.T, d *historytest.Driver, at time.Duration, usable []string) []string {
	next := len(d.Executors) + 1
	for i := range rapid.IntRange(1, 2).Draw(t, "faults on executors") {
		var nodes []string
		for _, e := range d.Executors {
			if e.Node != d.Node && e.Silent == taleEnd && e.Registered < at {
				nodes = append(nodes, e.Node)
			}
		}
		if len(nodes) == 0 {
			return usable
		}
		fault := strike{name: fmt.Sprintf("strike-%s-%d", d.UID, i), kind: "nodePowerOff",
			node: rapid.SampledFrom(nodes).Draw(t, "hit node"), at: at}
		usable = slices.DeleteFunc(slices.Clone(usable), func(n string) bool { return n == fault.node })
		s.strikes = append(s.strikes, fault)
		for j := range len(d.Executors) {
			e := &d.Executors[j]
			if e.Node != fault.node || e.Silent != taleEnd {
				continue
			}
			if e.Created >= at { // it was not yet made: it goes elsewhere
				e.Node = usable[0]
				continue
			}
			if e.Registered >= at { // it never gets as far
				e.Registered, e.Silent, e.Finished, e.Deleted = 0, 0, 0, at+3*second
				continue
			}
			e.Silent, e.Finished, e.Deleted = at, 0, at+3*second
			s.lost[e.UID] = fault.name
			if rapid.IntRange(0, 3).Draw(t, "is replaced") > 0 {
				made := drawTime(t, at+100*time.Millisecond, at+7*second, "replacement")
				d.Executors = append(d.Executors, s.drawExecutor(t, d, next, rapid.SampledFrom(usable).Draw(t, "replacement's node"), made))
				next++
			}
		}
		at = drawTime(t, at+second, at+8*second, "the next fault")
	}
	return usable
}

// story returns the tale as the harness would record it.
func (s *tale) story() *historytest.Story {
	story := historytest.PowerOff(s.plan())
	story.Drivers, story.Clocks, story.NotReady, story.Recovered = s.copyOfDrivers(), s.clocks, 0, 0
	story.Began, story.Completed = 0, 0
	if s.completed {
		story.Completed = taleEnd + second
	}
	story.Collected = nil
	for _, node := range theNodes() {
		collected := history.CollectionData{Node: node}
		if s.unread[node] {
			collected.Errors = []string{"input/output error"}
		}
		story.Collected = append(story.Collected, collected)
	}
	story.Extra = func(b *historytest.Builder) {
		for _, f := range s.strikes {
			f.tell(b)
		}
		for _, d := range s.drivers {
			if beats := s.resumed[d.UID]; beats > 0 {
				thawed := s.strikeOf(d.UID).thawed
				b.Beats(thawed, thawed+beats, history.WitnessRecord{
					Role: "driver", PodUID: d.UID, PodName: "driver-" + d.UID, Node: d.Node, AppID: d.Application, Incarnation: d.UID,
				})
			}
		}
		for _, more := range s.extra {
			more(b)
		}
	}
	return story
}

func (s *tale) copyOfDrivers() []historytest.Driver {
	all := slices.Clone(s.drivers)
	for i := range all {
		all[i].Executors = slices.Clone(all[i].Executors)
	}
	return all
}

func (s *tale) strikeOf(driver string) strike {
	i := slices.IndexFunc(s.strikes, func(f strike) bool { return f.name == "strike-"+driver })
	return s.strikes[i]
}

func (f strike) tell(b *historytest.Builder) {
	began := historytest.Epoch().Add(f.at)
	data := history.FaultData{Fault: f.name, Kind: f.kind, Targets: []history.Object{{Kind: "Node", Name: f.node}}, Began: &began}
	b.Fault(f.at, history.FaultInjecting, data)
	b.Fault(f.at+300*time.Millisecond, history.FaultLanded, data)
	if f.thawed > 0 {
		b.Fault(f.thawed, history.FaultRecovered, data)
	}
}

func (s *tale) plan() map[string]any {
	steps := []any{}
	for _, f := range s.strikes {
		steps = append(steps, map[string]any{"fault": f.name, "action": "inject", "do": map[string]any{f.kind: map[string]any{}}})
	}
	return map[string]any{"steps": steps, "expect": []any{
		map[string]any{"atMostOneDriver": args{"overlap": s.overlap.String()}},
		map[string]any{"executorNamesUnique": args{}},
		map[string]any{"executorReplaced": args{"within": s.within.String()}},
		map[string]any{"driverRescheduled": args{"within": "6s"}},
		map[string]any{"staleExecutorsGone": args{"within": "3s"}},
		map[string]any{"applicationIdsUnique": args{}},
		map[string]any{"driverKept": args{}},
		map[string]any{"completes": args{"within": "50s"}},
	}}
}

// intact reports whether nothing of the evidence is missing or uncertain.
func (s *tale) intact() bool { return len(s.clocks) == 0 && len(s.unread) == 0 }

// fataler is what rapid.T and testing.T share.
type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func bytesOf(t fataler, story *historytest.Story) []byte {
	t.Helper()
	content, err := story.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func judged(t fataler, content []byte) RunVerdict {
	t.Helper()
	reader := history.NewReader(bytes.NewReader(content))
	evaluation := catalogueEvaluation()
	var damage []string
	for event, err := range reader.All() {
		if err != nil {
			t.Fatal(err)
		}
		evaluation.Observe(&event)
	}
	for _, problem := range reader.Problems() {
		damage = append(damage, problem.Text)
	}
	return evaluation.Verdict(Record{SHA256: reader.SHA256(), Damage: damage})
}

func (v RunVerdict) of(t fataler, invariant string) Result {
	t.Helper()
	i := slices.IndexFunc(v.Results, func(r Result) bool { return r.Invariant == invariant })
	if i < 0 {
		t.Fatalf("%s was not judged", invariant)
	}
	return v.Results[i]
}

// lifetime is a time in which a driver really lived, in milliseconds.
type lifetime struct{ from, to int }

// lives returns the lifetimes of a driver's JVM, or of its container, which starts before it.
func (s *tale) lives(d historytest.Driver, container bool) []lifetime {
	from := d.Started
	if container {
		from = d.Running
	}
	// A sign of life covers the time up to the next one that is expected.
	last := d.Started + (d.Silent-d.Started)/(100*time.Millisecond)*(100*time.Millisecond)
	all := []lifetime{{int(from.Milliseconds()), int((last + 100*time.Millisecond).Milliseconds())}}
	if beats := s.resumed[d.UID]; beats > 0 {
		thawed := s.strikeOf(d.UID).thawed
		all = append(all, lifetime{int(thawed.Milliseconds()),
			int((thawed + beats/(100*time.Millisecond)*(100*time.Millisecond) + 100*time.Millisecond).Milliseconds())})
	}
	return all
}

// togetherFor counts the milliseconds in which at least two drivers lived.
func (s *tale) togetherFor(container bool) time.Duration {
	var alive [60000]int8
	for _, d := range s.drivers {
		for _, life := range s.lives(d, container) {
			for ms := life.from; ms < life.to; ms++ {
				alive[ms]++
			}
		}
	}
	n := 0
	for _, count := range alive {
		if count > 1 {
			n++
		}
	}
	return time.Duration(n) * time.Millisecond
}

// TestVerdictsAgainstOracles holds invariants against what really happened.
func TestVerdictsAgainstOracles(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawTale(t)
		v := judged(t, bytesOf(t, s.story()))
		s.checkOverlap(t, v.of(t, "atMostOneDriver"))
		s.checkNames(t, v.of(t, "executorNamesUnique"))
		s.checkReplacement(t, v.of(t, "executorReplaced"))
	})
}

// checkOverlap holds a result against how long two drivers really lived at the same time.
func (s *tale) checkOverlap(t fataler, got Result) {
	certain, possible := s.togetherFor(false), s.togetherFor(true)
	switch {
	case got.Verdict == Violation && certain <= s.overlap:
		t.Fatalf("a violation, but the drivers lived together for %s, %s is allowed: %s", certain, s.overlap, got.Message)
	case got.Verdict == Pass && possible > s.overlap:
		t.Fatalf("a pass, but the drivers may have lived together for %s, %s is allowed: %s", possible, s.overlap, got.Message)
	case s.intact() && certain > s.overlap && got.Verdict != Violation:
		t.Fatalf("%s, but the drivers lived together for %s, %s is allowed, and all is known: %s", got.Verdict, certain, s.overlap, got.Message)
	case s.intact() && possible <= s.overlap && got.Verdict != Pass:
		t.Fatalf("%s, but the drivers lived together for %s at most, %s is allowed, and all is known: %s", got.Verdict, possible, s.overlap,
			got.Message)
	}
}

// checkNames holds a result against the names that were really asked for.
func (s *tale) checkNames(t fataler, got Result) {
	askers := map[string]int{}
	for _, d := range s.drivers {
		for _, e := range d.Executors {
			askers[d.Prefix+"-exec-"+e.ID]++
		}
	}
	twice := slices.Max(append(slices.Collect(maps.Values(askers)), 0)) > 1
	switch {
	case twice && got.Verdict != Violation:
		t.Fatalf("%s, but a name was asked for twice: %v: %s", got.Verdict, askers, got.Message)
	case !twice && got.Verdict == Violation:
		t.Fatalf("a violation, but no name was asked for twice: %v: %s", askers, got.Message)
	}
}

// replaced reports whether the executors that faults cost drivers that lived on can be paired with as many executors, each made after its
// loss, such that those of a fault were there at one time within the bound: it tries all pairings.
func (s *tale) replaced() bool {
	for _, d := range s.drivers {
		var losses []historytest.Executor
		for _, e := range d.Executors {
			if s.lost[e.UID] != "" {
				losses = append(losses, e)
			}
		}
		if !s.pairs(d, losses, map[string]string{}) {
			return false
		}
	}
	return true
}

func (s *tale) pairs(d historytest.Driver, losses []historytest.Executor, paired map[string]string) bool {
	if len(losses) == 0 {
		return s.inTime(d, paired)
	}
	for _, e := range d.Executors {
		if e.Registered == 0 || e.Created <= losses[0].Silent || paired[e.UID] != "" {
			continue
		}
		paired[e.UID] = losses[0].UID
		if s.pairs(d, losses[1:], paired) {
			return true
		}
		delete(paired, e.UID)
	}
	return false
}

// inTime reports whether the replacements of each fault were all there at some time within the bound.
func (s *tale) inTime(d historytest.Driver, paired map[string]string) bool {
	for _, f := range s.strikes {
		found := false
		for at := f.at; at <= f.at+s.within; at += 10 * time.Millisecond {
			there := true
			for _, e := range d.Executors {
				if lost := paired[e.UID]; lost != "" && s.lost[lost] == f.name {
					there = there && e.Registered <= at
				}
			}
			found = found || there
		}
		if !found {
			return false
		}
	}
	return true
}

// checkReplacement holds a result against all ways of pairing losses with replacements.
func (s *tale) checkReplacement(t fataler, got Result) {
	right := s.replaced()
	switch {
	case len(s.lost) == 0 && got.Verdict != Inconclusive:
		t.Fatalf("%s, but no executor was lost: %s", got.Verdict, got.Message)
	case got.Verdict == Pass && !right:
		t.Fatalf("a pass, but there is no pairing of %v with replacements within %s: %s", s.lost, s.within, got.Message)
	case got.Verdict == Violation && right:
		t.Fatalf("a violation, but %v can be paired with replacements within %s: %s", s.lost, s.within, got.Message)
	case s.intact() && len(s.lost) > 0 && right && got.Verdict != Pass:
		t.Fatalf("%s, but %v can be paired with replacements within %s, and all is known: %s", got.Verdict, s.lost, s.within, got.Message)
	}
}

// reckoning counts how often each word was counted: once for each batch that holds it, however often the batch was committed, unless two
// drivers that were both alive committed it.
func reckoning(batches []storyBatch, firstEnds time.Duration) (right bool, why string) {
	slices.SortStableFunc(batches, func(a, b storyBatch) int { return cmp.Compare(a.committed, b.committed) })
	byID := map[int64][]storyBatch{}
	for _, b := range batches {
		byID[b.id] = append(byID[b.id], b)
	}
	words := map[int64]int{}
	highest := int64(0)
	for id, all := range byID {
		for _, b := range all[1:] {
			if b.from != all[0].from || b.to != all[0].to || b.total != all[0].total {
				return false, fmt.Sprintf("batch %d was committed with different content", id)
			}
			if b.driver != all[0].driver && firstEnds >= b.committed {
				return false, fmt.Sprintf("batch %d was committed by two drivers that lived", id)
			}
		}
		for word := all[0].from; word < all[0].to; word++ {
			words[word]++
		}
		if all[0].total != all[0].to {
			return false, fmt.Sprintf("after batch %d there were %d words, %d were counted", id, all[0].to, all[0].total)
		}
		highest = max(highest, all[0].to)
	}
	for word := range highest {
		if words[word] != 1 {
			return false, fmt.Sprintf("word %d was counted %d times", word, words[word])
		}
	}
	return true, ""
}

// TestWordsAgainstOracle holds wordsCounted against a count of each word.
func TestWordsAgainstOracle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := structuredStream()
		ends := 10 * second // of the first driver
		if rapid.Bool().Draw(t, "the first driver keeps running behind a cut") {
			ends = drawTime(t, 12*second, 40*second, "its end")
		}
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			b := &s.batches[rapid.IntRange(0, len(s.batches)-1).Draw(t, "batch")]
			by := int64(rapid.IntRange(-12, 12).Draw(t, "by"))
			switch rapid.IntRange(0, 4).Draw(t, "change") {
			case 0:
				b.from = max(0, b.from+by)
			case 1:
				b.to = max(b.from+1, b.to+by)
			case 2:
				b.total += by
			case 3:
				b.committed = 0
			case 4:
				again := *b
				again.driver, again.run, again.started, again.completed = "d2", "r2", 0, 0
				again.committed = drawTime(t, 27*second, 33*second, "again")
				s.batches = append(s.batches, again)
			}
		}
		story := historytest.PowerOff(historytest.Expect("wordsCounted", args{"delivery": "exactlyOnce"}))
		zombie(ends)(story)
		s.told()(story)
		committed := slices.DeleteFunc(slices.Clone(s.batches), func(b storyBatch) bool { return b.committed == 0 })
		lastBeat := 3*second + (ends-3*second)/(100*time.Millisecond)*(100*time.Millisecond) + 100*time.Millisecond
		right, why := reckoning(committed, lastBeat)
		got := judged(t, bytesOf(t, story)).of(t, "wordsCounted")
		if right && got.Verdict == Violation {
			t.Fatalf("a violation, but each word was counted once: %s", got.Message)
		}
		if !right && got.Verdict != Violation {
			t.Fatalf("%s, but %s: %s", got.Verdict, why, got.Message)
		}
	})
}

// eventsOf returns the events of a history.
func eventsOf(t fataler, content []byte) []history.Event {
	t.Helper()
	var events []history.Event
	for event, err := range history.NewReader(bytes.NewReader(content)).All() {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
	}
	return events
}

// written writes events as a history, numbered again, in their order.
func written(t fataler, events []history.Event) []byte {
	t.Helper()
	b := historytest.New()
	last := time.Duration(0)
	for _, e := range events {
		last = max(last, e.Offset)
		b.Add(last, e.Source, e.Type, e.Object, e.Data)
	}
	content, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// lessEvidence takes some of the evidence away, as it is lost in real runs: records that never come, disks that are not read, watches
// that break, lines of the file.
func lessEvidence(t *rapid.T, events []history.Event) (left []history.Event, what string) {
	switch rapid.IntRange(0, 4).Draw(t, "evidence that is lost") {
	case 0: // any records
		keep := rapid.IntRange(1, 30).Draw(t, "one of so many is lost")
		return slices.DeleteFunc(events, func(e history.Event) bool {
			return e.Source == history.Witness && rapid.IntRange(1, keep).Draw(t, "lost") == 1
		}), "records"
	case 1: // all records of some pod since a time
		after := drawTime(t, 0, 45*second, "since")
		uid := rapid.SampledFrom([]string{"d1", "d2", "d1-e1", "d1-e2", "d2-e1"}).Draw(t, "pod")
		return slices.DeleteFunc(events, func(e history.Event) bool {
			var r history.WitnessRecord
			return e.Source == history.Witness && e.Offset >= after && json.Unmarshal(e.Data, &r) == nil && r.PodUID == uid
		}), fmt.Sprintf("records of %s since %s", uid, after)
	case 2:
		node := rapid.SampledFrom(theNodes()).Draw(t, "disk")
		return slices.DeleteFunc(events, func(e history.Event) bool {
			var c history.CollectionData
			return e.Type == history.DisksCollected && json.Unmarshal(e.Data, &c) == nil && c.Node == node
		}), "the disk of " + node
	case 3:
		kind := rapid.SampledFrom([]string{"Pod", "Job", "Node"}).Draw(t, "kind")
		from := drawTime(t, 0, 44*second, "from")
		to := drawTime(t, from, 46*second, "to")
		left = slices.DeleteFunc(events, func(e history.Event) bool {
			return e.Source == history.Kubernetes && e.Object.Kind == kind && e.Offset >= from && e.Offset < to
		})
		data, _ := json.Marshal(history.GapData{Reason: "the watch broke", For: to - from})
		i := slices.IndexFunc(left, func(e history.Event) bool { return e.Offset >= to })
		gap := history.Event{Offset: to, Source: history.Kubernetes, Type: history.Gap, Object: &history.Object{Kind: kind}, Data: data}
		return slices.Insert(left, i, gap), fmt.Sprintf("%ss from %s to %s", kind, from, to)
	default:
		from := rapid.IntRange(1, len(events)-1).Draw(t, "end of the file")
		return events[:from], "the end of the file"
	}
}

// TestLessEvidenceNeverMakesAPass takes evidence from stories that do not pass.
func TestLessEvidenceNeverMakesAPass(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		content := bytesOf(t, drawTale(t).story())
		before := judged(t, content)
		left, what := lessEvidence(t, eventsOf(t, content))
		after := judged(t, written(t, left))
		if before.Verdict != Pass && after.Verdict == Pass {
			t.Fatalf("%s (%s) became a pass without %s", before.Verdict, before.Reason, what)
		}
		for i, r := range before.Results {
			if i < len(after.Results) && r.Verdict != Pass && after.Results[i].Verdict == Pass {
				t.Fatalf("%s: %s (%s) became a pass (%s) without %s", r.Invariant, r.Verdict, r.Message, after.Results[i].Message, what)
			}
		}
	})
}

// TestAHeartbeatRemovesNoOverlap adds one sign of life to a driver, at any time before the disks are read.
func TestAHeartbeatRemovesNoOverlap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawTale(t)
		before := bytesOf(t, s.story())
		d := rapid.SampledFrom(s.drivers).Draw(t, "driver")
		at := drawTime(t, d.Started, 46*second, "heartbeat")
		s.extra = append(s.extra, func(b *historytest.Builder) {
			b.Witness(at+time.Millisecond, at, history.WitnessRecord{
				Type: history.Heartbeat, Role: "driver", PodUID: d.UID, PodName: "driver-" + d.UID, Node: d.Node, AppID: d.Application,
				Incarnation: d.UID,
			})
		})
		after := bytesOf(t, s.story())
		overlapOf := func(content []byte) time.Duration {
			m := model.New()
			for _, e := range eventsOf(t, content) {
				m.Observe(&e)
			}
			all, _ := allOverlaps(m, running(m.Incarnations()), false)
			return model.Covered(all)
		}
		if was, is := overlapOf(before), overlapOf(after); is < was {
			t.Fatalf("with one more heartbeat of %s at %s the drivers overlap for %s instead of %s", d.UID, at, is, was)
		}
		was, is := judged(t, before).of(t, "atMostOneDriver"), judged(t, after).of(t, "atMostOneDriver")
		if was.Verdict == Violation && is.Verdict != Violation {
			t.Fatalf("with one more heartbeat of %s at %s a violation (%s) became %s: %s", d.UID, at, was.Message, is.Verdict, is.Message)
		}
	})
}

// outcomes are what a verdict says, without the numbers of events, which differ between histories.
func outcomes(v RunVerdict) []string {
	all := []string{string(v.Verdict) + ": " + v.Reason}
	for _, r := range v.Results {
		all = append(all, fmt.Sprintf("%s: %s (%s): %s", r.Invariant, r.Verdict, r.Measured, r.Message))
	}
	return all
}

// TestTheOrderOfRecordsChangesNothing lets all records come by disk, in the order of their times and in any other.
func TestTheOrderOfRecordsChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := eventsOf(t, bytesOf(t, drawTale(t).story()))
		var records, others []history.Event
		for _, e := range events {
			if e.Source != history.Witness {
				others = append(others, e)
				continue
			}
			e.Data = bytes.Replace(e.Data, []byte(`"via":"http"`), []byte(`"via":"disk"`), 1)
			records = append(records, e)
		}
		at := slices.IndexFunc(others, func(e history.Event) bool { return e.Type == history.DisksCollected })
		inOrder := judged(t, written(t, slices.Insert(slices.Clone(others), at, records...)))
		shuffled := slices.Clone(records)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		// Some come twice, as records do that came by HTTP before.
		shuffled = append(shuffled, shuffled[:rapid.IntRange(0, len(shuffled)).Draw(t, "twice")]...)
		inAnyOrder := judged(t, written(t, slices.Insert(slices.Clone(others), at, shuffled...)))
		if diff := gocmp.Diff(outcomes(inOrder), outcomes(inAnyOrder)); diff != "" {
			t.Fatalf("the order of records changes the verdict (-in order +in any order):\n%s", diff)
		}
	})
}

// TestOthersChangeNothing adds what happens in another namespace, and what another Job of the same namespace does.
func TestOthersChangeNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawTale(t)
		alone := judged(t, bytesOf(t, s.story()))
		s.extra = append(s.extra, drawOthers(t))
		beside := judged(t, bytesOf(t, s.story()))
		if diff := gocmp.Diff(outcomes(alone), outcomes(beside)); diff != "" {
			t.Fatalf("others change the verdict (-alone +beside others):\n%s", diff)
		}
	})
}

// drawOthers draws a driver with executors and a Job that are not the run's: in another namespace under the run's names, or of another Job.
func drawOthers(t *rapid.T) func(*historytest.Builder) {
	type event struct {
		at  time.Duration
		pod historytest.Pod
		typ string
	}
	var events []event
	for i := range rapid.IntRange(1, 4).Draw(t, "other drivers") {
		namespace, owner := "other", historytest.JobUID
		name := fmt.Sprintf("driver-d%d", i+1)
		if rapid.Bool().Draw(t, "in the same namespace") {
			namespace, owner, name = historytest.Namespace, "other-job", fmt.Sprintf("other-%d", i)
		}
		uid := fmt.Sprintf("x%d", i)
		node := rapid.SampledFrom(theNodes()).Draw(t, "node of another")
		at := drawTime(t, second, 30*second, "begin of another")
		end := drawTime(t, at+second, 45*second, "end of another")
		driver := historytest.Pod{UID: uid, Name: name, Namespace: namespace, Node: node, OwnerKind: "Job", Owner: owner, Phase: "Running"}
		executor := historytest.Pod{
			UID: uid + "-e", Name: name + "-exec-1", Namespace: namespace, Node: node, OwnerKind: "Pod", Owner: uid, Phase: "Running",
			Labels: map[string]string{"spark-role": "executor", "spark-exec-id": "1", "spark-app-selector": "spark-d1"},
		}
		for _, pod := range []historytest.Pod{driver, executor} {
			events = append(events, event{at, pod, history.Added})
			pod.Phase = rapid.SampledFrom([]string{"Failed", "Succeeded", "Running"}).Draw(t, "phase")
			pod.Deleting = rapid.Bool().Draw(t, "deleting")
			events = append(events, event{end, pod, history.Modified})
		}
	}
	condition := rapid.SampledFrom([]string{"Complete", "Failed"}).Draw(t, "another Job is")
	jobAt := drawTime(t, second, 45*second, "end of another Job")
	namespace := rapid.SampledFrom([]string{"other", historytest.Namespace}).Draw(t, "namespace of another Job")
	return func(b *historytest.Builder) {
		for _, e := range events {
			b.Pod(e.at, e.typ, e.pod)
		}
		b.Job(jobAt, history.Modified, namespace, "other-job", condition)
	}
}

// TestJudgingAgainGivesTheSameBytes judges some stories fifty times each.
func TestJudgingAgainGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	for seed := range 3 {
		content := bytesOf(t, rapid.Custom(drawTale).Example(seed).story())
		first, err := json.Marshal(judged(t, content))
		if err != nil {
			t.Fatal(err)
		}
		for range 49 {
			again, err := json.Marshal(judged(t, content))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(first, again) {
				t.Fatalf("story %d is judged differently:\n%s\n%s", seed, first, again)
			}
		}
	}
}

// TestWhatIsSaidOfDrawnStories holds all that is said of some drawn stories, so that a change of it is seen.
func TestWhatIsSaidOfDrawnStories(t *testing.T) {
	t.Parallel()
	words := newSaid(t, t.Name())
	for seed := range 24 {
		v := judged(t, bytesOf(t, rapid.Custom(drawTale).Example(seed).story()))
		words.add(fmt.Sprintf("story %02d", seed), append([]Result{{Invariant: "all", Verdict: v.Verdict, Message: v.Reason}}, v.Results...)...)
	}
}
