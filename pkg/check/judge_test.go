package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// everything is a plan with all invariants.
func everything() map[string]any {
	plan := historytest.Expect("driverRescheduled", args{"within": "20s"})
	plan["expect"] = []any{
		args{"driverRescheduled": args{"within": "20s"}},
		args{"atMostOneDriver": args{"overlap": "0s"}},
		args{"executorNamesUnique": args{}},
		args{"applicationIdsUnique": args{}},
		args{"staleExecutorsGone": args{"within": "30s"}},
		args{"resultEqualsBaseline": args{}},
		args{"completes": args{"within": "1m"}},
		args{"recoveryWithin": args{"total": "30s"}},
		args{"nothingLeftBehind": args{}},
	}
	return plan
}

// TestVerdictGolden holds verdict.json, byte for byte, of a run that passes and of one that does not.
func TestVerdictGolden(t *testing.T) {
	t.Parallel()
	for name, twist := range map[string]func(*historytest.Story){"pass": nil, "violation": zombie(36 * second)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story := historytest.PowerOff(everything())
			if twist != nil {
				twist(story)
			}
			v, _ := judgeStory(t, story)
			got, err := json.MarshalIndent(v, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", "verdict-"+name+".json")
			if *update {
				if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
				t.Errorf("%s (-want +got; -update rewrites it):\n%s", path, diff)
			}
		})
	}
}

func extra(eventType string, data any) func(*historytest.Story) {
	return func(s *historytest.Story) {
		s.Extra = func(b *historytest.Builder) { b.Harness(30*second, eventType, data) }
	}
}

func faultStep(at time.Duration, eventType, reason string) func(*historytest.Story) {
	return func(s *historytest.Story) {
		s.Extra = func(b *historytest.Builder) {
			b.Fault(at, eventType, history.FaultData{Fault: historytest.FaultName, Kind: "nodePowerOff", Reason: reason})
		}
	}
}

func both(twists ...func(*historytest.Story)) func(*historytest.Story) {
	return func(s *historytest.Story) {
		for _, twist := range twists {
			twist(s)
		}
	}
}

func noEnd(s *historytest.Story) { s.Ended = 0 }

// lapsed lets the fault end before it is undone.
func lapsed(s *historytest.Story) {
	s.Extra = func(b *historytest.Builder) {
		b.Fault(39*second, history.FaultRecovering, history.FaultData{
			Fault: historytest.FaultName, Detail: map[string]string{history.DidNotHold: "probes are answered"},
		})
	}
}

// onlyDriver tells a story in which the first driver does all the work.
func onlyDriver(s *historytest.Story) {
	d := &s.Drivers[0]
	d.Silent, d.Terminating, d.Finished, d.Deleted = 44500*time.Millisecond, 0, 44600*time.Millisecond, 0
	d.Commits, d.Committed = s.Drivers[1].Commits, 44*second
	for i := range d.Executors {
		d.Executors[i].Silent, d.Executors[i].Finished, d.Executors[i].Deleted = 44*second, 45*second, 0
	}
	s.Drivers, s.NotReady = s.Drivers[:1], 0
}

// notLandedAlone tells a story in which the fault does not land and the driver keeps running.
func notLandedAlone(s *historytest.Story) {
	notLanded(s)
	if len(s.Drivers) > 1 && s.Drivers[1].Application == "spark-2" {
		onlyDriver(s)
	}
}

func notLanded(s *historytest.Story) { s.NotLanded = "the node still answers" }

