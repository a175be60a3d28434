package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeClock moves on by a step at each look.
type fakeClock struct {
	mu   sync.Mutex
	now  time.Time
	step time.Duration
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now
	c.now = now.Add(c.step)
	return now
}

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), step: time.Second}
}

// fakeFile keeps a history in memory and fails after limit bytes.
type fakeFile struct {
	mu      sync.Mutex
	content []byte
	limit   int
	closed  bool
}

var errFull = errors.New("no space left on device")

func (f *fakeFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.limit > 0 && len(f.content)+len(p) > f.limit {
		n := f.limit - len(f.content)
		f.content = append(f.content, p[:n]...)
		return n, errFull
	}
	f.content = append(f.content, p...)
	return len(p), nil
}

func (f *fakeFile) Sync() error { return nil }

func (f *fakeFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

func (f *fakeFile) isClosed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

func mustAppend(t *testing.T, w *Writer, source Source, eventType string, object *Object, data any) Event {
	t.Helper()
	event, err := w.Append(source, eventType, object, data)
	if err != nil {
		t.Fatalf("Append(%s, %s) = %v", source, eventType, err)
	}
	return event
}

func start(t *testing.T, w *Writer) {
	t.Helper()
	mustAppend(t, w, Harness, RunStarted, nil, RunData{FormatVersion: FormatVersion, RunID: "r", Plan: []byte(`{}`)})
}

func TestWriterGivesReaderWhatWasAppended(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.ndjson")
	w, err := Create(path, newFakeClock())
	if err != nil {
		t.Fatal(err)
	}
	start(t, w)
	var want []Event
	want = append(want, mustAppend(t, w, Kubernetes, Added, &Object{Kind: "Pod", Namespace: "ns", Name: "p", UID: "u"},
		map[string]string{"é": "<\n\">"}))
	want = append(want, mustAppend(t, w, Fault, FaultLanded, &Object{Kind: "Fault", Name: "größer"}, nil))
	want = append(want, mustAppend(t, w, Harness, RunEnded, nil, RunEndData{}))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r := NewReader(file)
	var got []Event
	for event, err := range r.All() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, event)
	}
	if diff := cmp.Diff(want, got[1:]); diff != "" {
		t.Errorf("read events (-appended +read):\n%s", diff)
	}
	if diff := cmp.Diff(2*time.Second, got[1].Offset); diff != "" {
		t.Errorf("offset since the run began:\n%s", diff)
	}
	if problems := r.Problems(); len(problems) > 0 {
		t.Errorf("problems in an undamaged history: %v", problems)
	}
}

func TestCreateRefusesToOverwrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.ndjson")
	if err := os.WriteFile(path, []byte("evidence"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path, SystemClock{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("Create over a history = %v, want %v", err, os.ErrExist)
	}
}

func TestWriterKeepsFirstError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		fail func(*testing.T, *Writer, *fakeFile) error
		want error
	}{
		{"disk full", func(t *testing.T, w *Writer, f *fakeFile) error {
			f.limit = len(f.content) + 10
			_, err := w.Append(Harness, Problem, nil, ProblemData{What: "x"})
			return err
		}, errFull},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := &fakeFile{}
			w := NewWriter(file, newFakeClock())
			start(t, w)
			first := tt.fail(t, w, file)
			if first == nil || tt.want != nil && !errors.Is(first, tt.want) {
				t.Fatalf("Append = %v, want %v", first, tt.want)
			}
			file.limit = 0
			if _, err := w.Append(Harness, RunEnded, nil, RunEndData{}); !errors.Is(err, first) {
				t.Errorf("Append after a failure = %v, want the first error %v", err, first)
			}
			if !errors.Is(w.Err(), first) || !errors.Is(w.Close(), first) {
				t.Errorf("Err() = %v and Close() = %v, want the first error", w.Err(), w.Close())
			}
			if bytes.Contains(file.content, []byte(RunEnded)) {
				t.Error("the history was closed by runEnded though an event is missing")
			}
		})
	}
}

