package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func somePlan() *plan.Plan {
	return &plan.Plan{
		APIVersion: plan.APIVersion, Kind: plan.Kind, Seed: 7, Baseline: true,
		Scenario: plan.Origin{Name: "some-scenario", Digest: "sha256:" + strings.Repeat("0", 64)},
		Cluster:  plan.Cluster{Kind: "fake", Workers: 1, Timing: "fast"},
		Workload: scenario.Workload{Application: scenario.Application{Name: "app", MainClass: "x.Y"}},
	}
}

// fakeProgress remembers what was said.
type fakeProgress struct{ said []string }

func (p *fakeProgress) Say(format string, _ ...any) { p.said = append(p.said, format) }

func (p *fakeProgress) Await(string, time.Duration, func() string) func() { return func() {} }

// fakeClusters cannot make a cluster.
type fakeClusters struct {
	err       error
	removed   []string
	removeErr error

	mu     sync.Mutex
	opened cluster.Cluster
}

func (f *fakeClusters) Kind() string { return "fake" }

func (f *fakeClusters) Make(context.Context, cluster.Spec) (cluster.Cluster, bool, error) {
	return nil, false, f.err
}

// close removes the cluster under a run.
func (f *fakeClusters) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened = nil
}

func (f *fakeClusters) Open(string) (cluster.Cluster, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.opened == nil {
		return nil, cluster.ErrNotFound
	}
	return f.opened, nil
}

func (f *fakeClusters) Names() ([]string, error) { return nil, nil }

func (f *fakeClusters) Remove(_ context.Context, name string) (bool, error) {
	f.removed = append(f.removed, name)
	return true, f.removeErr
}

func someOptions(t *testing.T, clusters cluster.Provider) Options {
	t.Helper()
	dir := t.TempDir()
	return Options{
		Task:  Task{Plan: somePlan(), Scenario: []byte("as it was written\n")},
		Place: Place{ClusterName: "c", Clusters: clusters},
		Supplies: Supplies{
			Image: func(context.Context, scenario.Workload) (Image, error) {
				return Image{Reference: "r", Digest: "d"}, nil
			},
			WitnessJar: func(context.Context) ([]byte, error) { return []byte("jar"), nil },
		},
		Files: Files{
			Runs: filepath.Join(dir, "runs"), Baselines: filepath.Join(dir, "baselines"), Active: ActiveRuns{Dir: filepath.Join(dir, "active")},
		},
		Harness: Harness{Progress: &fakeProgress{}, Version: "test"},
	}
}

func TestSightIsLostFromTheFirstFailureOn(t *testing.T) {
	t.Parallel()
	start, trouble := time.Unix(1000, 0), errors.New("the engine does not answer")
	var s sight
	for i, look := range []struct {
		after time.Duration
		err   error
		want  time.Duration
	}{
		{0, nil, 0}, {2 * time.Second, trouble, 0}, {7 * time.Second, trouble, 5 * time.Second}, {9 * time.Second, nil, 0},
		{11 * time.Second, trouble, 0}, {60 * time.Second, trouble, 49 * time.Second},
	} {
		if got := s.look(start.Add(look.after), look.err); got != look.want {
			t.Errorf("look %d: blind for %v, want %v", i, got, look.want)
		}
	}
}

func TestMakeDirectoryNeverMeetsAnother(t *testing.T) {
	t.Parallel()
	runs := filepath.Join(t.TempDir(), "runs")
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var made []string
	for range 3 {
		d, err := MakeDirectory(runs, somePlan(), now)
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, filepath.Base(string(d)))
		latest, err := os.Readlink(filepath.Join(runs, "latest"))
		if err != nil || latest != filepath.Base(string(d)) {
			t.Errorf("latest is %s, %v; want %s", latest, err, d)
		}
	}
	want := []string{"20260102T030405-some-scenario-7", "20260102T030405-some-scenario-7-2", "20260102T030405-some-scenario-7-3"}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Error(diff)
	}
	if a, b := runID("s", Directory(made[0])), runID("s", Directory(made[1])); a == b || len(a) > 63 {
		t.Errorf("ids %s and %s", a, b)
	}
}