func TestPrecedence(t *testing.T) {
	t.Parallel()
	expect := func(list ...any) map[string]any {
		plan := everything()
		plan["expect"] = list
		return plan
	}
	broken := func(s *historytest.Story) { s.End.Error = "the API server is gone" }
	judgeRuns(t, []runCase{
		{name: "pass", want: Pass, says: "all 9 invariants held"},
		{name: "violation", twist: zombie(36 * second), want: Violation, says: "atMostOneDriver: "},
		{name: "environment", twist: broken, want: Error, says: "the API server is gone"},
		{name: "violation before environment", twist: both(broken, zombie(36*second)), want: Violation},
		{name: "environment before a violation by absence", plan: historytest.Expect("driverRescheduled", args{"within": "20s"}),
			twist: both(broken, withoutReplacement), want: Error, says: "the API server is gone"},
		{name: "environment before inconclusive", twist: both(broken, notLanded), want: Error},
		{name: "not landed", twist: notLanded, want: Inconclusive, says: "fault lose-driver-node did not land: the node still answers"},
		{name: "violation before not landed", twist: both(notLanded, func(s *historytest.Story) { s.Drivers[1].Application = "spark-1" }),
			want: Violation, says: "applicationIdsUnique"},
		{name: "never injected", twist: withoutFault, want: Inconclusive, says: "it was never injected"},
		{name: "killed harness", twist: noEnd, want: Inconclusive, says: "the history has no end"},
		{name: "violation before killed harness", twist: both(noEnd, zombie(36*second)), want: Violation},
		{name: "interrupted", twist: func(s *historytest.Story) { s.End.Interrupted = true }, want: Inconclusive, says: "interrupted"},
		{name: "missed anchor", twist: extra(history.AnchorMissed, history.AnchorData{Step: "x/recover", Deadline: 60 * second,
			Seen: "2 pods"}), want: Inconclusive, says: "step x/recover did not come within 1m0s; seen instead: 2 pods"},
		{name: "problem of the harness", twist: extra(history.Problem, history.ProblemData{What: "following a log", Error: "EOF"}),
			want: Inconclusive, says: "following a log: EOF"},
		{name: "ended before it was undone", twist: lapsed, want: Inconclusive,
			says: "fault lose-driver-node landed, but did not hold until it was undone: probes are answered"},
		{name: "violation before ended early", twist: both(lapsed, zombie(36*second)), want: Violation},
		{name: "recovery failed", twist: both(func(s *historytest.Story) { s.Recovered = 0 },
			faultStep(41*second, history.FaultNotRecovered, "no answer")), want: Inconclusive, says: "was not recovered: no answer"},
		{name: "recovery failed, then succeeded", twist: faultStep(35*second, history.FaultNotRecovered, "no answer"), want: Pass},
		{name: "recovery planned but never done", twist: func(s *historytest.Story) { s.Recovered = 0 }, want: Inconclusive,
			says: "was not recovered"},
		{name: "data that cannot be read", twist: extra(history.DisksCollected, "rubbish"), want: Inconclusive, says: "cannot be read"},
		{name: "nothing expected", plan: expect(), want: Inconclusive, says: "expects nothing"},
		{name: "unknown invariant", plan: expect(args{"noSuchThing": args{}}), want: Inconclusive, says: `no invariant "noSuchThing"`},
		{name: "unknown argument", plan: expect(args{"completes": args{"within": "1m", "surely": true}}), want: Inconclusive, says: "surely"},
		{name: "missing argument", plan: expect(args{"completes": args{}}), want: Inconclusive, says: "within is missing"},
		{name: "two invariants in one entry", plan: expect(args{"completes": args{"within": "1m"}, "nothingLeftBehind": args{}}),
			want: Inconclusive, says: "want one"},
		{name: "one violation of several", plan: expect(args{"completes": args{"within": "1m"}}, args{"completes": args{"within": "1s"}}),
			want: Violation, says: "completes: "},
	})
}

// Nothing has held to the end of a history without one: more may have happened.
func TestNothingHasHeldWithoutAnEnd(t *testing.T) {
	t.Parallel()
	story := historytest.PowerOff(everything())
	noEnd(story)
	v, _ := judgeStory(t, story)
	for _, r := range v.Results {
		if r.Verdict != Inconclusive || !strings.Contains(r.Message, "no end") {
			t.Errorf("%s is %s: %s", r.Invariant, r.Verdict, r.Message)
		}
	}
	if len(v.Results) == 0 {
		t.Error("no result")
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	violated := args{"endsIn": "violation", "violated": []string{"atMostOneDriver"}}
	noop := args{"endsIn": "inconclusive", "notLanded": []string{historytest.FaultName}}
	tests := []struct {
		name     string
		control  args
		twist    func(*historytest.Story)
		want     Verdict
		expected bool
		says     string
	}{
		{"violated as it must be", violated, zombie(36 * second), Pass, true, "ended as expected in violation"},
		{"the harness sees nothing", violated, nil, Violation, false, "it ended in pass"},
		{"another invariant is violated", violated, func(s *historytest.Story) { s.Drivers[1].Application = "spark-1" }, Violation, false,
			"violation of atMostOneDriver"},
		{"the fault did not land", violated, notLanded, Inconclusive, false, "ended in inconclusive"},
		{"violated, but the harness was killed", violated, both(noEnd, zombie(36*second)), Violation, false, ""},
		{"violated, but the environment failed", violated, both(zombie(36*second), func(s *historytest.Story) { s.End.Error = "x" }), Violation,
			false, ""},
		{"does not land as it must not", noop, notLandedAlone, Pass, true, "did not land"},
		{"does not land, and an invariant is violated", noop, both(func(s *historytest.Story) { s.Drivers[1].Application = "spark-1" },
			notLandedAlone), Violation, false, "applicationIdsUnique was violated, too"},
		{"does not say what must not land", args{"endsIn": "inconclusive"}, notLandedAlone, Inconclusive, false, "control.notLanded"},
		{"another fault must not land", args{"endsIn": "inconclusive", "notLanded": []string{"other"}}, notLandedAlone, Inconclusive, false,
			"fault other was never injected"},
		{"never tried", noop, both(withoutFault, onlyDriver), Inconclusive, false, "was never injected"},
		{"lands", noop, extra(history.AnchorMissed, history.AnchorData{Step: "x", Deadline: second}), Inconclusive, false,
			"fault lose-driver-node landed"},
		{"an anchor is missed, too", noop, both(notLandedAlone, extra(history.AnchorMissed, history.AnchorData{Step: "x", Deadline: second})),
			Inconclusive, false, "the anchor of step x"},
		{"a driver fails by itself, too", noop, notLanded, Inconclusive, false, "no fault explains why incarnation 1"},
		{"the application does not end, too", noop, both(notLandedAlone, func(s *historytest.Story) { s.Completed = 0 }), Inconclusive, false,
			"resultEqualsBaseline is inconclusive"},
		{"inconclusive, but the harness was killed", noop, both(noEnd, notLandedAlone), Inconclusive, false, ""},
		{"was to be inconclusive, but passes", noop, nil, Violation, false, "it ended in pass"},
		{"a control cannot expect a pass", args{"endsIn": "pass"}, nil, Violation, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			plan := everything()
			plan["control"] = tt.control
			story := historytest.PowerOff(plan)
			if tt.twist != nil {
				tt.twist(story)
			}
			v, _ := judgeStory(t, story)
			if v.Control == nil || v.Control.AsExpected != tt.expected {
				t.Fatalf("control %+v, want as expected: %t", v.Control, tt.expected)
			}
			if v.Verdict != tt.want || !strings.Contains(v.Reason, tt.says) {
				t.Errorf("%s: %s; want %s with %q", v.Verdict, v.Reason, tt.want, tt.says)
			}
		})
	}
}