func TestAnEventThatCannotBeWrittenCostsThatEvent(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxLine)
	for name, tt := range map[string]struct {
		object *Object
		data   any
		what   string // in the Problem event
		err    string
	}{
		"too large": {&Object{Kind: "Pod", Namespace: "ns", Name: "p"}, long, "kubernetes/modified of Pod ns/p",
			"at most 16777216"},
		"too large an object's name": {&Object{Kind: "Pod", Name: long}, nil, "kubernetes/modified", "at most 16777216"},
		"no JSON":                    {&Object{Kind: "Pod", Name: "p"}, func() {}, "kubernetes/modified of Pod p", "unsupported type"},
		"broken raw JSON":            {nil, json.RawMessage("{"), "kubernetes/modified", "unexpected end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := &fakeFile{}
			w := NewWriter(file, newFakeClock())
			start(t, w)
			if _, err := w.Append(Kubernetes, Modified, tt.object, tt.data); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("Append = %.300v, want %v and %q", err, ErrRefused, tt.err)
			}
			mustAppend(t, w, Harness, RunEnded, nil, RunEndData{})
			if err := w.Close(); err != nil {
				t.Errorf("Close = %v, want nil: the file is well", err)
			}
			r := NewReader(bytes.NewReader(file.content))
			var types []string
			for event, err := range r.All() {
				if err != nil {
					t.Fatal(err)
				}
				types = append(types, event.Type)
				if event.Type != Problem {
					continue
				}
				var problem ProblemData
				if err := json.Unmarshal(event.Data, &problem); err != nil {
					t.Fatal(err)
				}
				if !strings.HasSuffix(problem.What, tt.what) || !strings.Contains(problem.Error, tt.err) {
					t.Errorf("problem %+v, want it to end in %q and the error %q", problem, tt.what, tt.err)
				}
			}
			if diff := cmp.Diff([]string{RunStarted, Problem, RunEnded}, types); diff != "" || len(r.Problems()) > 0 {
				t.Errorf("events (-want +got):\n%s\nproblems %v", diff, r.Problems())
			}
		})
	}
}

// TestWhatHTMLEscapingWouldBlowUpFits has data that is below the limit of a line, and would be six times as large if it were escaped.
func TestWhatHTMLEscapingWouldBlowUpFits(t *testing.T) {
	t.Parallel()
	file := &fakeFile{}
	w := NewWriter(file, newFakeClock())
	start(t, w)
	text := strings.Repeat("<&>", maxLine/3-1<<10)
	appended := mustAppend(t, w, Witness, Ledger, nil, WitnessRecord{Detail: map[string]string{"value": text}})
	if len(file.content) > maxLine+1<<10 {
		t.Errorf("%d bytes were written for a value of %d", len(file.content), len(text))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := NewReader(bytes.NewReader(file.content))
	var event Event
	for range 2 {
		if err := r.Next(&event); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(appended.Data, event.Data) {
		t.Error("what was read is not what was appended")
	}
}

func TestAppendIsSafeForGoroutines(t *testing.T) {
	t.Parallel()
	var observed []Event
	w := NewWriter(&fakeFile{}, newFakeClock(), Observed(func(e *Event) { observed = append(observed, e.Clone()) }))
	start(t, w)
	const writers, each = 8, 200
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() {
			for j := range each {
				if _, err := w.Append(Harness, Problem, nil, ProblemData{What: fmt.Sprintf("%d/%d", i, j)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if len(observed) != writers*each+1 {
		t.Fatalf("%d events were observed, want %d", len(observed), writers*each+1)
	}
	for i, event := range observed {
		if event.Seq != int64(i+1) || i > 0 && event.Offset <= observed[i-1].Offset {
			t.Fatalf("event %d has seq %d and offset %s", i+1, event.Seq, event.Offset)
		}
	}
}

func TestAnObserverSeesWhatIsWritten(t *testing.T) {
	t.Parallel()
	file := &fakeFile{}
	var observed []Event
	w := NewWriter(file, newFakeClock(), Observed(func(e *Event) { observed = append(observed, e.Clone()) }))
	start(t, w)
	mustAppend(t, w, Harness, "second", &Object{Kind: "Pod", Name: "p"}, map[string]string{"a": "<b>"})
	if _, err := w.Append(Harness, "refused", nil, make(chan int)); !errors.Is(err, ErrRefused) {
		t.Fatalf("a channel was written: %v", err)
	}
	select {
	case <-w.Ended():
		t.Error("the history has ended, though it continues")
	default:
	}
	file.limit = len(file.content) + 1
	if _, err := w.Append(Harness, "torn", nil, "x"); err == nil {
		t.Fatal("the file is not full")
	}
	select {
	case <-w.Ended():
	default:
		t.Error("the history has not ended, though it cannot be written any more")
	}
	_ = w.Close() // returns the same error
	var written []Event
	for event, err := range NewReader(bytes.NewReader(file.content)).All() {
		if err != nil {
			t.Fatal(err)
		}
		written = append(written, event)
	}
	if diff := cmp.Diff(written, observed); diff != "" || len(observed) != 3 {
		t.Errorf("observed (-written +observed):\n%s", diff)
	}
}

func TestAClosedHistoryHasEnded(t *testing.T) {
	t.Parallel()
	file := &fakeFile{}
	w := NewWriter(file, newFakeClock())
	start(t, w)
	for range 2 {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	<-w.Ended()
	if !file.isClosed() {
		t.Error("the file stays open")
	}
}
