package check

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

func generated(tb testing.TB, events int) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "history.ndjson")
	file, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	if err := historytest.Generate(file, events, everything()); err != nil {
		tb.Fatal(err)
	}
	if err := file.Close(); err != nil {
		tb.Fatal(err)
	}
	return path
}

func judgeFile(ctx context.Context, path string) (RunVerdict, error) {
	file, err := os.Open(path)
	if err != nil {
		return RunVerdict{}, err
	}
	defer file.Close()
	return Judge(ctx, history.NewReader(file))
}

// BenchmarkJudge judges a history of a million events from a file: reading, decoding, digest and all invariants.
func BenchmarkJudge(b *testing.B) {
	const events = 1_000_000
	path := generated(b, events)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	b.ReportAllocs()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	cpu := processorTime(b)
	for b.Loop() {
		v, err := judgeFile(b.Context(), path)
		if err != nil || v.Verdict != Pass {
			b.Fatalf("%s (%s), %v; want a pass", v.Verdict, v.Reason, err)
		}
	}
	cpu = processorTime(b) - cpu
	b.ReportMetric(events*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(events*float64(b.N)/cpu.Seconds(), "events/cpu-s") // what a core of its own would give
	b.ReportMetric(float64(retained(b, path))/(1<<20), "MiB-retained")
}

// processorTime returns how long this process has had a processor.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// retained returns how much memory the model of a history keeps, after a collection.
func retained(tb testing.TB, path string) uint64 {
	tb.Helper()
	file, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r, evaluation := history.NewReader(file), catalogueEvaluation()
	var event history.Event
	for r.Next(&event) == nil {
		evaluation.Observe(&event)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(evaluation)
	runtime.KeepAlive(r)
	return after.HeapAlloc - min(before.HeapAlloc, after.HeapAlloc)
}

// BenchmarkDecidingEvent measures from the writing of an event until a verdict that takes it into account is known, by
// way of the writer's observer, as a live run does.
func BenchmarkDecidingEvent(b *testing.B) {
	evaluation := catalogueEvaluation()
	w, err := history.Create(filepath.Join(b.TempDir(), "history.ndjson"), history.SystemClock{}, history.Observed(evaluation.Observe))
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	content, err := historytest.PowerOff(everything()).Bytes()
	if err != nil {
		b.Fatal(err)
	}
	var story []history.Event
	for event, err := range history.NewReader(bytes.NewReader(content)).All() {
		if err != nil {
			b.Fatal(err)
		}
		story = append(story, event)
	}
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		event := story[i%len(story)]
		if i >= len(story) {
			event = story[len(story)/2] // the story is told: more of its middle
		}
		began := time.Now()
		if _, err := w.Append(event.Source, event.Type, event.Object, event.Data); err != nil {
			b.Fatal(err)
		}
		evaluation.Verdict(Record{})
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
}

// TestMemoryDoesNotGrowWithEvents judges histories of which one is ten times as long as the other.
func TestMemoryDoesNotGrowWithEvents(t *testing.T) {
	short, long := retained(t, generated(t, 5_000)), retained(t, generated(t, 50_000))
	if long > 2*short+1<<20 {
		t.Errorf("the model of 50,000 events keeps %d bytes, that of 5,000 keeps %d: it grows with the events", long, short)
	}
}

func TestGeneratedHistoryPasses(t *testing.T) {
	t.Parallel()
	v, err := judgeFile(t.Context(), generated(t, 20_000))
	if err != nil || v.Verdict != Pass || v.Events < 19_000 || v.Events > 21_000 {
		t.Errorf("%s (%s) of %d events, %v; want a pass of about 20,000", v.Verdict, v.Reason, v.Events, err)
	}
}
