package check

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// driverAt is an incarnation on a node whose pod ran from a time on.
func driverAt(m *Model, number int, node string, running int64) *Incarnation {
	uid := "d" + string(rune('0'+number))
	pod := &Pod{UID: uid, Name: uid, Node: node, Added: ms(running - 500), Placed: ms(running - 400), Running: ms(running)}
	m.Pods[uid] = pod
	return &Incarnation{Number: number, UID: uid, Name: uid, Node: node, Pod: pod}
}

func TestWhichFaultCostTheDriver(t *testing.T) {
	t.Parallel()
	named := func(name string, f *Fault) *Fault { f.Name = name; return f }
	ends := func(at int64) func(*Incarnation) { return func(i *Incarnation) { i.Pod.Terminating = ms(at) } }
	stops := func(at int64) func(*Incarnation) {
		return func(i *Incarnation) { i.Driver = &Process{PodUID: i.UID, Node: i.Node, Stopping: ms(at)} }
	}
	both := func(all ...func(*Incarnation)) func(*Incarnation) {
		return func(i *Incarnation) {
			for _, one := range all {
				one(i)
			}
		}
	}
	for name, c := range map[string]struct {
		faults     []*Fault
		change     func(*Incarnation)
		want       []string
		succession bool
	}{
		"none":                              {nil, ends(20_000), nil, false},
		"one":                               {[]*Fault{named("a", landedFault("nodeIsolate", "n1", 10_000, 0))}, ends(20_000), []string{"a"}, true},
		"the last one before the loss":      {[]*Fault{named("a", landedFault("nodeIsolate", "n1", 10_000, 0)), named("b", landedFault("nodeFreeze", "n1", 15_000, 0))}, ends(20_000), []string{"b"}, true},
		"not one that began after the loss": {[]*Fault{named("a", landedFault("nodeIsolate", "n1", 10_000, 0)), named("b", landedFault("nodeFreeze", "n1", 21_000, 0))}, ends(20_000), []string{"a"}, true},
		"on another node":                   {[]*Fault{named("a", landedFault("nodeIsolate", "n2", 10_000, 0))}, ends(20_000), nil, false},
		"it had begun to end":               {[]*Fault{named("a", landedFault("nodeIsolate", "n1", 10_000, 0))}, both(ends(20_000), stops(9_999)), nil, false},
		"it began to end afterwards":        {[]*Fault{named("a", landedFault("nodeIsolate", "n1", 10_000, 0))}, both(ends(20_000), stops(10_001)), []string{"a"}, true},
		"before it ran":                     {[]*Fault{named("a", landedFault("nodeIsolate", "n1", 1_900, 0))}, ends(20_000), []string{"a"}, false},
		"as it began to run":                {[]*Fault{named("a", landedFault("nodeIsolate", "n1", 2_000, 0))}, ends(20_000), []string{"a"}, true},
		"on a node that was dead already":   {[]*Fault{named("a", landedFault("nodePowerOff", "n1", 10_000, 0)), named("b", landedFault("nodeIsolate", "n1", 10_200, 0))}, ends(20_000), []string{"a"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := NewModel()
			driver := driverAt(m, 1, "n1", 2_000)
			c.change(driver)
			m.Faults = c.faults
			var got []string
			for _, b := range m.blows([]*Incarnation{driver}) {
				got = append(got, b.fault.Name)
			}
			if diff := gocmp.Diff(c.want, got); diff != "" {
				t.Errorf("faults that cost the driver (-want +got):\n%s", diff)
			}
			if got := m.succession([]*Incarnation{driver}); got != c.succession {
				t.Errorf("succession %v, want %v", got, c.succession)
			}
			if got := m.explained([]*Incarnation{driver}, driver); got != (len(c.want) > 0) {
				t.Errorf("explained %v", got)
			}
		})
	}
}

