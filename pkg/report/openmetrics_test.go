package report

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/sparkchaos/sparkchaos/internal/golden"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// sampledRun writes the history of a run in which metrics were sampled, and what else is told, into a directory.
func sampledRun(t testing.TB, more func(*historytest.Builder)) RunInfo {
	t.Helper()
	story := historytest.PowerOff(historytest.Expect("completes", nil))
	story.Extra = func(b *historytest.Builder) {
		for i := range 3 {
			at := time.Duration(5*i+5) * time.Second
			b.Harness(at, history.LoadMeasured, history.LoadData{For: 5 * time.Second, CPUs: 2, Runnable: 2.5, CPU: 0.25, Memory: 0, IO: -1,
				TimerLate: time.Duration(i) * time.Millisecond})
			b.Harness(at, history.MetricsSampled, history.MetricsData{From: history.MetricsAPIServer, Took: time.Millisecond,
				Series: []history.MetricValue{
					{Name: "apiserver_requests_inflight", Labels: map[string]string{"kind": "mutating"}, Value: 1},
					{Name: "apiserver_requests_total", Labels: map[string]string{"verb": "GET", "code": "200"}, Value: float64(100 * i)},
				}})
		}
		driver := &history.Object{Kind: "Pod", Name: "driver-d1", UID: "d1"}
		b.Add(8*time.Second, history.Harness, history.MetricsSampled, driver, history.MetricsData{From: history.MetricsExecutors,
			Series: []history.MetricValue{
				{Name: "spark_executor_tasks_completed_total", Labels: map[string]string{"executor": "1"}, Value: 7},
				{Name: "spark_executor_tasks_completed_total", Labels: map[string]string{"executor": "9"}, Value: 1},
				{Name: "spark_executor_tasks_completed_total", Labels: map[string]string{"executor": "driver"}, Value: 0},
			}})
		b.Add(8*time.Second, history.Harness, history.MetricsSampled, driver, history.MetricsData{From: history.MetricsDriver,
			Series: []history.MetricValue{{Name: "spark_driver_heap_used_bytes", Value: 1.5e8}}})
		b.Add(13*time.Second, history.Harness, history.MetricsSampled, driver, history.MetricsData{From: history.MetricsDriver,
			Error: "there was no whole answer within 3s"})
		b.Add(35*time.Second, history.Harness, history.MetricsSampled, &history.Object{Kind: "Pod", Name: "driver-d2", UID: "d2"},
			history.MetricsData{From: history.MetricsDriver, Series: []history.MetricValue{{Name: "spark_driver_heap_used_bytes", Value: 1e8}}})
		if more != nil {
			more(b)
		}
	}
	content, err := story.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, HistoryFile), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return RunInfo{Directory: directory}
}

func TestOpenMetricsGolden(t *testing.T) {
	t.Parallel()
	got, err := Render(OpenMetrics, passing(), sampledRun(t, nil), Style{})
	if err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, filepath.Join("testdata", "openmetrics.txt"), got, *update)
	series := parseOpenMetrics(t, got)
	if len(series) == 0 || !strings.HasSuffix(string(got), "# EOF\n") {
		t.Errorf("%d series, the end is %q", len(series), got[max(0, len(got)-10):])
	}
	for _, s := range series {
		if s.labels.Get("run") != passing().RunID || s.labels.Get("scenario") != passing().Scenario {
			t.Errorf("%s is not of the run", s.labels)
		}
	}
}

// parsedSeries is a series as Prometheus' own parser reads it.
type parsedSeries struct {
	kind   textparse.MetricType
	labels labels.Labels
	times  []int64
}

