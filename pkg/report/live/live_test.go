package live_test

import (
	"bytes"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/golden"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/report/live"
)

var update = flag.Bool("update", false, "write the golden files")

// frames returns what a terminal shows of a recorded run as it begins, and after each event of its phases, anchors and faults.
func frames(t *testing.T, content []byte) []byte {
	t.Helper()
	m := model.New(model.KeepProgress())
	var out bytes.Buffer
	for event, err := range history.NewReader(bytes.NewReader(content)).All() {
		if err != nil {
			t.Fatal(err)
		}
		m.Observe(&event)
		if event.Source != history.Fault && (event.Source != history.Harness || !strings.HasPrefix(event.Type, "anchor") &&
			event.Type != history.PhaseStarted) {
			continue
		}
		fmt.Fprintf(&out, "— after event %d, %s/%s —\n", event.Seq, event.Source, event.Type)
		for _, line := range live.Lines(live.View{What: "run", Model: m}, m.Last.At.Add(500*time.Millisecond)) {
			fmt.Fprintln(&out, line)
		}
		fmt.Fprintln(&out)
	}
	return out.Bytes()
}

func TestRecordedRuns(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"driver-node-power-off", "driver-node-frozen", "structured-streaming-driver-node-power-off",
		"noop-power-off"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content := historytest.Unpack(t, filepath.Join("..", "..", "check", "testdata", "recorded", name+".ndjson.gz"))
			golden.Compare(t, filepath.Join("testdata", name+".txt"), frames(t, content), *update)
		})
	}
}

func TestWaits(t *testing.T) {
	t.Parallel()
	now := historytest.Epoch().Add(time.Hour)
	got := live.Lines(live.View{Waits: []live.Wait{
		{What: "the driver's container", Since: now.Add(-2500 * time.Millisecond), AtMost: 3 * time.Minute, Seen: "no driver pod"},
		{What: "the phase cleanup", Since: now.Add(-70 * time.Second)},
		{What: "too long", Since: now.Add(-70 * time.Second), AtMost: time.Minute},
	}}, now)
	want := []string{
		"awaiting   the driver's container", "             2m58s of 3m0s left; seen: no driver pod",
		"awaiting   the phase cleanup", "             for 1m10s",
		"awaiting   too long", "             0.0s of 1m0s left",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestNothingIsKnown(t *testing.T) {
	t.Parallel()
	got := live.Lines(live.View{What: "run", Model: model.New()}, historytest.Epoch())
	if diff := cmp.Diff([]string{"run"}, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// TestEveryRecordedRun looks that no history makes a line that is empty or has an end of line.
func TestEveryRecordedRun(t *testing.T) {
	t.Parallel()
	historytest.EachRecorded(t, filepath.Join("..", "..", "check", "testdata", "recorded"), func(t *testing.T, _ string, content []byte) {
		m := historytest.ObservedBytes(t, model.New(model.KeepProgress()), content)
		lines := live.Lines(live.View{What: "run", Model: m}, m.Last.At)
		for _, line := range lines {
			if strings.TrimSpace(line) == "" || strings.ContainsAny(line, "\n\r") {
				t.Errorf("%q", line)
			}
		}
		if len(lines) < 3 || len(lines) > 30 {
			t.Errorf("%d lines: %q", len(lines), lines)
		}
	})
}
