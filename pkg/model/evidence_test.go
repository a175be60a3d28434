package model

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// TestADiskIsReadOnce keeps the first reading of a disk, and says that there was another one.
func TestADiskIsReadOnce(t *testing.T) {
	t.Parallel()
	m := historytest.Observed(t, New(), func(b *historytest.Builder) {
		b.Harness(1*second, history.DisksCollected, history.CollectionData{Node: "n1", Records: 7})
		b.Harness(2*second, history.DisksCollected, history.CollectionData{Node: "n2", Records: 5})
		b.Harness(3*second, history.DisksCollected, history.CollectionData{Node: "n1", Records: 9})
	})
	if m.Collected["n1"].Data.Records != 7 || m.Collected["n2"].Data.Records != 5 || len(m.Problems) != 1 {
		t.Errorf("n1 %+v, n2 %+v, problems %v", m.Collected["n1"], m.Collected["n2"], m.Problems)
	}
}

// TestWhatWasSeenLate marks what is seen within 2 s after a gap.
func TestWhatWasSeenLate(t *testing.T) {
	t.Parallel()
	m := historytest.Observed(t, New(), func(b *historytest.Builder) {
		b.Add(10*second, history.Kubernetes, history.Gap, &history.Object{Kind: "Pod"}, history.GapData{Reason: "expired", For: 4 * second})
		for name, at := range map[string]time.Duration{"soon": 12 * second, "later": 12*second + 1} {
			b.Object(at, history.Added, "Pod", name, object{"metadata": object{"uid": name}})
		}
		b.Object(11*second, history.Added, "Node", "other", object{"metadata": object{"uid": "other"}})
	})
	if got := m.Pods["soon"].Added.Earliest(); !got.Equal(historytest.Epoch().Add(6 * second)) {
		t.Errorf("soon after the gap: earliest %v", got)
	}
	if got := m.Pods["later"].Added; !got.Since.IsZero() {
		t.Errorf("later: since %v", got.Since)
	}
	if got := m.Nodes["other"].Changes[0].At; !got.Since.IsZero() {
		t.Errorf("another kind of object: since %v", got.Since)
	}
}

// TestUnreadableObjects are problems of the record, by the kind of object.
func TestUnreadableObjects(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"Pod", "Node", "Job", "Event"} {
		m := historytest.Observed(t, New(), func(b *historytest.Builder) {
			b.Add(second, history.Kubernetes, history.Added, &history.Object{Kind: kind, Name: "x", UID: "x"}, []string{"no object"})
		})
		if len(m.Problems) != 1 || m.Unreadable[kind] != 1 {
			t.Errorf("%s: problems %v, unreadable %v", kind, m.Problems, m.Unreadable)
		}
	}
}

// TestPodsThatKubernetesTookAway keeps the first reason.
func TestPodsThatKubernetesTookAway(t *testing.T) {
	t.Parallel()
	m := historytest.Observed(t, New(), func(b *historytest.Builder) {
		for i, reason := range []string{"", "Evicted", "Preempting", ""} {
			b.Object(time.Duration(i+1)*second, history.Modified, "Pod", "p",
				object{"metadata": object{"uid": "p"}, "status": object{"reason": reason}})
		}
		b.Object(second, history.Added, "Pod", "kept", object{"metadata": object{"uid": "kept"}})
	})
	if p := m.Pods["p"]; p.Disrupted != "Evicted" || !p.DisruptedAt.At.Equal(historytest.Epoch().Add(2*second)) {
		t.Errorf("disrupted %q at %v", p.Disrupted, p.DisruptedAt.At)
	}
	if p := m.Pods["kept"]; p.Disrupted != "" || !p.DisruptedAt.Never() {
		t.Errorf("one that was kept: disrupted %q at %v", p.Disrupted, p.DisruptedAt)
	}
}