func TestLandedFaults(t *testing.T) {
	t.Parallel()
	m := NewModel()
	unlanded := landedFault("nodeIsolate", "n1", 1_000, 0)
	unlanded.Landed = Moment{}
	late, early := landedFault("nodeIsolate", "n2", 9_000, 0), landedFault("nodeIsolate", "n3", 8_000, 0)
	off := landedFault("nodePowerOff", "n4", 5_000, 7_000)
	while, after := landedFault("nodeTaint", "n4", 6_999, 0), landedFault("nodeDrain", "n4", 7_000, 0)
	pod := &Fault{Kind: "podKill", Targets: []history.Object{{Kind: "Pod", UID: "p"}}, Began: ms(6_000), Landed: ms(6_100)}
	m.Faults = []*Fault{unlanded, late, early, off, while, after, pod}
	var got []int64
	for _, f := range m.landed() {
		got = append(got, f.Began.Seq)
	}
	if diff := gocmp.Diff([]int64{5_000, 6_000, 7_000, 8_000, 9_000}, got); diff != "" {
		t.Errorf("begin of the landed faults (-want +got):\n%s", diff)
	}
	if !off.until().Equal(ms(7_000).At) || late.until().Before(ms(1e12).At) {
		t.Errorf("in effect until %s and %s", off.until(), late.until())
	}
	for name, c := range map[string]struct {
		node     string
		from, to int64
		want     bool
	}{
		"within": {"n4", 6_000, 6_500, true}, "at its begin": {"n4", 4_000, 5_000, true}, "before": {"n4", 4_000, 4_999, false},
		"at its end": {"n4", 7_000, 7_100, true}, "another node": {"n9", 6_000, 6_500, false}, "one that did not land": {"n1", 2_000, 3_000, false},
	} {
		if got := m.downWithin(c.node, ms(c.from).At, ms(c.to).At); got != c.want {
			t.Errorf("%s: held %v, want %v", name, got, c.want)
		}
	}
}

