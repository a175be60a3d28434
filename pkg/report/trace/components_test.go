package trace_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sparkchaos/sparkchaos/internal/otlp"
	"github.com/sparkchaos/sparkchaos/pkg/report/trace"
)

// exampleRun returns a recorded run, when it began, and one of its drivers.
func exampleRun(t *testing.T) (run *trace.Run, began time.Time, driver string) {
	t.Helper()
	run = read(t, filepath.Join("..", "..", "check", "testdata", "recorded", example+".ndjson.gz"))
	return run, run.Record.Model.Started.At, run.Record.Model.Incarnations()[0].Pod.UID
}

// spanFrom returns a span of a kubelet.
func spanFrom(began time.Time, id, parent, name string, from, to time.Duration, attributes ...otlp.Attribute) otlp.Span {
	return otlp.Span{
		Service: "kubelet", Host: "worker-1", Trace: strings.Repeat("0b", 16), ID: id, Parent: parent, Name: name, Kind: 2,
		Start: began.Add(from), End: began.Add(to), Attributes: attributes, Failed: parent != "", Message: "no",
	}
}

// component is a span of a component as OTLP has it.
type component struct{ parent, name string }

// exportedBy returns the spans of components in a trace, by their ids, with those of the run itself.
func exportedBy(t *testing.T, run *trace.Run) (own []otlpSpan, components map[string]otlpSpan) {
	t.Helper()
	content, err := run.OTLP()
	if err != nil {
		t.Fatal(err)
	}
	var data struct {
		ResourceSpans []struct{ ScopeSpans []struct{ Spans []otlpSpan } }
	}
	if err := json.Unmarshal(content, &data); err != nil {
		t.Fatal(err)
	}
	components = map[string]otlpSpan{}
	for i, resource := range data.ResourceSpans {
		for _, span := range resource.ScopeSpans[0].Spans {
			if i == 0 {
				own = append(own, span)
				continue
			}
			if _, twice := components[span.SpanID]; twice || len(span.SpanID) != 16 {
				t.Errorf("the id %q of span %s is there twice, or none", span.SpanID, span.Name)
			}
			components[span.SpanID] = span
		}
	}
	return own, components
}

// viewers returns a run as Chrome and Perfetto get it.
func viewers(t *testing.T, run *trace.Run) map[string][]byte {
	t.Helper()
	chrome, err := run.Chrome()
	if err != nil {
		t.Fatal(err)
	}
	perfetto, err := run.Perfetto()
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"chrome": chrome, "perfetto": perfetto}
}

