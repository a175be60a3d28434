package cli

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos"
	"github.com/sparkchaos/sparkchaos/pkg/check"
)

func TestMetricsOfWatch(t *testing.T) {
	t.Parallel()
	m := newWatchMetrics("etl")
	at, end, err := m.serve(t.Context(), ":0")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(at.String(), "127.0.0.1:") {
		t.Errorf("it listens at %s, want this machine alone", at)
	}
	for _, verdict := range []check.Verdict{check.Inconclusive, check.Violation} { // the second replaces the first
		m.show(sparkchaos.Seen{
			Attached: true, DriverRuns: true, Incarnations: 2, Executors: 3, Verdict: check.RunVerdict{
				Events: 42, Verdict: verdict, Results: []check.Result{{Invariant: "driverRescheduled", Verdict: verdict}},
			},
		})
	}
	text := get(t, "http://"+at.String()+"/metrics")
	for _, want := range []string{
		`sparkchaos_watch_attached{namespace="etl"} 1`,
		`sparkchaos_watch_driver_running{namespace="etl"} 1`,
		`sparkchaos_watch_executors_running{namespace="etl"} 3`,
		`sparkchaos_watch_driver_incarnations{namespace="etl"} 2`,
		`sparkchaos_watch_events{namespace="etl"} 42`,
		`sparkchaos_watch_verdict{namespace="etl",verdict="violation"} 1`,
		`sparkchaos_watch_verdict{namespace="etl",verdict="inconclusive"} 0`,
		`sparkchaos_watch_invariant_verdict{invariant="driverRescheduled",namespace="etl",verdict="violation"} 1`,
		`sparkchaos_watch_invariant_verdict{invariant="driverRescheduled",namespace="etl",verdict="inconclusive"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("the metrics have no line %s:\n%s", want, text)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.Body.Close() != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAnAddressOfMetricsThatIsNone(t *testing.T) {
	t.Parallel()
	if _, _, err := newWatchMetrics("etl").serve(context.Background(), "9464"); codeOf(err) != ExitUsage {
		t.Errorf("got %v, want a mistake of usage", err)
	}
}
