package check

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// driverAt is an incarnation on a node whose pod ran from a time on.
func driverAt(m *model.Model, number int, node string, running int64) *model.Incarnation {
	uid := "d" + string(rune('0'+number))
	pod := &model.Pod{UID: uid, Name: uid, Node: node, Added: ms(running - 500), Placed: ms(running - 400), Running: ms(running)}
	m.Pods[uid] = pod
	return &model.Incarnation{Number: number, UID: uid, Name: uid, Node: node, Pod: pod}
}

func TestHowAFaultEnded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault model.Fault
		want  Landed
	}{
		"landed and undone": {model.Fault{Landed: ms(5), Recovered: ms(9)}, Landed{Landed: true, Recovered: true, Evidence: 5}},
		"undone at the second try": {model.Fault{Landed: ms(5), NotRecovered: ms(7), Recovered: ms(9), Reason: "busy"},
			Landed{Landed: true, Recovered: true, Evidence: 5}},
		"not undone": {model.Fault{Landed: ms(5), NotRecovered: ms(9), Reason: " busy "},
			Landed{Landed: true, Reason: "busy", Evidence: 5}},
		"undone, then not": {model.Fault{Landed: ms(5), Recovered: ms(7), NotRecovered: ms(9), Reason: "busy"},
			Landed{Landed: true, Reason: "busy", Evidence: 5}},
		"still there": {model.Fault{Landed: ms(5), Reason: "old"}, Landed{Landed: true, Evidence: 5}},
		"not landed":  {model.Fault{DidNotLand: ms(5)}, Landed{Reason: "the history does not say why"}},
		"it lapsed": {model.Fault{Landed: ms(5), Lapsed: "it thawed", Recovered: ms(9)},
			Landed{Landed: true, Lapsed: true, Recovered: true, Reason: "it thawed", Evidence: 5}},
	} {
		if diff := gocmp.Diff(c.want, landing(&c.fault)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := failure((*model.Fault)(nil)); got != "it was never injected" {
		t.Errorf("got %q", got)
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

func TestStandInsAtTheirBoundaries(t *testing.T) {
	t.Parallel()
	m := model.New()
	m.Ended = ms(30_000)
	moment := func(seen [2]int64) model.Moment {
		if seen[0] == 0 {
			return model.Moment{}
		}
		at := ms(seen[0])
		if seen[1] > 0 {
			at.Since = ms(seen[1]).At
		}
		return at
	}
	at := func(n int64) [2]int64 { return [2]int64{n, 0} }
	never := at(0)
	for name, c := range map[string]struct {
		lost, asked, ended [2]int64 // when it was seen, and since when it may have been so; 0: never
		early              bool
		may, does          bool
	}{
		"asked promptly":                           {at(10_000), at(15_000), at(20_000), false, false, false},
		"asked late, after the old one ended":      {at(10_000), at(20_000), at(19_999), false, true, true},
		"asked late, the old one ended promptly":   {at(10_000), at(20_000), at(15_000), false, false, false},
		"asked late, but before the old one ended": {at(10_000), at(19_999), at(20_000), false, false, false},
		"asked late, and the old one is there":     {at(10_000), at(15_001), never, false, true, true},
		"never asked":                              {at(10_000), never, at(15_001), false, true, true},
		"never asked, at the end":                  {at(25_000), never, never, false, false, false},
		"never asked, just before the end":         {at(24_999), never, never, false, true, true},
		"asked late, as it was seen":               {at(10_000), [2]int64{20_000, 10_500}, at(19_999), false, true, false},
		"lost just before, as it was seen":         {[2]int64{19_000, 10_000}, at(20_000), at(19_999), false, true, false},
		"the old one ended late, as it was seen":   {at(10_000), at(20_000), [2]int64{19_999, 11_000}, false, true, false},
		"seen late, and too late in any case": {[2]int64{10_000, 9_000}, [2]int64{20_000, 15_500}, [2]int64{15_400, 15_100},
			false, true, true},
		"asked a little before the loss was seen":             {at(10_000), at(9_900), at(20_000), true, true, false},
		"asked a little before, and the old one is gone, too": {at(10_000), at(9_900), at(12_000), true, false, false},
	} {
		driver := &model.Incarnation{Driver: &model.Process{Alive: model.Spans{{From: ms(1_000), To: ms(30_000)}}}}
		old := &model.Pod{Terminating: moment(c.ended)}
		may, does := stands(m, old, missed{driver: driver, lost: moment(c.lost), asked: moment(c.asked), early: c.early})
		if may != c.may || does != c.does {
			t.Errorf("%s: it may have stood in %v, for certain %v; want %v and %v", name, may, does, c.may, c.does)
		}
	}
}

func TestWhatAControlMustNotLand(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		faults    []*model.Fault
		notLanded []string
		want      []string
	}{
		"none is named":   {nil, nil, []string{"it does not say which faults must not land (control.notLanded)"}},
		"tried in vain":   {[]*model.Fault{{Name: "f", Injecting: ms(5), DidNotLand: ms(6)}}, []string{"f"}, nil},
		"refused at once": {[]*model.Fault{{Name: "f", DidNotLand: ms(6)}}, []string{"f"}, nil},
		"never tried":     {nil, []string{"f"}, []string{"fault f was never injected"}},
		"planned alone":   {[]*model.Fault{{Name: "f"}}, []string{"f"}, []string{"fault f was never injected"}},
		"landed":          {[]*model.Fault{{Name: "f", Injecting: ms(5), Landed: ms(6)}}, []string{"f"}, []string{"fault f landed"}},
		"nobody knows": {[]*model.Fault{{Name: "f", Injecting: ms(5)}}, []string{"f"},
			[]string{"nothing shows that fault f did not land"}},
		"one of two is tried,": {[]*model.Fault{{Name: "g", DidNotLand: ms(6)}}, []string{"f", "g"}, []string{"fault f was never injected"}},
	} {
		m := model.New()
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
		"sound": {`{"apiVersion":"sparkchaos.dev/v1alpha1","kind":"Plan","steps":[{"fault":"f","action":"inject"},` +
			`{"fault":"f","action":"recover"}],"expect":[{"driverKept":{}}]}`, ""},
	} {
		m := model.New()
		m.Run.Plan = json.RawMessage(c.plan)
		_, err := readPlan(m.Run)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
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
		"another image": {inputs(`"image":"i"`, `"image":"j"`), "", true,
			"it was made with the image j sha256:1, the run has i sha256:1"},
		"another build of it": {inputs("sha256:1", "sha256:2"), "", true,
			"it was made with the image i sha256:2, the run has i sha256:1"},
		"another seed": {inputs(`"seed":7`, `"seed":8`), "", true, "it was made with the seed 8, the run has 7"},
		"no seed":      {inputs(`"seed":7`, `"seed":0`), "", true, ""},
	} {
		m := baselineModel(plan)
		digest := sha256.Sum256(c.inputs)
		key := hex.EncodeToString(digest[:8])
		if c.key != "" {
			key = c.key
		}
		m.Baseline = &history.BaselineData{Inputs: c.inputs, Key: key, Cached: c.cached}
		if got := foreignBaseline(m); (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// baselineModel is a model of a run of a plan that knows its image and seed.
func baselineModel(plan string) *model.Model {
	m := model.New()
	m.Run.Plan, m.Run.Seed = json.RawMessage(plan), 7
	m.Workload.Image, m.Workload.ImageID = "i", "sha256:1"
	return m
}

// A baseline depends on all that decides a result, beside the application and its settings, too.
func TestBaselinesOfOtherSurroundings(t *testing.T) {
	t.Parallel()
	const template = `{"spec":{"hostNetwork":true}}`
	plan := func(argument, template string) string {
		return `{"workload":{"application":{"args":["` + argument + `"]},"driver":{"template":` + template + `}}}`
	}
	inputs := func(argument, template, artifacts string, seed int) json.RawMessage {
		return json.RawMessage(`{"application":{"args":["` + argument + `"]},"image":"i","imageID":"sha256:1","seed":` + strconv.Itoa(seed) +
			`,"artifacts":"` + artifacts + `","driverTemplate":` + template + `}`)
	}
	const source = "--source=$(SPARKCHAOS_SOURCE_HOST)"
	for name, c := range map[string]struct {
		plan   string
		inputs json.RawMessage
		staged string
		want   string
	}{
		"the same":          {plan("a", template), inputs("a", template, "aabb", 0), "aabb", ""},
		"no template, null": {plan("a", "null"), inputs("a", "null", "", 0), "", ""},
		"another template": {plan("a", template), inputs("a", "{}", "", 0), "",
			"its template of the driver's pod is another one"},
		"other artifacts":                 {plan("a", "null"), inputs("a", "null", "aabb", 0), "ccdd", "it was made with other artifacts"},
		"without artifacts":               {plan("a", "null"), inputs("a", "null", "", 0), "ccdd", "it was made with other artifacts"},
		"artifacts and manifests":         {plan("a", "null"), inputs("a", "null", "eeffccdd", 0), "ccdd", ""},
		"reads the source with this seed": {plan(source, "null"), inputs(source, "null", "", 7), "", ""},
		"reads the source with unknown seed": {plan(source, "null"), inputs(source, "null", "", 0), "",
			"it was made with the seed 0, the run has 7"},
	} {
		m := baselineModel(c.plan)
		m.Artifacts.Upload.SHA256 = c.staged
		digest := sha256.Sum256(c.inputs)
		m.Baseline = &history.BaselineData{Inputs: c.inputs, Key: hex.EncodeToString(digest[:8])}
		if got := foreignBaseline(m); (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestIncarnationsThatEndAtOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*model.Incarnation)
		want   bool
	}{
		"it runs":                     {func(*model.Incarnation) {}, false},
		"it failed":                   {func(i *model.Incarnation) { i.Pod.Finished = ms(3_500) }, true},
		"it failed after a long time": {func(i *model.Incarnation) { i.Pod.Finished = ms(30_000) }, true},
		"it was removed":              {func(i *model.Incarnation) { i.Pod.Deleted = ms(3_500) }, true},
		"it succeeded at once":        {func(i *model.Incarnation) { i.Pod.Finished, i.Pod.Succeeded = ms(3_000), true }, true},
		"it succeeded":                {func(i *model.Incarnation) { i.Pod.Finished, i.Pod.Succeeded = ms(3_001), true }, false},
		"Spark started": {func(i *model.Incarnation) {
			i.Pod.Finished = ms(3_500)
			i.Driver = &model.Process{Alive: model.Spans{{From: ms(3_000), To: ms(3_100)}}}
		}, false},
		"a process without records": {func(i *model.Incarnation) { i.Pod.Finished = ms(3_500); i.Driver = &model.Process{} }, true},
	} {
		m := model.New()
		victim, next := driverAt(m, 1, "n1", 500), driverAt(m, 2, "n2", 2_000)
		c.change(next)
		r := crashed(m, model.DriverLoss{Fault: landedFault("nodePowerOff", "n1", 1_000, 0), Driver: victim}, next)
		if (r != nil) != c.want || r != nil && (r.Verdict != Inconclusive || len(r.Evidence) != 3) {
			t.Errorf("%s: got %+v, want %v", name, r, c.want)
		}
	}
}

func TestBarePodsAreNotMadeAnew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*model.Model, *model.Pod)
		want   Verdict
		says   string
	}{
		"deleted":                {func(_ *model.Model, p *model.Pod) { p.Terminating = ms(4_000) }, Violation, "was a bare pod"},
		"still there":            {func(*model.Model, *model.Pod) {}, Inconclusive, "before the bound"},
		"ended before the fault": {func(_ *model.Model, p *model.Pod) { p.Terminating = ms(900) }, Inconclusive, "before the bound"},
		"owned by something": {func(_ *model.Model, p *model.Pod) { p.Terminating, p.Owner.UID = ms(4_000), "rs" }, Inconclusive,
			"before the bound"},
		"a Job's": {func(m *model.Model, p *model.Pod) { p.Terminating, m.Workload.DriverKind = ms(4_000), "Job" }, Inconclusive,
			"before the bound"},
		"of a Job that failed": {func(m *model.Model, _ *model.Pod) {
			m.Workload.DriverKind, m.Jobs["j"] = "Job", &model.Job{Failed: ms(5_000), Reason: "BackoffLimitExceeded"}
		}, Violation, "its Job failed 4s after the fault (BackoffLimitExceeded)"},
		"an operator's": {func(m *model.Model, p *model.Pod) {
			p.Terminating, m.Workload.DriverKind = ms(4_000), "SparkApplication"
		}, Inconclusive, "before the bound"},
		"of an operator that gave up": {func(m *model.Model, _ *model.Pod) {
			m.Workload.DriverKind, m.Jobs["j"] = "SparkApplication", &model.Job{Failed: ms(5_000), Reason: "driver pod not found"}
		}, Violation, "its SparkApplication failed 4s after the fault (driver pod not found)"},
		"of a Job that completed": {func(m *model.Model, _ *model.Pod) {
			m.Workload.DriverKind, m.Jobs["j"] = "Job", &model.Job{Failed: ms(5_000), Complete: ms(4_000)}
		}, Inconclusive, "before the bound"},
	} {
		m := model.New()
		m.Workload, m.Ended = history.WorkloadData{DriverKind: "Pod", DriverUID: "j"}, ms(10_000)
		victim := driverAt(m, 1, "n1", 500)
		c.change(m, victim.Pod)
		r := notRescheduled(m, model.Incarnations{victim}, model.DriverLoss{Fault: landedFault("nodePowerOff", "n1", 1_000, 0), Driver: victim},
			9*second)
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