func TestControlInconclusiveByABrokenChecker(t *testing.T) {
	t.Parallel()
	plan := historytest.Expect("noSuchThing", args{})
	plan["control"] = args{"endsIn": "inconclusive"}
	if v, _ := judgeStory(t, historytest.PowerOff(plan)); v.Verdict != Inconclusive || v.Control.AsExpected {
		t.Errorf("%s (%s): a checker that fails must not make a control pass", v.Verdict, v.Reason)
	}
}

func TestLandings(t *testing.T) {
	t.Parallel()
	plan := everything()
	plan["steps"] = append(plan["steps"].([]any), args{"fault": "second", "action": "inject", "do": args{"podKill": args{}}})
	v, events := judgeStory(t, historytest.PowerOff(plan))
	if len(v.Faults) != 2 || v.Faults[0].Evidence == 0 || events[v.Faults[0].Evidence-1].Type != history.FaultLanded {
		t.Fatalf("faults %+v, want two, the first with the event of its landing", v.Faults)
	}
	v.Faults[0].Evidence = 0
	want := []Landed{
		{Fault: historytest.FaultName, Kind: "nodePowerOff", Landed: true, Recovered: true},
		{Fault: "second", Kind: "podKill", Reason: "it was never injected"},
	}
	if diff := cmp.Diff(want, v.Faults); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPanickingChecker(t *testing.T) {
	t.Parallel()
	definitions := append(Definitions(), Definition{
		Name: "explodes", Args: func() any { return &NoArgs{} },
		New: func(any) Checker {
			return CheckerFunc(func(m *model.Model) Result { return *asResult(m.Pods["nobody"]) })
		},
	})
	plan := everything()
	plan["expect"] = append([]any{args{"explodes": args{}}}, plan["expect"].([]any)...)
	evaluation := &Evaluation{definitions: definitions, model: model.New()}
	_, events := judgeStory(t, historytest.PowerOff(plan))
	for i := range events {
		evaluation.Observe(&events[i])
	}
	v := evaluation.Verdict(Record{})
	if v.Verdict != Inconclusive || !strings.Contains(v.Reason, "the checker of explodes failed") {
		t.Errorf("%s: %s; want inconclusive, naming the checker", v.Verdict, v.Reason)
	}
	if v.Results[0].Verdict != Inconclusive || v.Results[1].Verdict != Pass {
		t.Errorf("results %+v, want the others judged all the same", v.Results[:2])
	}
}

// asResult fails as a faulty checker would.
func asResult(p *model.Pod) *Result { return &Result{Message: p.Name} }

// TestCutHistories cuts a passing history at every line, and torn: it must never pass.
func TestCutHistories(t *testing.T) {
	t.Parallel()
	content := storyBytes(t, historytest.PowerOff(everything()))
	if v := judgeBytes(t, content); v.Verdict != Pass {
		t.Fatalf("the whole history: %s: %s", v.Verdict, v.Reason)
	}
	lines := bytes.SplitAfter(content, []byte("\n"))
	evaluation := catalogueEvaluation()
	cut := 0
	for i, line := range lines[:len(lines)-1] {
		if i%11 == 0 || i > len(lines)-30 {
			if v := evaluation.Verdict(Record{}); v.Verdict == Pass {
				t.Fatalf("cut after line %d: pass", i)
			}
		}
		// A file that is cut here must give the verdict of the live feed; looked at now and then, for it costs a whole read.
		if i%97 == 0 {
			for _, end := range []int{cut, cut + len(line)/2} {
				if v := judgeBytes(t, content[:end]); v.Verdict == Pass {
					t.Fatalf("cut at byte %d: pass", end)
				}
			}
		}
		cut += len(line)
		var event history.Event
		if err := json.Unmarshal(line, &event); err != nil {
			t.Fatal(err)
		}
		evaluation.Observe(&event)
	}
	if v := evaluation.Verdict(Record{}); v.Verdict != Pass {
		t.Errorf("fed live to its end: %s: %s", v.Verdict, v.Reason)
	}
}

// TestHoles takes single lines out of a passing history, and swaps some: it must never pass.
func TestHolesAndShuffles(t *testing.T) {
	t.Parallel()
	content := storyBytes(t, historytest.PowerOff(everything()))
	lines := bytes.SplitAfter(bytes.TrimSuffix(content, []byte("\n")), []byte("\n"))
	lines[len(lines)-1] = append(bytes.Clone(lines[len(lines)-1]), '\n')
	random := rand.New(rand.NewPCG(3, 4))
	for range 30 {
		i := random.IntN(len(lines) - 1) // without its last line a history is cut, not holed
		holed := bytes.Join(append(append([][]byte{}, lines[:i]...), lines[i+1:]...), nil)
		if v := judgeBytes(t, holed); v.Verdict == Pass {
			t.Fatalf("without line %d: pass", i+1)
		}
	}
	for range 10 {
		shuffled := append([][]byte{}, lines...)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		first := judgeBytes(t, bytes.Join(shuffled, nil))
		if first.Verdict == Pass {
			t.Fatalf("shuffled: pass")
		}
		if diff := cmp.Diff(first, judgeBytes(t, bytes.Join(shuffled, nil))); diff != "" {
			t.Fatalf("judged again (-first +second):\n%s", diff)
		}
	}
}

func TestJudgeFailsOnlyIfTheHistoryCannotBeRead(t *testing.T) {
	t.Parallel()
	content := storyBytes(t, historytest.PowerOff(everything()))
	other := bytes.Replace(content, []byte(`"formatVersion":1`), []byte(`"formatVersion":2`), 1)
	_, err := Judge(t.Context(), history.NewReader(bytes.NewReader(other)))
	var version *history.VersionError
	if !errors.As(err, &version) {
		t.Errorf("another version: %v, want a VersionError", err)
	}
}

// FuzzJudge feeds damaged histories: no panic, and a damaged one never passes.
func FuzzJudge(f *testing.F) {
	content, err := historytest.PowerOff(everything()).Bytes()
	if err != nil {
		f.Fatal(err)
	}
	var small [][]byte // without heartbeats
	for line := range bytes.Lines(content) {
		if !bytes.Contains(line, []byte(`"heartbeat"`)) {
			small = append(small, line)
		}
	}
	f.Add(bytes.Join(small, nil))
	f.Add(bytes.Join(small[:len(small)/2], nil))
	f.Fuzz(func(t *testing.T, content []byte) {
		v, err := Judge(t.Context(), history.NewReader(bytes.NewReader(content)))
		if err != nil {
			return
		}
		if v.Verdict == Pass && !bytes.Contains(content, []byte(history.RunEnded)) {
			t.Errorf("a history without an end passes: %s", v.Reason)
		}
	})
}

func TestEntriesAreComplete(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, entry := range Entries() {
		if entry.Name == "" || entry.Args == nil || names[entry.Name] || !strings.HasSuffix(entry.Doc, ".") {
			t.Errorf("entry %q: needs a name of its own, arguments and a sentence that says what it is for (%q)", entry.Name, entry.Doc)
		}
		names[entry.Name] = true
	}
}

func TestEntriesSayWhatAScenarioMustAskFor(t *testing.T) {
	t.Parallel()
	var asked []string
	for _, entry := range Entries() {
		if entry.Baseline {
			asked = append(asked, entry.Name)
		}
	}
	if diff := cmp.Diff([]string{"resultEqualsBaseline"}, asked); diff != "" {
		t.Error(diff)
	}
}