func TestHowAFaultEnded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault Fault
		want  Landed
	}{
		"landed and undone":        {Fault{Landed: ms(5), Recovered: ms(9)}, Landed{Landed: true, Recovered: true, Evidence: 5}},
		"undone at the second try": {Fault{Landed: ms(5), NotRecovered: ms(7), Recovered: ms(9), Reason: "busy"}, Landed{Landed: true, Recovered: true, Evidence: 5}},
		"not undone":               {Fault{Landed: ms(5), NotRecovered: ms(9), Reason: " busy "}, Landed{Landed: true, Reason: "busy", Evidence: 5}},
		"undone, then not":         {Fault{Landed: ms(5), Recovered: ms(7), NotRecovered: ms(9), Reason: "busy"}, Landed{Landed: true, Reason: "busy", Evidence: 5}},
		"still there":              {Fault{Landed: ms(5), Reason: "old"}, Landed{Landed: true, Evidence: 5}},
		"not landed":               {Fault{DidNotLand: ms(5)}, Landed{Reason: "the history does not say why"}},
		"it lapsed":                {Fault{Landed: ms(5), Lapsed: "it thawed", Recovered: ms(9)}, Landed{Landed: true, Lapsed: true, Recovered: true, Reason: "it thawed", Evidence: 5}},
	} {
		if diff := gocmp.Diff(c.want, c.fault.landing()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := (*Fault)(nil).why(); got != "it was never injected" {
		t.Errorf("got %q", got)
	}
}

func TestFaultsAreNoted(t *testing.T) {
	t.Parallel()
	node := []history.Object{{Kind: "Node", Name: "n1"}}
	m := modelOf(t, func(b *historytest.Builder) {
		began := historytest.Epoch().Add(1500 * time.Millisecond)
		b.Fault(second, history.FaultInjecting, history.FaultData{Fault: "f", Kind: "nodeIsolate", Targets: node, Effects: []history.Effect{history.SilencesNode}})
		b.Fault(2*second, history.FaultLanded, history.FaultData{Fault: "f", Kind: "nodeIsolate", Began: &began})
		b.Fault(3*second, history.FaultLanded, history.FaultData{Fault: "f", Kind: "nodeIsolate"})
		b.Fault(4*second, history.FaultRecovering, history.FaultData{Fault: "f", Detail: map[string]string{history.DidNotHold: "it answered"}})
		b.Fault(5*second, history.FaultNotRecovered, history.FaultData{Fault: "f", Reason: "busy"})
		b.Fault(6*second, history.FaultRecovered, history.FaultData{Fault: "f"})
		b.Fault(7*second, history.FaultInjecting, history.FaultData{Fault: "mark", Kind: "nodeCordon", Targets: node})
		b.Fault(8*second, history.FaultRecovering, history.FaultData{Fault: "mark", Detail: map[string]string{history.DidNotHold: "never landed"}})
		b.Fault(9*second, history.FaultInjecting, history.FaultData{Fault: "spares", Kind: "nodeTaint", Targets: node, LeavesRunning: true})
		b.Fault(10*second, history.FaultLanded, history.FaultData{Fault: ""})
		b.Add(11*second, history.Fault, history.FaultLanded, nil, []int{1})
	})
	at := func(seq int64, seconds float64) Moment {
		return Moment{Seq: seq, At: historytest.Epoch().Add(time.Duration(seconds * float64(second)))}
	}
	want := []*Fault{
		{Name: "f", Kind: "nodeIsolate", Targets: node, Named: node, Effects: []history.Effect{history.SilencesNode}, Injecting: at(1, 1), Landed: at(2, 2), Began: at(2, 1.5),
			Lapsed: "it answered", NotRecovered: at(5, 5), Recovered: at(6, 6), Reason: "busy"},
		{Name: "mark", Kind: "nodeCordon", Named: node, Leaves: true, Injecting: at(7, 7)},
		{Name: "spares", Kind: "nodeTaint", Named: node, Leaves: true, Injecting: at(9, 9)},
	}
	if diff := gocmp.Diff(want, m.Faults); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	var problems []int64
	for _, p := range m.Problems {
		problems = append(problems, p.At.Seq)
	}
	if diff := gocmp.Diff([]int64{3, 10, 11}, problems); diff != "" {
		t.Errorf("events with problems (-want +got):\n%s\n%v", diff, m.Problems)
	}
}

func TestSameJSON(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		a, b string
		want bool
	}{
		"the same": {`{"a":1,"b":2}`, `{"b":2, "a":1}`, true}, "another": {`{"a":1}`, `{"a":2}`, false}, "nothing and null": {"", "null", true},
		"null and nothing": {"null", "", true}, "nothing": {"", "", true}, "nothing and something": {"", "1", false}, "broken": {"{", "{", false},
		"broken and nothing": {"{", "", false}, "nothing and broken": {"", "{", false}, "null and broken": {"null", "{", false},
	} {
		if got := sameJSON(json.RawMessage(c.a), json.RawMessage(c.b)); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// TestDoublesCountOnce lets each record come by HTTP and by disk.
func TestDoublesCountOnce(t *testing.T) {
	t.Parallel()
	m := modelOf(t, func(b *historytest.Builder) {
		for _, via := range []string{"http", "disk"} {
			for i, r := range []history.WitnessRecord{
				{Type: history.Ledger, Seq: 1, Detail: map[string]string{"key": "k", "value": "v"}},
				{Type: history.Ledger, Seq: 2, Detail: map[string]string{"key": "k", "value": "v"}},
				{Type: history.PodCreateRefused, Seq: 3, Detail: map[string]string{"podName": "p", "code": "409", "message": "exists"}},
				{Type: history.PodCreateRefused, Seq: 4, Detail: map[string]string{"podName": "p", "code": "409", "message": "exists"}},
			} {
				r.Role, r.PodUID, r.PodName, r.Node, r.Incarnation, r.Via = "driver", "d", "driver", "n1", "d", via
				b.Witness(time.Duration(i+1)*second, time.Duration(i+1)*second, r)
			}
		}
	})
	if len(m.Ledger.Commits["k"]) != 2 || len(m.Refused) != 2 {
		t.Errorf("%d commits and %d refusals, want two of each", len(m.Ledger.Commits["k"]), len(m.Refused))
	}
}

func TestProcessesAreNoted(t *testing.T) {
	t.Parallel()
	record := func(b *historytest.Builder, learned, written time.Duration, eventType string, change func(*history.WitnessRecord)) {
		r := history.WitnessRecord{Type: eventType, Role: "driver", PodUID: "d", PodName: "driver", Node: "n1"}
		if change != nil {
			change(&r)
		}
		b.Witness(learned, written, r)
	}
	executor := func(id string) func(*history.WitnessRecord) {
		return func(r *history.WitnessRecord) { r.ExecutorID = id }
	}
	detail := func(key, value string) func(*history.WitnessRecord) {
		return func(r *history.WitnessRecord) { r.ExecutorID, r.Detail = "1", map[string]string{key: value} }
	}
	m := modelOf(t, func(b *historytest.Builder) {
		b.Harness(0, history.Problem, object{})
		record(b, second+300*time.Millisecond, second, history.ApplicationStarted, func(r *history.WitnessRecord) { r.AppID = "app" })
		record(b, 2*second+200*time.Millisecond, 2*second, history.DriverStarted, func(r *history.WitnessRecord) { r.AppID, r.Incarnation = "app", "d" })
		record(b, 3*second, 3*second, history.ExecutorRegistered, executor("1"))
		record(b, 4*second, 4*second, history.ExecutorRegistered, executor("1"))
		record(b, 5*second, 5*second, history.TaskEnded, detail("reason", "ExecutorLostFailure"))
		record(b, 6*second, 6*second, history.TaskEnded, detail("reason", "Success"))
		record(b, 7*second, 7*second, history.JobEnded, detail("result", "failed"))
		record(b, 8*second, 8*second, history.JobEnded, detail("result", "succeeded"))
		record(b, 9*second, 9*second, history.ExecutorRemoved, executor("1"))
		record(b, 10*second, 10*second, history.ApplicationEnded, nil)
		record(b, 11*second, 11*second, history.WitnessTrouble, func(r *history.WitnessRecord) { r.Detail = map[string]string{"what": "write", "error": "no space"} })
		record(b, 12*second, 12*second, history.DriverStopping, nil)
		record(b, 12*second, 12*second, history.ExecutorRegistered, func(r *history.WitnessRecord) {
			r.Role, r.PodUID, r.PodName, r.ExecutorID = "executor", "e", "exec", "9"
		})
	})
	d := m.Processes["d"]
	ends := func(m Moment) time.Duration { return m.At.Sub(historytest.Epoch()) }
	got := map[string]time.Duration{
		"started": ends(d.Started), "stopping": ends(d.Stopping), "job": ends(d.JobsDone), "progress": ends(d.FirstProgress), "registered": ends(d.Executors["1"].At),
		"removed": ends(d.Executors["1"].Removed), "first task": ends(d.Executors["1"].FirstTask), "application": ends(d.Applications["app"]), "delay": d.Delay,
	}
	want := map[string]time.Duration{
		"started": second, "stopping": 10 * second, "job": 8 * second, "progress": 6 * second, "registered": 3 * second, "removed": 9 * second, "first task": 6 * second,
		"application": second, "delay": 0,
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("what is known of the driver (-want +got):\n%s", diff)
	}
	if !d.ended || !d.Live || d.Incarnation != "d" || len(d.Executors) != 1 || d.restarted() || !slices.Equal(d.troubles, []string{"write: no space"}) {
		t.Errorf("the driver is %+v", d)
	}
	if e := m.Processes["e"]; len(e.Executors) > 0 || !e.Started.Never() {
		t.Errorf("an executor tells what drivers do: %+v", e)
	}
	for at, want := range map[int64]int{2_999: 0, 3_000: 1, 8_999: 1, 9_000: 0} {
		if got := d.registered(ms(at).At); got != want {
			t.Errorf("%d executors at %d ms, want %d", got, at, want)
		}
	}
	two := &Process{Applications: map[string]Moment{"a": ms(1), "b": ms(2)}}
	if !two.restarted() {
		t.Error("two applications in one pod are no restart")
	}
	if two.Stopping = ms(1); two.restarted() {
		t.Error("a second application after an orderly end is a restart")
	}
}

func TestStandInsAtTheirBoundaries(t *testing.T) {
	t.Parallel()
	m := NewModel()
	m.Ended = ms(30_000)
	for name, c := range map[string]struct {
		ended, since int64 // 0: never
		want         bool
	}{"promptly": {15_000, 10_000, false}, "later": {15_001, 10_000, true}, "never": {0, 24_999, true}, "never, at the end": {0, 25_000, false}} {
		ended := Moment{}
		if c.ended > 0 {
			ended = ms(c.ended)
		}
		if got := m.held(ended, ms(c.since)); got != c.want {
			t.Errorf("held %s: got %v, want %v", name, got, c.want)
		}
	}
	for name, c := range map[string]struct {
		asked, ended, lost int64
		want               bool
	}{
		"never": {0, 20_000, 10_000, false}, "promptly": {15_000, 12_000, 10_000, true}, "late": {15_001, 12_000, 10_000, false},
		"late, but before the old one ended": {19_999, 20_000, 10_000, true}, "late, and that one is there": {19_999, 0, 10_000, false},
	} {
		moment := func(n int64) Moment {
			if n == 0 {
				return Moment{}
			}
			return ms(n)
		}
		if got := moment(c.asked).prompt(moment(c.ended), moment(c.lost)); got != c.want {
			t.Errorf("asked %s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestWhatAControlMustNotLand(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		faults    []*Fault
		notLanded []string
		want      []string
	}{
		"none is named":        {nil, nil, []string{"it does not say which faults must not land (control.notLanded)"}},
		"tried in vain":        {[]*Fault{{Name: "f", Injecting: ms(5), DidNotLand: ms(6)}}, []string{"f"}, nil},
		"refused at once":      {[]*Fault{{Name: "f", DidNotLand: ms(6)}}, []string{"f"}, nil},
		"never tried":          {nil, []string{"f"}, []string{"fault f was never injected"}},
		"planned alone":        {[]*Fault{{Name: "f"}}, []string{"f"}, []string{"fault f was never injected"}},
		"landed":               {[]*Fault{{Name: "f", Injecting: ms(5), Landed: ms(6)}}, []string{"f"}, []string{"fault f landed"}},
		"nobody knows":         {[]*Fault{{Name: "f", Injecting: ms(5)}}, []string{"f"}, []string{"nothing shows that fault f did not land"}},
		"one of two is tried,": {[]*Fault{{Name: "g", DidNotLand: ms(6)}}, []string{"f", "g"}, []string{"fault f was never injected"}},
	} {
		m := NewModel()
		m.Faults = c.faults
		if diff := gocmp.Diff(c.want, (&control{endsIn: Inconclusive, notLanded: c.notLanded}).wrongLandings(m)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestPlansThatAreNotUnderstood(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ plan, want string }{
		"none":               {"", "does not say what was planned"},
		"no plan":            {`[]`, "cannot be read"},
		"an unknown field":   {`{"extra":1}`, "unknown field"},
		"another version":    {`{"apiVersion":"sparkchaos.dev/v2"}`, `has the version "sparkchaos.dev/v2"`},
		"another kind":       {`{"kind":"Scenario"}`, `is of kind "Scenario"`},
		"two in one":         {`{"expect":[{"completes":{},"driverKept":{}}]}`, "names 2 invariants"},
		"a step of no fault": {`{"steps":[{"id":"s","action":"inject"}]}`, `step "s" names no fault`},
		"an unknown action":  {`{"steps":[{"id":"s","fault":"f","action":"pause"}]}`, `has the action "pause"`},
		"sound":              {`{"apiVersion":"sparkchaos.dev/v1alpha1","kind":"Plan","steps":[{"fault":"f","action":"inject"},{"fault":"f","action":"recover"}],"expect":[{"driverKept":{}}]}`, ""},
	} {
		m := NewModel()
		m.Run.Plan = json.RawMessage(c.plan)
		_, err := readPlan(m.Run)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestReadsOfStages(t *testing.T) {
	t.Parallel()
	stages := map[int64]*Stage{3: {Shuffle: "s"}, 12: {Shuffle: "other"}}
	for name, c := range map[string]struct {
		parents []string
		want    bool
	}{"its parent": {[]string{"3"}, true}, "another's": {[]string{"12"}, false}, "an unknown one": {[]string{"7"}, false}, "no number": {[]string{"x"}, false}, "the second": {[]string{"x", "7", "3"}, true}} {
		if got := (&Stage{Parents: c.parents}).reads("s", stages); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	if (&Stage{Parents: []string{"x"}}).reads("", map[int64]*Stage{0: {}}) {
		t.Error("what is no number is taken for stage 0")
	}
}

func TestBaselinesOfOthers(t *testing.T) {
	t.Parallel()
	const plan = `{"workload":{"application":{"jar":"a"},"executors":{"count":2},"conf":{"k":"v"}}}`
	inputs := func(change string, to string) json.RawMessage {
		text := `{"application":{"jar":"a"},"executors":{"count":2},"conf":{"k":"v"},"image":"i","imageID":"sha256:1","seed":7}`
		return json.RawMessage(strings.Replace(text, change, to, 1))
	}
	for name, c := range map[string]struct {
		inputs json.RawMessage
		key    string // empty: the right one
		cached bool
		want   string
	}{
		"of this run":                 {nil, "", false, ""},
		"from the cache, and unknown": {nil, "", true, "it comes from the cache, and the history does not say what it was made of"},
		"the same":                    {inputs("", ""), "", true, ""},
		"another key":                 {inputs("", ""), "feed", true, "its key is feed, what it was made of gives "},
		"no JSON":                     {json.RawMessage(`[]`), "", true, "what it was made of cannot be read: "},
		"another application":         {inputs(`"jar":"a"`, `"jar":"b"`), "", true, "its application is another one"},
		"other executors":             {inputs(`"count":2`, `"count":3`), "", false, "its executors is another one"},
		"other settings":              {inputs(`"k":"v"`, `"k":"w"`), "", true, "its conf is another one"},
		"another image":               {inputs(`"image":"i"`, `"image":"j"`), "", true, "it was made with the image j sha256:1, the run has i sha256:1"},
		"another build of it":         {inputs("sha256:1", "sha256:2"), "", true, "it was made with the image i sha256:2, the run has i sha256:1"},
		"another seed":                {inputs(`"seed":7`, `"seed":8`), "", true, "it was made with the seed 8, the run has 7"},
		"no seed":                     {inputs(`"seed":7`, `"seed":0`), "", true, ""},
	} {
		m := NewModel()
		m.Run.Plan, m.Run.Seed = json.RawMessage(plan), 7
		m.Workload.Image, m.Workload.ImageID = "i", "sha256:1"
		digest := sha256.Sum256(c.inputs)
		key := hex.EncodeToString(digest[:8])
		if c.key != "" {
			key = c.key
		}
		m.Baseline = &history.BaselineData{Inputs: c.inputs, Key: key, Cached: c.cached}
		if got := m.foreignBaseline(); (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestIncarnationsThatEndAtOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Incarnation)
		want   bool
	}{
		"it runs":                     {func(*Incarnation) {}, false},
		"it failed":                   {func(i *Incarnation) { i.Pod.Finished = ms(3_500) }, true},
		"it failed after a long time": {func(i *Incarnation) { i.Pod.Finished = ms(30_000) }, true},
		"it was removed":              {func(i *Incarnation) { i.Pod.Deleted = ms(3_500) }, true},
		"it succeeded at once":        {func(i *Incarnation) { i.Pod.Finished, i.Pod.Succeeded = ms(3_000), true }, true},
		"it succeeded":                {func(i *Incarnation) { i.Pod.Finished, i.Pod.Succeeded = ms(3_001), true }, false},
		"Spark started": {func(i *Incarnation) {
			i.Pod.Finished = ms(3_500)
			i.Driver = &Process{Alive: spans{{ms(3_000), ms(3_100)}}}
		}, false},
		"a process without records": {func(i *Incarnation) { i.Pod.Finished = ms(3_500); i.Driver = &Process{} }, true},
	} {
		m := NewModel()
		victim, next := driverAt(m, 1, "n1", 500), driverAt(m, 2, "n2", 2_000)
		c.change(next)
		r := crashed(m, blow{fault: landedFault("nodePowerOff", "n1", 1_000, 0), victim: victim}, next)
		if (r != nil) != c.want || r != nil && (r.Verdict != Inconclusive || len(r.Evidence) != 3) {
			t.Errorf("%s: got %+v, want %v", name, r, c.want)
		}
	}
}

func TestBarePodsAreNotMadeAnew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Model, *Pod)
		want   Verdict
		says   string
	}{
		"deleted":                {func(_ *Model, p *Pod) { p.Terminating = ms(4_000) }, Violation, "was a bare pod"},
		"still there":            {func(*Model, *Pod) {}, Inconclusive, "before the bound"},
		"ended before the fault": {func(_ *Model, p *Pod) { p.Terminating = ms(900) }, Inconclusive, "before the bound"},
		"owned by something":     {func(_ *Model, p *Pod) { p.Terminating, p.Owner.UID = ms(4_000), "rs" }, Inconclusive, "before the bound"},
		"a Job's":                {func(m *Model, p *Pod) { p.Terminating, m.Workload.DriverKind = ms(4_000), "Job" }, Inconclusive, "before the bound"},
		"of a Job that failed": {func(m *Model, _ *Pod) {
			m.Workload.DriverKind, m.jobs["j"] = "Job", &Job{Failed: ms(5_000), Reason: "BackoffLimitExceeded"}
		}, Violation, "its Job failed 4s after the fault (BackoffLimitExceeded)"},
		"of a Job that completed": {func(m *Model, _ *Pod) {
			m.Workload.DriverKind, m.jobs["j"] = "Job", &Job{Failed: ms(5_000), Complete: ms(4_000)}
		}, Inconclusive, "before the bound"},
	} {
		m := NewModel()
		m.Workload, m.Ended = history.WorkloadData{DriverKind: "Pod", DriverUID: "j"}, ms(10_000)
		victim := driverAt(m, 1, "n1", 500)
		c.change(m, victim.Pod)
		r := notRescheduled(m, []*Incarnation{victim}, blow{fault: landedFault("nodePowerOff", "n1", 1_000, 0), victim: victim}, 9*second)
		if r.Verdict != c.want || !strings.Contains(r.Message, c.says) {
			t.Errorf("%s: %s: %s, want %s with %q", name, r.Verdict, r.Message, c.want, c.says)
		}
	}
}

func TestRangesOfOffsets(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]offsets{
		"0-150": {{0, 150}}, "0-150,160-200": {{0, 150}, {160, 200}}, "3-4": {{3, 4}},
		"": nil, "5-5": nil, "5-4": nil, "-1-4": nil, "x-4": nil, "0-x": nil, "4": nil, "0-4,": nil,
	} {
		got, err := parseRanges(text)
		if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(offsets{})); diff != "" || (err == nil) != (want != nil) {
			t.Errorf("%q: %v (-want +got):\n%s", text, err, diff)
		}
	}
}
