package runner_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/fakeworld"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// TestMetricsThatAreNotThereAreAGap has a run whose API server shows no metrics: it passes as any other does.
func TestMetricsThatAreNotThereAreAGap(t *testing.T) {
	t.Parallel()
	w := fakeworld.New(t, fakeworld.Script{Working: fakeworld.UntilLost})
	o := optionsIn(t, w, planned(t, ""))
	finished, err := runner.Run(t.Context(), o)
	if err != nil || finished.Err != nil {
		t.Fatal(err, finished.Err)
	}
	checkPassed(t, o.Plan, finished.Directory)
	var got []history.MetricsData
	for _, event := range eventsOf(t, finished.Directory) {
		if event.Source != history.Harness || event.Type != history.MetricsSampled {
			continue
		}
		var data history.MetricsData
		if err := json.Unmarshal(event.Data, &data); err != nil {
			t.Fatal(err)
		}
		data.Took = 0
		got = append(got, data)
	}
	want := []history.MetricsData{{From: history.MetricsAPIServer, Error: "the answer is HTTP status 404"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
}