func TestARunWithoutClusterEndsAsErrorAndIsForgotten(t *testing.T) {
	t.Parallel()
	clusters := &fakeClusters{err: errors.New("no machine to be had")}
	options := someOptions(t, clusters)
	finished, err := Run(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	if finished.Err == nil || !strings.Contains(finished.Err.Error(), "no machine to be had") || finished.LeftBehind != nil {
		t.Errorf("finished %+v", finished)
	}
	if m, _ := readBack(t, finished.Directory.History()); m.Ended.Never() || !strings.Contains(m.End.Error, "no machine to be had") {
		t.Errorf("the history ends with %+v", m.End)
	}
	stored, err := os.ReadFile(finished.Directory.Scenario())
	if err != nil || string(stored) != "as it was written\n" {
		t.Errorf("the scenario: %q, %v", stored, err)
	}
	if dead, err := options.Active.Dead(t.Context()); err != nil || len(dead) != 0 {
		t.Errorf("%d runs to clean up, %v", len(dead), err)
	}
	if len(clusters.removed) != 0 {
		t.Errorf("removed clusters that it had not made: %v", clusters.removed)
	}
}

func TestTheHistoryNamesTheScenarioByItsDigest(t *testing.T) {
	t.Parallel()
	const text = "as it was written\n"
	digest := sha256.Sum256([]byte(text))
	for name, tt := range map[string]struct {
		scenario []byte
		want     string
	}{
		"a scenario":  {[]byte(text), hex.EncodeToString(digest[:])},
		"only a plan": {nil, ""},
	} {
		options := someOptions(t, &fakeClusters{err: errors.New("no machine to be had")})
		options.Scenario = tt.scenario
		finished, err := Run(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(finished.Directory.History())
		if err != nil {
			t.Fatal(err)
		}
		var event history.Event
		var data history.RunData
		if err := errors.Join(history.NewReader(file).Next(&event), file.Close()); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(event.Data, &data); err != nil || data.ScenarioSHA256 != tt.want {
			t.Errorf("%s: digest %q, %v; want %q", name, data.ScenarioSHA256, err, tt.want)
		}
	}
}

func TestAnInterruptedRunSaysSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	options := someOptions(t, &fakeClusters{})
	options.Image = func(ctx context.Context, _ scenario.Workload) (Image, error) {
		cancel()
		return Image{}, ctx.Err()
	}
	finished, err := Run(ctx, options)
	if err != nil || !errors.Is(finished.Err, context.Canceled) {
		t.Fatalf("finished %+v, %v", finished, err)
	}
	if m, _ := readBack(t, finished.Directory.History()); !m.End.Interrupted || m.End.Error != "" {
		t.Errorf("the history ends with %+v; want an interrupt and no error", m.End)
	}
}

// TestALockOutlivesItsProcess has the lock of a killed run held on for a moment, as by a process that the run was about to start.
func TestALockOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	active := ActiveRuns{Dir: t.TempDir()}
	run, err := active.Register(ActiveRecord{RunID: "run-1"})
	if err != nil {
		t.Fatal(err)
	}
	run.record.PID = ended.Process.Pid
	if err := run.rewrite(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(200*time.Millisecond, run.Release)
	dead, err := active.Dead(t.Context())
	if err != nil || len(dead) != 1 {
		t.Fatalf("dead: %v, %v", dead, err)
	}
	dead[0].Release()
}

func TestActiveRuns(t *testing.T) {
	t.Parallel()
	active := ActiveRuns{Dir: filepath.Join(t.TempDir(), "active")}
	if dead, err := active.Dead(t.Context()); err != nil || dead != nil {
		t.Errorf("of nothing: %v, %v", dead, err)
	}
	record := ActiveRecord{RunID: "run-1", ClusterName: "a-cluster-with-a-rather-long-name", ClusterKind: "fake"}
	run, err := active.Register(record)
	if err != nil {
		t.Fatal(err)
	}
	if dead, err := active.Dead(t.Context()); err != nil || len(dead) != 0 {
		t.Errorf("a living run is taken for dead: %v, %v", dead, err)
	}
	if err := run.Made(true); err != nil {
		t.Fatal(err)
	}
	run.Release() // as the kernel does when the process ends
	dead, err := active.Dead(t.Context())
	if err != nil || len(dead) != 1 {
		t.Fatalf("dead: %v, %v", dead, err)
	}
	record.MadeCluster, record.PID = true, os.Getpid()
	if diff := cmp.Diff(record, dead[0].Record()); diff != "" {
		t.Error(diff)
	}
	if again, err := active.Dead(t.Context()); err != nil || len(again) != 0 {
		t.Errorf("two commands clean up after one run: %v, %v", again, err)
	}
	if err := dead[0].Forget(); err != nil {
		t.Fatal(err)
	}
	dead[0].Release()
	if left, err := active.Dead(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("forgotten and still there: %v, %v", left, err)
	}
	if err := os.WriteFile(filepath.Join(active.Dir, "bad.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := active.Dead(t.Context()); err == nil || !strings.Contains(err.Error(), "bad.json") {
		t.Errorf("a damaged record: %v", err)
	}
}

// fakeCluster has no API server.
type fakeCluster struct{ cluster.Cluster }

func (fakeCluster) Name() string { return "c" }

func (fakeCluster) Nodes(context.Context) ([]cluster.Node, error) {
	return nil, errors.New("the nodes cannot be seen")
}

func (fakeCluster) RESTConfig() (*rest.Config, error) {
	return nil, errors.New("no API server")
}

func TestTargetsAreTheLiveIncarnations(t *testing.T) {
	t.Parallel()
	story := historytest.PowerOff(map[string]any{})
	content, err := story.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	at := func(until time.Duration) targets {
		t.Helper()
		var kept strings.Builder
		for line := range strings.Lines(string(content)) {
			var e history.Event
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			if e.Offset <= until {
				kept.WriteString(line)
			}
		}
		m, _ := modelOf(t, []byte(kept.String()))
		return targets{live: &live{model: m}}
	}
	if _, err := at(0).Driver(); err == nil || !strings.Contains(err.Error(), "no driver runs") {
		t.Errorf("before there is a driver: %v", err)
	}
	first, err := at(9 * time.Second).Driver()
	if err != nil || first.UID != "d1" || first.Node != "n1" {
		t.Errorf("before the fault: %+v, %v", first, err)
	}
	executors, err := at(9 * time.Second).Executors()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range executors {
		names = append(names, e.Name)
	}
	if diff := cmp.Diff([]string{"driver-d1-exec-1", "driver-d1-exec-2"}, names); diff != "" {
		t.Errorf("executors of the first driver: %s", diff)
	}
	second, err := at(30 * time.Second).Driver()
	if err != nil || second.UID != "d2" {
		t.Errorf("after the fault: %+v, %v", second, err)
	}
}

func TestFailureIsTheWorkloadsOwn(t *testing.T) {
	t.Parallel()
	event := func(kind, uid, data string) history.Event {
		return history.Event{Seq: 2, Source: history.Kubernetes, Type: history.Modified, Object: &history.Object{Kind: kind, UID: uid},
			Data: json.RawMessage(data)}
	}
	launched := history.Event{Seq: 1, Source: history.Harness, Type: history.WorkloadLaunched,
		Data: json.RawMessage(`{"driverUID":"u","driverName":"d","driverKind":"Pod"}`)}
	failedJob := `{"status":{"conditions":[{"type":"Failed","status":"True"}]}}`
	for name, tt := range map[string]struct {
		event history.Event
		want  bool
	}{
		"its Job failed":         {event("Job", "u", failedJob), true},
		"another Job failed":     {event("Job", "v", failedJob), false},
		"its Job works":          {event("Job", "u", `{"status":{}}`), false},
		"its bare pod failed":    {event("Pod", "u", `{"status":{"phase":"Failed"}}`), true},
		"its bare pod succeeded": {event("Pod", "u", `{"status":{"phase":"Succeeded"}}`), false},
		"a damaged object":       {event("Job", "u", `{`), false},
	} {
		m := model.New()
		m.Observe(&launched)
		if failed(m) {
			t.Errorf("%s: the launch is taken for a failure", name)
		}
		m.Observe(&tt.event)
		if got := failed(m); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestBaselineIsKnownByWorkloadAndImage(t *testing.T) {
	t.Parallel()
	base := &run{Options: someOptions(t, &fakeClusters{}), image: Image{Reference: "r", Digest: "sha256:1"}}
	key := func(change func(*run)) string {
		t.Helper()
		copied := *base
		p := *base.Plan
		copied.Plan = &p
		change(&copied)
		inputs, err := copied.baselineInputs()
		if err != nil {
			t.Fatal(err)
		}
		return baselineKey(inputs)
	}
	same := key(func(*run) {})
	for name, tt := range map[string]struct {
		change func(*run)
		same   bool
	}{
		"how the driver is run":      {func(r *run) { r.Plan.Workload.Driver.Kind = "Pod" }, true},
		"another seed":               {func(r *run) { r.Plan.Seed++ }, true},
		"other arguments":            {func(r *run) { r.Plan.Workload.Application.Args = []string{"--x"} }, false},
		"other executors":            {func(r *run) { r.Plan.Workload.Executors.Instances = 9 }, false},
		"other content of the image": {func(r *run) { r.image.Digest = "sha256:2" }, false},
	} {
		if got := key(tt.change); (got == same) != tt.same {
			t.Errorf("%s: the same key %v, want %v", name, got == same, tt.same)
		}
	}
}

func TestCachedBaselines(t *testing.T) {
	t.Parallel()
	r := &run{Options: someOptions(t, &fakeClusters{}), image: Image{Reference: "r", Digest: "sha256:1"}}
	r.Plan.Workload.Application.Args = []string{"--less<than&that"}
	inputs, err := r.baselineInputs()
	if err != nil {
		t.Fatal(err)
	}
	key := baselineKey(inputs)
	good := history.BaselineData{Results: map[string]string{"a": "1"}, RunID: "x", Key: key, Inputs: inputs}
	other := strings.Replace(string(inputs), "sha256:1", "sha256:2", 1)
	for name, tt := range map[string]struct {
		change func(*history.BaselineData)
		want   string // of the error; empty if it is good
	}{
		"good":               {func(*history.BaselineData) {}, ""},
		"no results":         {func(d *history.BaselineData) { d.Results = nil }, "no results"},
		"an older release's": {func(d *history.BaselineData) { d.Inputs = nil }, "older release"},
		"of other inputs":    {func(d *history.BaselineData) { d.Inputs = json.RawMessage(other) }, "damaged"},
		"under another key":  {func(d *history.BaselineData) { d.Key = "0011223344556677" }, "damaged"},
		"consistent, but another's": {func(d *history.BaselineData) { d.Inputs = json.RawMessage(other); d.Key = baselineKey(d.Inputs) },
			"damaged"},
		"inputs that are no object ": {func(d *history.BaselineData) { d.Inputs = json.RawMessage(`"x"`) }, "damaged"},
	} {
		file := filepath.Join(t.TempDir(), "b.json")
		data := good
		tt.change(&data)
		if err := writeBaseline(file, data); err != nil {
			t.Fatal(err)
		}
		got, err := readBaseline(file, key)
		if tt.want == "" && (err != nil || cmp.Diff(good, got) != "") {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want mention of %q", name, err, tt.want)
		}
	}
	file := filepath.Join(t.TempDir(), "b.json")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readBaseline(file, key); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged baseline: %v", err)
	}
}

// TestTheBaselinesKeyCanBeRecomputed reads a baseline from a history, as a judge does.
func TestTheBaselinesKeyCanBeRecomputed(t *testing.T) {
	t.Parallel()
	options := someOptions(t, &fakeClusters{})
	options.Plan.Workload.Application.Args = []string{"--less<than&that", "é\u2028"}
	path := filepath.Join(t.TempDir(), "history.ndjson")
	log, err := history.Create(path, history.SystemClock{})
	if err != nil {
		t.Fatal(err)
	}
	r := &run{Options: options, image: Image{Reference: "r", Digest: "sha256:1"}, log: log}
	inputs, err := r.baselineInputs()
	if err != nil {
		t.Fatal(err)
	}
	cached := history.BaselineData{Results: map[string]string{"a": "1"}, Key: baselineKey(inputs), Inputs: inputs}
	if err := writeBaseline(filepath.Join(options.Baselines, cached.Key+".json"), cached); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.baseline(t.Context()), log.Close()); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	var event history.Event
	if err := history.NewReader(file).Next(&event); err != nil {
		t.Fatal(err)
	}
	var got history.BaselineData
	if err := json.Unmarshal(event.Data, &got); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(got.Inputs)
	if want := hex.EncodeToString(digest[:8]); got.Key != want || !got.Cached {
		t.Errorf("the history says %+v, but its inputs have the key %s", got, want)
	}
	var decoded history.BaselineInputs
	if err := json.Unmarshal(got.Inputs, &decoded); err != nil || decoded.Image != "r" || decoded.ImageID != "sha256:1" {
		t.Errorf("inputs %+v, %v", decoded, err)
	}
}

func TestLedgerOfTheBaseline(t *testing.T) {
	t.Parallel()
	second := time.Second
	commit := func(b *historytest.Builder, learned, written time.Duration, incarnation, key, value string) {
		b.Witness(learned, written, history.WitnessRecord{
			Type: history.Ledger, Role: "driver", PodUID: incarnation, PodName: "p-" + incarnation, Incarnation: incarnation,
			Detail: map[string]string{"key": key, "value": value},
		})
	}
	b := historytest.New()
	b.Harness(0, history.WorkloadLaunched, history.WorkloadData{Namespace: "ns", DriverKind: "Job", DriverName: "driver", DriverUID: "job"})
	b.Pod(second, history.Added, historytest.Pod{UID: "d1", Name: "p-d1", Namespace: "ns", Node: "n1", OwnerKind: "Job", Owner: "job",
		Phase: "Running"})
	b.Pod(second, history.Added, historytest.Pod{UID: "x1", Name: "p-x1", Namespace: "other", Node: "n1", OwnerKind: "Job", Owner: "other",
		Phase: "Running"})
	commit(b, 10*second, 10*second, "d1", "late", "final")
	commit(b, 5*second, 5*second, "d1", "in order", "first")
	commit(b, 6*second, 6*second, "d1", "in order", "second")
	commit(b, 20*second, 4*second, "d1", "late", "intermediate") // from the disk
	commit(b, 7*second, 7*second, "d1", "at once", "first")
	commit(b, 7*second, 7*second, "d1", "at once", "second")
	commit(b, 21*second, 21*second, "x1", "late", "a stranger's")
	commit(b, 22*second, 22*second, "x1", "strange", "a stranger's")
	content, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	m, _ := modelOf(t, content)
	if diff := cmp.Diff(map[string]string{"late": "final", "in order": "second", "at once": "second"}, ledger(m)); diff != "" {
		t.Error(diff)
	}
}

func TestHeartbeats(t *testing.T) {
	t.Parallel()
	h := &heartbeats{last: map[string]heartbeat{}}
	var _ faults.Heartbeats = h
	if _, ok := h.Last("u"); ok {
		t.Error("heard of a pod that never was")
	}
	h.heard("u", time.Now().Add(time.Hour))
	if at, ok := h.Last("u"); !ok || at.IsZero() {
		t.Errorf("%v, %v", at, ok)
	}
	if ahead := h.Ahead("u"); ahead < 59*time.Minute || ahead > time.Hour {
		t.Errorf("its clock is ahead by %v, want an hour", ahead)
	}
}