// parseOpenMetrics reads a text with Prometheus' parser, and checks what that does not: families in one piece, their series in one piece,
// times that grow, names of counters.
func parseOpenMetrics(t *testing.T, content []byte) []parsedSeries {
	t.Helper()
	parser := textparse.NewOpenMetricsParser(content)
	var all []parsedSeries
	seen, families := map[string]bool{}, map[string]bool{}
	var family string
	var kind textparse.MetricType
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("Prometheus does not read it: %v\n%s", err, content)
		}
		switch entry {
		case textparse.EntryType:
			name, of := parser.Type()
			family, kind = string(name), of
			if families[family] {
				t.Errorf("family %s comes twice", family)
			}
			families[family] = true
		case textparse.EntrySeries:
			_, at, _ := parser.Series()
			var of labels.Labels
			parser.Metric(&of)
			if at == nil || *at <= 0 {
				t.Fatalf("%s has no time", of)
			}
			name := of.Get(labels.MetricName)
			if kind == textparse.MetricTypeCounter && name != family+"_total" || kind == textparse.MetricTypeGauge && name != family {
				t.Errorf("%s is a %s of family %s", name, kind, family)
			}
			key := of.String()
			if len(all) == 0 || all[len(all)-1].labels.String() != key {
				if seen[key] {
					t.Errorf("the points of %s are not in one piece", key)
				}
				seen[key] = true
				all = append(all, parsedSeries{kind: kind, labels: of})
			}
			last := &all[len(all)-1]
			if n := len(last.times); n > 0 && last.times[n-1] >= *at {
				t.Errorf("%s goes back in time", key)
			}
			last.times = append(last.times, *at)
		}
	}
}

// TestOpenMetricsOfAHostileHistory has names, labels and values that somebody made up.
func TestOpenMetricsOfAHostileHistory(t *testing.T) {
	t.Parallel()
	info := sampledRun(t, func(b *historytest.Builder) {
		names := []string{hostileText, "", "9", "a b", "_total", "apiserver_requests", "apiserver_requests_inflight_total", "x\n# EOF"}
		for i, name := range names {
			b.Add(20*time.Second, history.Harness, history.MetricsSampled, &history.Object{Kind: "Pod", Name: hostileText, UID: hostileText},
				history.MetricsData{From: hostileText, Error: hostileText, Series: []history.MetricValue{
					{Name: name, Value: float64(i)},
					{Name: "sane", Labels: map[string]string{"a": hostileText, hostileText: "b", "executor": hostileText}},
					{Name: "negative_total", Value: -1}, {Name: "sane", Labels: map[string]string{"run": "another"}, Value: 1},
				}})
		}
		b.Add(21*time.Second, history.Harness, history.MetricsSampled, nil, "no data")
	})
	verdict := passing()
	verdict.RunID, verdict.Scenario = hostileText, hostileText
	got, err := Render(OpenMetrics, verdict, info, Style{})
	if err != nil {
		t.Fatal(err)
	}
	sane := 0
	for _, s := range parseOpenMetrics(t, got) {
		if s.labels.Get(labels.MetricName) == "sane" {
			sane++
		}
		if s.labels.Get("run") != clean(hostileText) || s.labels.Get(labels.MetricName) == "negative_total" {
			t.Errorf("series %s", s.labels)
		}
	}
	if sane != 2 || strings.Count(string(got), "# EOF") != 1 {
		t.Errorf("%d sane series in:\n%s", sane, got)
	}
}

func TestOpenMetricsWithoutAHistory(t *testing.T) {
	t.Parallel()
	if _, err := Render(OpenMetrics, passing(), RunInfo{Directory: t.TempDir()}, Style{}); !errors.Is(err, errNoHistory) {
		t.Errorf("got %v", err)
	}
}

// TestNoVerdictReadsSamples compares what is said of a run with and without samples.
func TestNoVerdictReadsSamples(t *testing.T) {
	t.Parallel()
	judge := func(info RunInfo) check.RunVerdict {
		file, err := os.Open(filepath.Join(info.Directory, HistoryFile))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }() // opened for reading only
		verdict, err := check.Judge(t.Context(), history.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		return verdict
	}
	starving := func(b *historytest.Builder) {
		for i := range 100 {
			b.Harness(time.Duration(i)*time.Second/2, history.MetricsSampled, history.MetricsData{From: history.MetricsAPIServer,
				Error: "there was no whole answer within " + strconv.Itoa(i)})
		}
	}
	quiet, loud := judge(sampledRun(t, nil)), judge(sampledRun(t, starving))
	if quiet.Verdict != loud.Verdict || quiet.Reason != loud.Reason {
		t.Errorf("%s (%s), and with gaps %s (%s)", quiet.Verdict, quiet.Reason, loud.Verdict, loud.Reason)
	}
}
