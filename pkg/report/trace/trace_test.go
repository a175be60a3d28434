package trace_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sparkchaos/sparkchaos/internal/golden"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/report/tell"
	"github.com/sparkchaos/sparkchaos/pkg/report/trace"
)

var update = flag.Bool("update", false, "write the golden files again")

// recorded returns the recorded histories by name.
func recorded(t *testing.T) map[string]*trace.Run {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "check", "testdata", "recorded", "*.ndjson.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	runs := map[string]*trace.Run{}
	for _, file := range files {
		runs[strings.TrimSuffix(filepath.Base(file), ".ndjson.gz")] = read(t, file)
	}
	return runs
}

func read(t *testing.T, file string) *trace.Run {
	t.Helper()
	content := historytest.Unpack(t, file)
	verdict, err := check.Judge(t.Context(), history.NewReader(bytes.NewReader(content)))
	if err != nil {
		t.Fatal(err)
	}
	var phases []string
	record, err := tell.Read(bytes.NewReader(content), func(e *history.Event) {
		var phase history.PhaseData
		if e.Type == history.PhaseStarted && json.Unmarshal(e.Data, &phase) == nil {
			phases = append(phases, phase.Phase)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return trace.New(record, verdict, phases)
}

const example = "driver-node-power-off"

func TestGolden(t *testing.T) {
	t.Parallel()
	run := recorded(t)[example]
	for name, write := range map[string]func() ([]byte, error){"chrome": run.Chrome, "otlp": run.OTLP} {
		got, err := write()
		if err != nil {
			t.Fatal(err)
		}
		golden.Compare(t, filepath.Join("testdata", example+"."+name+".json"), got, *update)
	}
}

// drawn is what the timeline has of a run, for comparison with what a viewer is given.
type drawn struct{ slices, marks int }

func drawnOf(run *trace.Run) drawn {
	t := run.Timeline
	d := drawn{slices: len(t.Faults) + len(t.Phases) + len(t.Overlaps)}
	for _, lane := range t.Lanes {
		d.slices += len(lane.Spans)
		d.marks += len(lane.Marks)
	}
	return d
}

func TestChromeShowsAllOfTheTimelineAndSlicesDoNotOverlap(t *testing.T) {
	t.Parallel()
	for name, run := range recorded(t) {
		content, err := run.Chrome()
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Events []struct {
				Ph, Name string
				Pid, Tid int
				Ts, Dur  float64
				Args     struct{ Events []int64 }
			} `json:"traceEvents"`
		}
		if err := json.Unmarshal(content, &file); err != nil {
			t.Fatal(err)
		}
		var got drawn
		until, named := map[[2]int]float64{}, map[[2]int]bool{}
		for _, e := range file.Events {
			key := [2]int{e.Pid, e.Tid}
			switch e.Ph {
			case "M":
				named[key] = true
			case "X":
				got.slices++
				if e.Ts < until[key]-0.01 || e.Dur < 0 || !named[key] || len(e.Args.Events) == 0 {
					t.Errorf("%s: %+v begins before %g, has no event or no row", name, e, until[key])
				}
				until[key] = e.Ts + e.Dur
			case "i":
				got.marks++
			case "C":
			default:
				t.Errorf("%s: an event of phase %q", name, e.Ph)
			}
		}
		if want := drawnOf(run); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

// fields are the fields of a decoded message, by number.
type fields map[protowire.Number][]any

func decode(t *testing.T, content []byte) fields {
	t.Helper()
	all := fields{}
	for len(content) > 0 {
		number, kind, n := protowire.ConsumeTag(content)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		content = content[n:]
		var value any
		switch kind {
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(content)
		case protowire.BytesType:
			value, n = protowire.ConsumeBytes(content)
		default:
			t.Fatalf("field %d has type %d", number, kind)
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		content = content[n:]
		all[number] = append(all[number], value)
	}
	return all
}

func (f fields) number(n protowire.Number) uint64 {
	if len(f[n]) == 0 {
		return 0
	}
	return f[n][0].(uint64)
}

func (f fields) bytes(n protowire.Number) []byte {
	if len(f[n]) == 0 {
		return nil
	}
	return f[n][0].([]byte)
}

func TestPerfettoShowsAllOfTheTimeline(t *testing.T) {
	t.Parallel()
	for name, run := range recorded(t) {
		content, err := run.Perfetto()
		if err != nil {
			t.Fatal(err)
		}
		var got drawn
		tracks, open, last := map[uint64]bool{0: true}, map[uint64]int{}, map[uint64]uint64{}
		for _, packet := range decode(t, content)[1] {
			p := decode(t, packet.([]byte))
			if p.number(10) != 1 {
				t.Errorf("%s: a packet of sequence %d", name, p.number(10))
			}
			if descriptor := p.bytes(60); descriptor != nil {
				d := decode(t, descriptor)
				if id := d.number(1); tracks[id] || !tracks[d.number(5)] || len(d.bytes(2)) == 0 {
					t.Errorf("%s: track %d is there twice, below none, or without a name", name, id)
				}
				tracks[d.number(1)] = true
				continue
			}
			e := decode(t, p.bytes(11))
			track, at := e.number(11), p.number(8)
			if !tracks[track] || track == 0 || at > uint64(run.Timeline.End) {
				t.Errorf("%s: an event at %d on track %d", name, at, track)
			}
			switch e.number(9) {
			case 1:
				got.slices++
				open[track]++
				if open[track] > 1 || at < last[track] || len(e.bytes(23)) == 0 || len(e[4]) != 2 {
					t.Errorf("%s: slice %s overlaps, or says nothing", name, e.bytes(23))
				}
			case 2:
				open[track]--
				last[track] = at
			case 3:
				got.marks++
			case 4:
			default:
				t.Errorf("%s: an event of type %d", name, e.number(9))
			}
		}
		for track, n := range open {
			if n != 0 {
				t.Errorf("%s: %d slices of track %d do not end", name, n, track)
			}
		}
		if want := drawnOf(run); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

type otlpSpan struct {
	TraceID, SpanID, ParentSpanID, Name, StartTimeUnixNano, EndTimeUnixNano string
	Kind                                                                    int
	Attributes                                                              []struct {
		Key   string
		Value map[string]any
	}
	Links []struct{ TraceID, SpanID string }
}

func (s otlpSpan) has(key, value string) bool {
	for _, a := range s.Attributes {
		if a.Key == key && fmt.Sprint(a.Value["stringValue"]) == value {
			return true
		}
	}
	return false
}

func decodeOTLP(t *testing.T, content []byte) []otlpSpan {
	t.Helper()
	var data struct {
		ResourceSpans []struct {
			ScopeSpans []struct{ Spans []otlpSpan }
		}
	}
	if err := json.Unmarshal(content, &data); err != nil {
		t.Fatal(err)
	}
	return data.ResourceSpans[0].ScopeSpans[0].Spans
}

// TestOTLPIsOneTraceOfTheModel compares the spans with the model and checks the rules of OTLP/JSON.
func TestOTLPIsOneTraceOfTheModel(t *testing.T) {
	t.Parallel()
	for name, run := range recorded(t) {
		content, err := run.OTLP()
		if err != nil {
			t.Fatal(err)
		}
		all := decodeOTLP(t, content)
		ids, names := map[string]otlpSpan{}, map[string]int{}
		for i, s := range all {
			trace, err1 := hex.DecodeString(s.TraceID)
			id, err2 := hex.DecodeString(s.SpanID)
			if err1 != nil || err2 != nil || len(trace) != 16 || len(id) != 8 || s.TraceID != all[0].TraceID ||
				s.SpanID != strings.ToLower(s.SpanID) {
				t.Errorf("%s: trace %s, span %s", name, s.TraceID, s.SpanID)
			}
			if _, twice := ids[s.SpanID]; twice {
				t.Errorf("%s: two spans have the id %s", name, s.SpanID)
			}
			ids[s.SpanID] = s
			if _, known := ids[s.ParentSpanID]; known == (i == 0) {
				t.Errorf("%s: span %s has the parent %q", name, s.Name, s.ParentSpanID)
			}
			from, err1 := strconv.ParseInt(s.StartTimeUnixNano, 10, 64)
			to, err2 := strconv.ParseInt(s.EndTimeUnixNano, 10, 64)
			if err1 != nil || err2 != nil || from > to || from < time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano() || s.Kind != 1 {
				t.Errorf("%s: span %s from %s to %s of kind %d", name, s.Name, s.StartTimeUnixNano, s.EndTimeUnixNano, s.Kind)
			}
			for _, link := range s.Links {
				if !strings.HasPrefix(ids[link.SpanID].Name, "fault ") {
					t.Errorf("%s: %s is linked with %q", name, s.Name, ids[link.SpanID].Name)
				}
			}
			names[s.Name]++
		}
		m := run.Record.Model
		for _, i := range m.Incarnations() {
			if names[fmt.Sprintf("driver incarnation %d", i.Number)] != 1 {
				t.Errorf("%s: no span of incarnation %d", name, i.Number)
			}
			for _, pod := range m.Executors(i) {
				at := slices.IndexFunc(all, func(s otlpSpan) bool { return s.has("k8s.pod.uid", pod.UID) })
				if at < 0 || !all[at].has("k8s.pod.name", pod.Name) || !strings.HasPrefix(ids[all[at].ParentSpanID].Name, "driver incarnation") {
					t.Errorf("%s: no span of executor %s below its driver", name, pod.Name)
					continue
				}
				began, _ := strconv.ParseInt(all[0].StartTimeUnixNano, 10, 64)
				from, _ := strconv.ParseInt(all[at].StartTimeUnixNano, 10, 64)
				if math.Abs(float64(from-began)-float64(m.Offset(pod.Added))) > 1 {
					t.Errorf("%s: executor %s begins %d ns after the run, want %d", name, pod.Name, from-began, m.Offset(pod.Added))
				}
			}
		}
		for _, f := range run.Timeline.Faults {
			if names["fault "+f.Fault] != 1 {
				t.Errorf("%s: no span of fault %s", name, f.Fault)
			}
		}
		for _, recovery := range tell.Recoveries(run.Verdict) {
			for _, phase := range recovery.Phases {
				if names[phase.Name] == 0 {
					t.Errorf("%s: no span of the phase %s", name, phase.Name)
				}
			}
		}
		again, err := run.OTLP()
		if err != nil || !bytes.Equal(content, again) {
			t.Errorf("%s: written twice it differs, %v", name, err)
		}
	}
}

func TestTracesOfDifferentRunsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for name, run := range recorded(t) {
		content, err := run.OTLP()
		if err != nil {
			t.Fatal(err)
		}
		id := decodeOTLP(t, content)[0].TraceID
		if other := seen[id]; other != "" {
			t.Errorf("%s and %s are the same trace", name, other)
		}
		seen[id] = name
	}
}

func TestSend(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status       int
		answer, says string
	}{
		"accepted":              {200, `{}`, ""},
		"accepted with nothing": {200, ``, ""},
		"accepted, as counted":  {200, `{"partialSuccess":{"rejectedSpans":"0"}}`, ""},
		"rejected in part":      {200, `{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}`, "rejected 3 spans: \"too old\""},
		"no receiver":           {404, `not here`, "404 Not Found: \"not here\""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []byte
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v1/traces" || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%s %s of type %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
				}
				got, _ = io.ReadAll(r.Body)
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.answer)
			}))
			defer server.Close()
			endpoint, err := trace.Endpoint(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			err = trace.Send(t.Context(), server.Client(), endpoint, []byte("the trace"))
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) || string(got) != "the trace" {
				t.Errorf("sent %q: %v, want %q", got, err, tt.says)
			}
		})
	}
}

func TestEndpoint(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"http://localhost:4318": "http://localhost:4318/v1/traces", "https://x/": "https://x/v1/traces",
		"https://x/otlp/v1/traces": "https://x/otlp/v1/traces",
		"localhost:4318":           "", "grpc://x": "", "http://": "", "": "", "http://%": "",
	} {
		if got, err := trace.Endpoint(given); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %s, %v; want %s", given, got, err, want)
		}
	}
}
