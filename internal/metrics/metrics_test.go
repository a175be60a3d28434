package metrics_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/golden"
	"github.com/sparkchaos/sparkchaos/internal/metrics"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

var update = flag.Bool("update", false, "write the golden files again")

// selections returns all selections, by the name of a real answer in testdata.
func selections() map[string]metrics.Selection {
	return map[string]metrics.Selection{"driver": metrics.Driver(), "executors": metrics.Executors(), "apiserver": metrics.APIServer()}
}

func real(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, selection := range selections() {
		data, err := selection.Read(bytes.NewReader(real(t, name)))
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := json.MarshalIndent(data, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden.Compare(t, filepath.Join("testdata", name+".json"), append(encoded, '\n'), *update)
	}
}

func gauge(executor string, value float64) history.MetricValue {
	return history.MetricValue{Name: "spark_executor_tasks_active", Labels: map[string]string{"executor": executor}, Value: value}
}

func active(executor, value string) string {
	return fmt.Sprintf("metrics_executor_activeTasks{application_name=\"s3cret\", executor_id=%q} %s\n", executor, value)
}

func TestExecutors(t *testing.T) {
	t.Parallel()
	some := func(dropped int, series ...history.MetricValue) history.MetricsData {
		return history.MetricsData{Series: series, Dropped: dropped}
	}
	for name, tt := range map[string]struct {
		answer string
		want   history.MetricsData
	}{
		"two":                  {active("driver", "0") + active("1", "2"), some(0, gauge("1", 2), gauge("driver", 0))},
		"no end of line":       {strings.TrimSpace(active("1", "2")), some(0, gauge("1", 2))},
		"an id that is a text": {active("s3cret", "1") + active("1", "2"), some(1, gauge("1", 2))},
		"an id that is long":   {active(strings.Repeat("1", 21), "1"), history.MetricsData{Dropped: 1}},
		"no number":            {active("1", "NaN") + active("2", "+Inf"), history.MetricsData{Dropped: 2}},
		"a time":               {strings.TrimSpace(active("1", "2")) + " 1700000000000\n", some(0, gauge("1", 2))},
		"a sum that is no number": {active("1", "1.7e308") + strings.Replace(active("1", "1.7e308"), "s3cret", "x", 1),
			history.MetricsData{}},
		"a type that somebody made up": {"# TYPE metrics_executor_activeTasks histogram\n" + active("1", "2"), some(0, gauge("1", 2))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := metrics.Executors().Read(strings.NewReader(tt.answer))
			if err != nil {
				t.Fatal(err)
			}
			tt.want.From = history.MetricsExecutors
			if diff := cmp.Diff(tt.want.Series, got.Series); diff != "" && len(tt.want.Series)+len(got.Series) > 0 {
				t.Errorf("series (-want +got):\n%s", diff)
			}
			if got.Dropped != tt.want.Dropped || got.From != tt.want.From || got.Without != nil {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestManySeriesAreSummed(t *testing.T) {
	t.Parallel()
	var many, verbs strings.Builder
	for i := range 1000 {
		many.WriteString(active(fmt.Sprint(i), "2"))
	}
	for i := range 50 {
		for _, verb := range []string{"GET", "LIST"} {
			fmt.Fprintf(&verbs, "apiserver_request_total{code=\"%d\",verb=%q} 1\n", 200+i/2, verb)
		}
	}
	verbs.WriteString("apiserver_current_inflight_requests{request_kind=\"mutating\"} 3\n")
	got, err := metrics.Executors().Read(strings.NewReader(many.String()))
	want := history.MetricsData{From: history.MetricsExecutors, Without: []string{"executor"},
		Series: []history.MetricValue{{Name: "spark_executor_tasks_active", Labels: map[string]string{}, Value: 2000}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	got, err = metrics.APIServer().Read(strings.NewReader(verbs.String()))
	if err != nil || !slices.Equal(got.Without, []string{"verb"}) || len(got.Series) != 26 {
		t.Fatalf("%v, %+v", err, got)
	}
	if got.Series[0].Value != 3 || got.Series[1].Value != 4 {
		t.Errorf("the sums are %+v", got.Series)
	}
}

// TestRefused has answers of which nothing is taken, and whose text must not be in the error.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := metrics.Executors()
	const syntax = "the answer is not in Prometheus' text format: line 1 of those that were selected"
	endless := io.MultiReader(strings.NewReader("x 1\n"), endlessLines{})
	for name, tt := range map[string]struct {
		answer io.Reader
		want   string
	}{
		"no text format": {strings.NewReader("metrics_executor_activeTasks{application_name=\"a\"s3cret\"} 1\n"), syntax},
		"no value":       {strings.NewReader(active("1", "s3cret")), syntax},
		"no UTF-8":       {strings.NewReader("metrics_executor_activeTasks{a=\"\xff\"} 1\n"), syntax},
		"a label twice":  {strings.NewReader("metrics_executor_activeTasks{a=\"1\",a=\"2\"} 1\n"), syntax},
		"nothing":        {strings.NewReader(""), "the answer has none of the metrics that are selected"},
		"others alone": {strings.NewReader("# TYPE metrics_executor_activeTasks counter\nx 1\n\nspark_info{version=\"4\"} 1.0\n"),
			"the answer has none of the metrics that are selected"},
		"an endless one": {endless, fmt.Sprintf("the answer has more than %d bytes", s.MaxBody)},
		"a long line":    {strings.NewReader(strings.Repeat("s3cret", 20000)), "the answer has a line of more than 65536 bytes"},
		"many of a metric": {strings.NewReader(strings.Repeat(active("1", "1"), 100000)),
			fmt.Sprintf("the answer has more than %d bytes of the metrics that are selected", s.MaxKept)},
		"one that breaks off": {io.MultiReader(strings.NewReader("x 1\n"), iotest.ErrReader(io.ErrUnexpectedEOF)),
			"the answer ended too early: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := s.Read(tt.answer)
			if err == nil || err.Error() != tt.want || len(data.Series) > 0 {
				t.Errorf("got %+v, %v; want %s", data, err, tt.want)
			}
		})
	}
}

// endlessLines never ends.
type endlessLines struct{}

func (endlessLines) Read(into []byte) (int, error) {
	return copy(into, strings.Repeat("y 1\n", len(into)/4+1)), nil
}

// TestNamesOfDriversAreNotKept has an application that calls itself what it likes.
func TestNamesOfDriversAreNotKept(t *testing.T) {
	t.Parallel()
	answer := "metrics_my_driver_s3cret_driver_DAGScheduler_job_allJobs_Value{type=\"s3cret\"} 3\n" +
		"other_driver_DAGScheduler_job_allJobs_Value 4\nmetrics_driver 1\nmetrics_x_driver_ 1\n"
	got, err := metrics.Driver().Read(strings.NewReader(answer))
	want := history.MetricsData{From: history.MetricsDriver,
		Series: []history.MetricValue{{Name: "spark_driver_jobs_total", Labels: map[string]string{}, Value: 3}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// FuzzRead reads anything: it does not panic, and what it returns is bounded and made of the selection's names alone.
func FuzzRead(f *testing.F) {
	for name := range selections() {
		content := real(f, name) // its end alone: long seeds are slow to vary
		f.Add(content[max(0, len(content)-600):])
	}
	f.Add([]byte(active("1", "2") + active("1", "1e400")))
	f.Add([]byte("apiserver_request_total{code=\"200\",verb=\"GET\"} 1 2 # {a=\"b\"} 1\n"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		for _, s := range selections() {
			data, err := s.Read(bytes.NewReader(answer))
			if err != nil {
				continue
			}
			if len(data.Series) > history.MaxMetricSeries || data.From != s.From {
				t.Fatalf("%d series of %q", len(data.Series), data.From)
			}
			if _, err := json.Marshal(data); err != nil {
				t.Fatal(err)
			}
			for _, v := range data.Series {
				if !slices.ContainsFunc(s.Metrics, func(m metrics.Metric) bool { return m.Name == v.Name }) {
					t.Fatalf("the series %q is not selected", v.Name)
				}
				for name, value := range v.Labels {
					if len(name)+len(value) > 40 || strings.ContainsAny(value, "\"\\\n ") {
						t.Fatalf("label %q=%q", name, value)
					}
				}
			}
		}
	})
}