// TestNodesOfIncarnations leaves out where none can have run.
func TestNodesOfIncarnations(t *testing.T) {
	t.Parallel()
	m := New()
	m.Ended = ms(60_000)
	m.Faults = []*Fault{landedFault("nodeIsolate", "n4", 5_000, 0), landedFault("nodeIsolate", "n5", 5_000, 0)}
	pod := func(node string, placed, running int64) *Incarnation {
		p := &Pod{Node: node}
		if placed > 0 {
			p.Placed = ms(placed)
		}
		if running > 0 {
			p.Running = ms(running)
		}
		return &Incarnation{Node: node, Pod: p}
	}
	all := Incarnations{
		pod("n1", 1_000, 2_000),                              // ran
		pod("n1", 3_000, 4_000),                              // there, too
		{Node: "n2", Driver: &Process{}},                     // reported
		pod("n3", 1_000, 0),                                  // was placed, and never ran
		pod("n4", 6_000, 0),                                  // the same, and a fault hid it
		pod("n5", 0, 0),                                      // nobody saw that it was placed
		pod("", 0, 2_000), {Driver: &Process{}, Pod: &Pod{}}, // on no node that is known
	}
	if diff := gocmp.Diff([]string{"n1", "n2", "n4"}, m.NodesOf(all)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFaultsOnNodesThatWereDead hit nobody, unless they hit another node, too.
func TestFaultsOnNodesThatWereDead(t *testing.T) {
	t.Parallel()
	m := New()
	dead := landedFault("nodePowerOff", "n1", 5_000, 0)
	both := landedFault("nodeIsolate", "n1", 10_000, 0)
	both.Targets = append(both.Targets, history.Object{Kind: "Node", Name: "n2"})
	m.Faults = []*Fault{dead, landedFault("nodeFreeze", "n1", 10_000, 0), both}
	if got := m.Landed(); len(got) != 2 || got[0] != dead || got[1] != both {
		t.Errorf("landed on somebody: %v", got)
	}
	for _, node := range []string{"n1", "n2"} {
		if !m.HeldWithin(node, ms(20_000).At, ms(21_000).At) || !m.HidWithin(node, ms(20_000).At, ms(21_000).At) {
			t.Errorf("node %s is not held, or nothing hides what happens on it", node)
		}
	}
	if m.HeldWithin("n3", ms(20_000).At, ms(21_000).At) || m.HidWithin("n3", ms(20_000).At, ms(21_000).At) {
		t.Error("node n3 is held, or something hides what happens on it")
	}
}

// TestLossesAreInOrder tells the executors that one fault cost by their names, in whatever order they were made.
func TestLossesAreInOrder(t *testing.T) {
	t.Parallel()
	team := newTeam()
	for i, id := range []string{"3", "1", "2"} {
		made := int64(2_000 + 100*i)
		team.executor(id, "n2", made, made+500, made+800)
	}
	team.fault("f", "nodePowerOff", "n2", 10_000, 0)
	var names []string
	for _, loss := range team.ExecutorLosses(Incarnations{team.driver}) {
		names = append(names, loss.Pod.Name)
	}
	if diff := gocmp.Diff([]string{"exec-1", "exec-2", "exec-3"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestWhatAFaultCostsByUncertainClocks takes a process for ended that seems to have lived on for as long as its clock may be wrong.
func TestWhatAFaultCostsByUncertainClocks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		last int64 // the fault has landed at 10.5 s
		want bool
	}{
		"silent when the fault had landed":        {10_400, true},
		"within what means nothing":               {11_500, true},
		"within what the clock may be wrong":      {12_000, true},
		"longer than the clock can be wrong":      {12_001, false},
		"it had been silent before the fault":     {8_000, true},
		"it continued as if nothing had happened": {40_000, false},
	} {
		m := New()
		m.Clocks = map[string]Clock{"n1": {Uncertainty: 500 * time.Millisecond}}
		f := landedFault("nodePowerOff", "n1", 10_000, 0)
		pod := &Pod{UID: "p", Node: "n1", Running: ms(1_000)}
		p := &Process{PodUID: "p", Node: "n1", Alive: Spans{{ms(2_000), ms(c.last)}}}
		if got := m.Cost(f, pod, p, Moment{}); got.Never() == c.want {
			t.Errorf("%s: lost at %v", name, got)
		}
	}
}

// TestFetchesThatAFaultEnded tells fetches whose end a loss explains from those that are open.
func TestFetchesThatAFaultEnded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Model, *Pod)
		want   []string
	}{
		"it failed by itself": {func(_ *Model, p *Pod) { p.Finished = ms(12_000) }, []string{"the driver pod"}},
		"it still runs":       {func(*Model, *Pod) {}, []string{"the driver pod"}},
		"a fault cost it":     {func(m *Model, _ *Pod) { m.Faults = []*Fault{landedFault("nodePowerOff", "n1", 10_000, 0)} }, nil},
		"a fault hit it lightly": {func(m *Model, _ *Pod) { m.Faults = []*Fault{landedFault("cpuStress", "n1", 10_000, 0)} },
			[]string{"the driver pod"}},
		"it was deleted": {func(_ *Model, p *Pod) { p.Terminating, p.Finished = ms(11_000), ms(12_000) }, nil},
	} {
		m := New()
		p := &Pod{UID: "p", Node: "n1", Running: ms(1_000)}
		m.Pods["p"] = p
		m.Artifacts.Begun["p"] = Fetch{By: RoleDriver, Pod: "pod", PodUID: "p", Node: "n1", At: ms(5_000)}
		c.change(m, p)
		if diff := gocmp.Diff(c.want, m.Unfinished()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestFetchesOfOlderReleases do not say which server was asked: nobody asks one that is gone.
func TestFetchesOfOlderReleases(t *testing.T) {
	t.Parallel()
	m := New()
	fault := landedFault("nodeDrain", "n1", 10_000, 0)
	server := &Pod{UID: "s", Name: "staging", Node: "n1", Deleted: ms(15_000)}
	for name, c := range map[string]struct {
		fetch Fetch
		want  bool
	}{
		"while the server was there":         {Fetch{At: ms(14_999)}, false},
		"when it was gone":                   {Fetch{At: ms(15_000)}, true},
		"from that server, when it was gone": {Fetch{Pod: "staging", At: ms(15_000)}, false},
		"from another one":                   {Fetch{Pod: "other", At: ms(12_000)}, true},
	} {
		if got := m.ServedAnew(fault, server, c.fetch); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// TestFetchesCountOnce counts a fetch whose record came by both ways once, and keeps the last word of a driver's.
func TestFetchesCountOnce(t *testing.T) {
	t.Parallel()
	m := historytest.Observed(t, New(), func(b *historytest.Builder) {
		for i, role := range []string{RoleDriver, RoleExecutor} {
			r := history.WitnessRecord{Type: history.ArtifactsFetched, Role: role, PodUID: role + history.ArtifactsWriter, PodName: role,
				Node: "n1", Seq: 1}
			at := time.Duration(i+1) * second
			b.Witness(at, at, r)
			r.Via = "disk"
			b.Witness(9*second, at, r)
		}
	})
	if len(m.Artifacts.Fetches) != 2 || m.Artifacts.Last == nil || m.Artifacts.Last.Pod != RoleDriver {
		t.Errorf("fetches %+v, the last of a driver %+v", m.Artifacts.Fetches, m.Artifacts.Last)
	}
}

// TestQueriesWhoseStartWasNotReported have the name that their batches tell.
func TestQueriesWhoseStartWasNotReported(t *testing.T) {
	t.Parallel()
	id := int64(0)
	batch := func(b *historytest.Builder, at time.Duration, name string) {
		b.Witness(at, at, history.WitnessRecord{
			Type: history.BatchCompleted, Role: RoleDriver, PodUID: "d", Node: "n1", BatchID: &id,
			Detail: map[string]string{"queryId": "q", "runId": "r", "name": name},
		})
	}
	m := historytest.Observed(t, New(), func(b *historytest.Builder) {
		batch(b, 1*second, "")
		batch(b, 2*second, "words")
		batch(b, 3*second, "others")
		batch(b, 4*second, "")
	})
	if run := m.Streams.Runs["r d"]; run == nil || run.Name != "words" {
		t.Errorf("runs: %+v", m.Streams.Runs)
	}
}

// TestAFaultThatTellsItsBeginAfterTheClockWasSet believes the fault, for the wall clock was as wrong when it began as when it was proven.
func TestAFaultThatTellsItsBeginAfterTheClockWasSet(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after time.Duration // by how much the wall clock was set as the fault was injected, and when it had landed
		told          bool
	}{
		"never":                 {0, 0, true},
		"before the injection":  {20 * second, 20 * second, true},
		"back before":           {-20 * second, -20 * second, true},
		"while it was injected": {0, 20 * second, false},
		"back again meanwhile":  {20 * second, 0, false},
	} {
		m := New()
		began := historytest.Epoch().Add(10*second + 200*time.Millisecond + c.after)
		for i, e := range []struct {
			at, ahead time.Duration
			eventType string
			data      string
		}{
			{0, 0, history.FaultJournaled, `{"fault":"f"}`},
			{10 * second, c.before, history.FaultInjecting, `{"fault":"f"}`},
			{11 * second, c.after, history.FaultLanded, `{"fault":"f","began":"` + began.Format(time.RFC3339Nano) + `"}`},
		} {
			m.Observe(&history.Event{
				Seq: int64(i + 1), Offset: e.at, Wall: historytest.Epoch().Add(e.at + e.ahead), Source: history.Fault, Type: e.eventType,
				Data: []byte(e.data),
			})
		}
		got := m.Fault("f").Began
		if told := got.At.Equal(historytest.Epoch().Add(10*second+200*time.Millisecond)) && got.Since.IsZero(); told != c.told {
			t.Errorf("%s: began at %v, since %v", name, got.At, got.Since)
		}
	}
}
