package timeline_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/report/tell"
	"github.com/sparkchaos/sparkchaos/pkg/report/timeline"
)

func laidOut(t *testing.T, path string) (*timeline.Timeline, check.RunVerdict) {
	t.Helper()
	content := historytest.Unpack(t, path)
	verdict, err := check.Judge(t.Context(), history.NewReader(bytes.NewReader(content)))
	if err != nil {
		t.Fatal(err)
	}
	record, err := tell.Read(bytes.NewReader(content), nil)
	if err != nil {
		t.Fatal(err)
	}
	return timeline.Of(record, verdict, []time.Duration{time.Second}), verdict
}

func recorded(t *testing.T, name string) *timeline.Timeline {
	t.Helper()
	tl, _ := laidOut(t, filepath.Join("..", "..", "check", "testdata", "recorded", name+".ndjson.gz"))
	return tl
}

func lane(t *testing.T, tl *timeline.Timeline, prefix string) timeline.Lane {
	t.Helper()
	i := slices.IndexFunc(tl.Lanes, func(l timeline.Lane) bool { return strings.HasPrefix(l.Name, prefix) })
	if i < 0 {
		t.Fatalf("no lane %q", prefix)
	}
	return tl.Lanes[i]
}

func states(l timeline.Lane, low bool) []timeline.State {
	var all []timeline.State
	for _, s := range l.Spans {
		if s.Low == low {
			all = append(all, s.State)
		}
	}
	return all
}

func TestPowerOff(t *testing.T) {
	t.Parallel()
	tl := recorded(t, "driver-node-power-off")
	fault := tl.Faults[0]
	node := lane(t, tl, strings.TrimPrefix(fault.Target, "node "))
	if got := states(node, true); !slices.Equal(got, []timeline.State{timeline.Off}) {
		t.Errorf("the machine is %v", got)
	}
	if got := states(node, false); !slices.Contains(got, timeline.Unknown) || got[0] != timeline.Ready {
		t.Errorf("Kubernetes says %v", got)
	}
	first, second := lane(t, tl, "driver 1"), lane(t, tl, "driver 2")
	if got := states(first, false); !slices.Contains(got, timeline.Terminating) {
		t.Errorf("driver 1 is %v", got)
	}
	if got := states(second, false); !slices.Contains(got, timeline.Succeeded) {
		t.Errorf("driver 2 is %v", got)
	}
	if len(tl.Overlaps) != 0 || !fault.Landed || fault.From >= fault.To {
		t.Errorf("overlaps %v, fault %+v", tl.Overlaps, fault)
	}
	touched := slices.ContainsFunc(fault.Lanes, func(i int) bool { return tl.Lanes[i].Name == first.Name })
	if !touched {
		t.Error("the fault does not touch the driver that was on its node")
	}
	if len(tl.Phases) < 5 || tl.Phases[0].From != fault.From {
		t.Errorf("phases %+v", tl.Phases)
	}
	if slices.Max(tl.Series.Executors) < 2 || slices.Max(tl.Series.Tasks) < 2 || slices.Max(tl.Series.Heartbeats) != 1 {
		t.Error("the figures are not those of two executors")
	}
}

func TestTwoDriversOverlap(t *testing.T) {
	t.Parallel()
	tl := recorded(t, "driver-node-frozen")
	if len(tl.Overlaps) == 0 {
		t.Fatal("no overlap")
	}
	o := tl.Overlaps[0]
	if o.To-o.From < time.Second || !strings.HasPrefix(tl.Lanes[o.Lanes[0]].Name, "driver 1") ||
		!strings.HasPrefix(tl.Lanes[o.Lanes[1]].Name, "driver 2") {
		t.Errorf("%+v of %s and %s", o, tl.Lanes[o.Lanes[0]].Name, tl.Lanes[o.Lanes[1]].Name)
	}
	if got := states(lane(t, tl, strings.TrimPrefix(tl.Faults[0].Target, "node ")), true); got[0] != timeline.Frozen {
		t.Errorf("the machine is %v", got)
	}
}

func TestMachines(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]timeline.State{"driver-node-isolated": timeline.Isolated, "driver-node-drain": timeline.Marked} {
		tl := recorded(t, name)
		if got := states(lane(t, tl, strings.TrimPrefix(tl.Faults[0].Target, "node ")), true); len(got) != 1 || got[0] != want {
			t.Errorf("%s: the machine is %v, want %s", name, got, want)
		}
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"structured-streaming-driver-node-power-off", "dstream-driver-node-power-off"} {
		tl := recorded(t, name)
		n := 0
		for _, l := range tl.Lanes {
			if l.Group == timeline.Streams {
				n += len(l.Spans) + len(l.Marks)
			}
		}
		if n < 5 {
			t.Errorf("%s: %d batches", name, n)
		}
	}
}

func TestAFaultThatDidNotLand(t *testing.T) {
	t.Parallel()
	tl := recorded(t, "noop-power-off")
	if len(tl.Faults) != 1 || tl.Faults[0].Landed {
		t.Errorf("%+v", tl.Faults)
	}
}

// Whatever the history is like, everything lies within the run, and each span is shown by events.
func TestEverythingLiesWithinTheRun(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "check", "testdata", "*", "*.ndjson.gz"))
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			tl, _ := laidOut(t, file)
			for _, l := range tl.Lanes {
				for _, s := range l.Spans {
					if s.From < 0 || s.To < s.From || len(s.Events) == 0 || s.Text == "" {
						t.Errorf("lane %s: %+v", l.Name, s)
					}
				}
			}
			for _, f := range tl.Faults {
				for _, i := range f.Lanes {
					if i < 0 || i >= len(tl.Lanes) {
						t.Errorf("fault %s touches lane %d of %d", f.Fault, i, len(tl.Lanes))
					}
				}
			}
		})
	}
}