// TestSpansOfComponentsArePartOfTheTrace looks at what viewers get of a span below another one, one that began before the run, one of
// another time, and those that are about a pod.
func TestSpansOfComponentsArePartOfTheTrace(t *testing.T) {
	t.Parallel()
	run, began, driver := exampleRun(t)
	pod := run.Record.Model.Pods[driver]
	url := otlp.Attribute{Key: "url.path", Value: "/api/v1/namespaces/" + pod.Namespace + "/pods/" + pod.Name + "/binding"}
	run.Exported.Spans = []otlp.Span{
		spanFrom(began, "0000000000000004", "", "of another time", -time.Hour, -time.Minute),
		spanFrom(began, "0000000000000003", "00000000000000ff", "early", -time.Second, time.Second),
		spanFrom(began, "0000000000000001", "", "syncPod", time.Second, 4*time.Second, otlp.Attribute{Key: "k8s.pod.uid", Value: driver}),
		spanFrom(began, "0000000000000002", "0000000000000001", "startContainer", 2*time.Second, 3*time.Second),
		spanFrom(began, "0000000000000005", "", "POST binding", time.Second, 2*time.Second, url),
		spanFrom(began, "0000000000000006", "", "of another pod", time.Second, 2*time.Second, otlp.Attribute{Key: "k8s.pod.uid", Value: "x"}),
	}
	own, components := exportedBy(t, run)
	inOwn := func(uid string) string {
		at := slices.IndexFunc(own, func(s otlpSpan) bool { return s.has("k8s.pod.uid", uid) })
		return own[at].SpanID
	}
	got := map[string]component{}
	for id, s := range components {
		got[id] = component{s.ParentSpanID, s.Name}
		if s.TraceID != own[0].TraceID || !s.has("sparkchaos.component.trace", strings.Repeat("0b", 16)) || s.Kind != 2 {
			t.Errorf("%+v is not as it was exported, or not in the run's trace", s)
		}
	}
	want := map[string]component{
		"0000000000000003": {own[0].SpanID, "early"}, "0000000000000001": {inOwn(driver), "syncPod"},
		"0000000000000002": {"0000000000000001", "startContainer"}, "0000000000000005": {inOwn(driver), "POST binding"},
		"0000000000000006": {own[0].SpanID, "of another pod"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(component{})); diff != "" {
		t.Errorf("spans and their parents (-want +got):\n%s", diff)
	}
	if early := components["0000000000000003"]; early.StartTimeUnixNano != own[0].StartTimeUnixNano {
		t.Errorf("a span that began before the run begins at %s, want %s", early.StartTimeUnixNano, own[0].StartTimeUnixNano)
	}
	for name, content := range viewers(t, run) {
		for _, want := range []string{"cluster components", "what components did to pods", "kubelet · worker-1", "kubelet · worker-1: syncPod",
			"kubelet · worker-1: startContainer", "early", "failed: no"} {
			if !bytes.Contains(content, []byte(want)) {
				t.Errorf("%s: %q is missing", name, want)
			}
		}
		if bytes.Contains(content, []byte("of another time")) || bytes.Contains(content, []byte("left out")) {
			t.Errorf("%s: a span of another time is in the trace, or something is said to be left out", name)
		}
	}
}

// TestHostileSpansOfComponents gives spans that no exporter would send: each is there once, below one that is there, and in the run's time.
func TestHostileSpansOfComponents(t *testing.T) {
	t.Parallel()
	run, began, _ := exampleRun(t)
	s := time.Second
	run.Exported = otlp.Kept{LeftOut: 7, Damaged: true, Spans: []otlp.Span{
		spanFrom(began, "0000000000000001", "0000000000000003", "circle 1", s, 2*s),
		spanFrom(began, "0000000000000002", "0000000000000001", "circle 2", s, 2*s),
		spanFrom(began, "0000000000000003", "0000000000000002", "circle 3", s, 2*s),
		spanFrom(began, "0000000000000004", "0000000000000004", "its own parent", s, 2*s),
		spanFrom(began, "0000000000000004", "", "twice", s, 2*s),
		spanFrom(began, "", "", "without an id", s, 2*s),
		spanFrom(began, "0000000000000000", "", "zero", s, 2*s),
		spanFrom(began, "zz", "zz", "no number", s, 2*s),
		spanFrom(began, "0000000000000005", "", "for ever \x00\x1b[31m<script>", s, 1e6*time.Hour),
	}}
	own, components := exportedBy(t, run)
	if len(components) != len(run.Exported.Spans) {
		t.Errorf("%d spans, want %d: %v", len(components), len(run.Exported.Spans), slices.Sorted(maps.Keys(components)))
	}
	ours := map[string]bool{}
	for _, span := range own {
		ours[span.SpanID] = true
	}
	end, _ := strconv.ParseInt(own[0].EndTimeUnixNano, 10, 64)
	for id, span := range components {
		at, steps := span, 0
		for ; !ours[at.ParentSpanID] && steps <= len(components); steps++ {
			at = components[at.ParentSpanID]
		}
		if to, _ := strconv.ParseInt(span.EndTimeUnixNano, 10, 64); steps > len(components) || to > end {
			t.Errorf("span %s %q is below none of the run's, or ends at %d, after the run at %d", id, span.Name, to, end)
		}
	}
	if !slices.ContainsFunc(own[0].Attributes, func(a struct {
		Key   string
		Value map[string]any
	}) bool {
		return a.Key == "sparkchaos.components.left_out" && a.Value["intValue"] == "7"
	}) {
		t.Errorf("the run's span does not say how many are left out: %v", own[0].Attributes)
	}
	for name, content := range viewers(t, run) {
		if !bytes.Contains(content, []byte("cluster components (7 spans left out, the file of spans is damaged)")) {
			t.Errorf("%s does not say what is left out", name)
		}
	}
}

// TestSpansOfComponentsAreBounded gives more spans than viewers can bear, all at once: those of the fault's time are kept.
func TestSpansOfComponentsAreBounded(t *testing.T) {
	t.Parallel()
	run, began, _ := exampleRun(t)
	fault := run.Timeline.Faults[0]
	const many = 60_000
	for i := range many {
		id := fmt.Sprintf("%016x", i+1)
		run.Exported.Spans = append(run.Exported.Spans, spanFrom(began, id, "", "aside", 0, time.Millisecond))
		if i%100 == 0 {
			run.Exported.Spans = append(run.Exported.Spans, spanFrom(began, "f"+id[1:], "", "in the fault", fault.From, fault.From+1))
		}
	}
	_, components := exportedBy(t, run)
	names := map[string]int{}
	for _, span := range components {
		names[span.Name]++
	}
	if diff := cmp.Diff(map[string]int{"aside": 49_400, "in the fault": 600}, names); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	perfetto := viewers(t, run)["perfetto"]
	tracks := map[string]int{}
	for _, packet := range decode(t, perfetto)[1] {
		if descriptor := decode(t, packet.([]byte)).bytes(protowire.Number(60)); descriptor != nil {
			tracks[string(decode(t, descriptor).bytes(2))]++
		}
	}
	// Of 64 rows each has one of those aside and one of those in the fault.
	left := fmt.Sprintf("cluster components (%d spans left out)", many+many/100-2*64)
	if tracks["kubelet · worker-1"] != 64 || tracks[left] != 1 {
		t.Errorf("want 64 rows below %q: %v", left, tracks)
	}
}
