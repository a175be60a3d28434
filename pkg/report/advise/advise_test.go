package advise_test

import (
	"encoding/json"
	"flag"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/golden"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/report/advise"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

var update = flag.Bool("update", false, "write the golden files again")

const corpus = "../../check/testdata"

func observed(t *testing.T, content []byte) *model.Model {
	t.Helper()
	return historytest.ObservedBytes(t, model.New(model.KeepTasks(func(history.RunData) bool { return true })), content)
}

func advised(t *testing.T, content []byte) advise.Report {
	t.Helper()
	report, err := advise.Of(observed(t, content))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestRecordedHistories(t *testing.T) {
	t.Parallel()
	historytest.EachRecorded(t, filepath.Join(corpus, "recorded"), func(t *testing.T, name string, content []byte) {
		report, err := json.MarshalIndent(advised(t, content), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden.Compare(t, filepath.Join("testdata", name+".json"), append(report, '\n'), *update)
	})
}

// A damaged history gives fewer delays, and never a negative one.
func TestEveryHistoryIsExplained(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(corpus, "*", "*.ndjson.gz"))
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		report, err := advise.Of(observed(t, historytest.Unpack(t, file)))
		if err != nil {
			continue // a plan that cannot be read
		}
		for _, d := range report.Delays {
			if d.Took < 0 || d.From < 1 || d.To < 1 || d.Why == "" || d.Expected.Least > d.Expected.Most {
				t.Errorf("%s: %+v", file, d)
			}
		}
		for _, a := range report.Advices {
			if a.Gain <= 0 || a.Cost == "" || len(a.Change.Assignments) == 0 {
				t.Errorf("%s: %+v", file, a)
			}
		}
	}
}

// withPlan returns the plan of a story with the settings of a cluster and a workload.
func withPlan(timing, workload string) map[string]any {
	plan := historytest.Expect("driverRescheduled", map[string]any{"within": "10m"})
	knobs := map[string]string{
		"fast":       `{"nodeLeaseDuration":"4s","nodeMonitorPeriod":"500ms","nodeMonitorGracePeriod":"4s"}`,
		"production": `{"nodeLeaseDuration":"40s","nodeMonitorPeriod":"5s","nodeMonitorGracePeriod":"50s"}`,
	}
	plan["cluster"] = json.RawMessage(`{"kind":"embedded","timing":"` + timing + `","knobs":` + knobs[timing] + `}`)
	plan["workload"] = json.RawMessage(workload)
	return plan
}

// executorLost is a run in which the node of an executor loses its power at 10 s, and the driver removes that executor at a time.
func executorLost(workload string, removed time.Duration) *historytest.Story {
	s := time.Second
	story := historytest.PowerOff(withPlan("fast", workload))
	story.Targets = []history.Object{{Kind: "Node", Name: "n2"}}
	driver := &story.Drivers[0]
	driver.Node, driver.Silent, driver.Terminating, driver.Finished, driver.Deleted = "n1", 380*s, 0, 381*s, 390*s
	driver.Executors[0].Silent, driver.Executors[0].Terminating, driver.Executors[0].Finished, driver.Executors[0].Deleted = 10*s, 16*s, 0,
		20*s
	driver.Executors[1].Silent, driver.Executors[1].Finished, driver.Executors[1].Deleted = 380*s, 381*s, 390*s
	story.Drivers = story.Drivers[:1]
	story.NotReady, story.Recovered, story.Completed = 0, 370*s, 382*s
	story.CleanUp, story.Ended, story.Leftovers, story.Collected = 400*s, 410*s, nil, nil
	story.Extra = func(b *historytest.Builder) {
		b.Node(14*s, history.Modified, "n2", "Unknown")
		if removed > 0 {
			b.Witness(removed+time.Millisecond, removed, history.WitnessRecord{
				Role: "driver", PodUID: "d1", PodName: "driver-d1", Node: "n1", AppID: "spark-1", Incarnation: "d1", Type: history.ExecutorRemoved,
				ExecutorID: "1",
			})
		}
	}
	return story
}

func bytesOf(t *testing.T, story *historytest.Story) []byte {
	t.Helper()
	content, err := story.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestSlowSettingsAreFound(t *testing.T) {
	t.Parallel()
	s := time.Second
	production := historytest.PowerOff(withPlan("production", `{"driver":{"kind":"Job"}}`))
	production.NotReady, production.Drivers[0].Terminating = 54*s, 354*s
	production.Drivers[1].Created, production.Drivers[1].Running, production.Drivers[1].Started = 355*s, 356*s, 358*s
	production.Drivers[1].Silent, production.Drivers[1].Finished, production.Drivers[1].FirstTask = 377*s, 378*s, 362*s
	production.Drivers[0].Finished, production.Drivers[0].Deleted = 375*s, 376*s
	for i := range production.Drivers[1].Executors {
		e := &production.Drivers[1].Executors[i]
		e.Created, e.Registered, e.Silent, e.Finished = 359*s, 361*s, 377*s, 378*s
	}
	production.Drivers[1].Commits, production.Leftovers, production.Collected = nil, nil, nil
	production.Recovered, production.Completed, production.CleanUp, production.Ended = 370*s, 379*s, 390*s, 400*s
	type gain struct {
		Delay, Setting string
		Least, Most    time.Duration
	}
	for _, test := range []struct {
		name  string
		story *historytest.Story
		want  []gain
	}{
		{"stock network time-out", executorLost(`{"conf":{}}`, 155*s),
			[]gain{{"loss noticed by Spark", "spark.network.timeout", 124 * s, 127 * s}}},
		{"a time-out of minutes", executorLost(`{"conf":{"spark.network.timeout":"5min","spark.network.timeoutInterval":"2000"}}`, 311*s),
			[]gain{{"loss noticed by Spark", "spark.network.timeout", 279 * s, 283 * s}}},
		{"never noticed before the application ended", executorLost(`{"conf":{"spark.network.timeout":"600s"}}`, 0),
			[]gain{{"loss noticed by Spark", "spark.network.timeout", 600 * s, 610 * s}}},
		{"nothing to gain", executorLost(`{"conf":{"spark.network.timeout":"20s","spark.network.timeoutInterval":"2s",`+
			`"spark.executor.heartbeatInterval":"2s"}}`, 30*s), nil},
		{"production", production, []gain{
			{"eviction", "tolerationSeconds of the driver", 294 * s, 296 * s},
			{"detection", "kube-controller-manager --node-monitor-grace-period", 24 * s, 26 * s},
			{"executors back", "spark.kubernetes.allocation.batch.delay", 700 * time.Millisecond, 900 * time.Millisecond},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			report := advised(t, bytesOf(t, test.story))
			var got []gain
			for i, a := range report.Advices {
				if a.Delay.Beside {
					continue
				}
				g := gain{a.Delay.Name, a.Change.Assignments[0].Name, a.Gain, a.Gain}
				if i < len(test.want) && a.Gain >= test.want[i].Least && a.Gain <= test.want[i].Most {
					g.Least, g.Most = test.want[i].Least, test.want[i].Most
				}
				got = append(got, g)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\ndelays: %+v", diff, report.Delays)
			}
		})
	}
}

func TestStaleExecutorsAreNoPartOfTheRecovery(t *testing.T) {
	t.Parallel()
	report := advised(t, bytesOf(t, historytest.PowerOff(withPlan("fast",
		`{"conf":{"spark.kubernetes.allocation.batch.delay":"0s"},"driver":{"tolerationSeconds":2}}`))))
	if len(report.Advices) != 0 { // they continued for 19 s, which no change is known to shorten
		t.Errorf("%+v", report.Advices)
	}
	found := false
	for _, d := range report.Delays {
		found = found || d.Name == "stale executors" && d.Beside && d.Took == 19*time.Second
	}
	if !found {
		t.Errorf("stale executors continued for 19 s, and are not among %+v", report.Delays)
	}
}

func TestChangesAreMadeInAScenario(t *testing.T) {
	t.Parallel()
	report := advised(t, bytesOf(t, executorLost(`{"conf":{}}`, 155*time.Second)))
	s := &scenario.Scenario{}
	for _, a := range report.Advices {
		if a.Change.InScenario() {
			a.Change.Apply(s)
		}
	}
	want := map[string]scenario.ConfValue{
		"spark.network.timeout": scenario.Plain("20s"), "spark.network.timeoutInterval": scenario.Plain("2s"),
		"spark.executor.heartbeatInterval": scenario.Plain("2s"),
	}
	if diff := cmp.Diff(want, s.Spec.Workload.Conf); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
