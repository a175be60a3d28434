package runner

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// TestWhatLaunchesTheDriverMayFail has a launcher fail for good: the wait for the driver ends at once, with the reason and its logs' place.
func TestWhatLaunchesTheDriverMayFail(t *testing.T) {
	t.Parallel()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() }) // nothing was written
	s := &session{logs: &podLogs{directory: root}}
	launched := history.WorkloadData{
		Namespace: "ns", DriverKind: "Pod", DriverName: "app-driver", DriverSelector: "role=driver", Image: "example.com/app:1",
		LaunchedBy: history.Object{Kind: "Job", Namespace: "ns", Name: "app-submit", UID: "j"},
	}
	pod := func(owner, waiting string) string {
		return `{"metadata":{"uid":"p","name":"app-submit-1","namespace":"ns","ownerReferences":[{"kind":"Job","uid":"` + owner +
			`","controller":true}]},` +
			`"spec":{"nodeName":"n1"},"status":{"containerStatuses":[{"state":{"waiting":{"reason":"` + waiting + `","message":"no such image"}}}]}}`
	}
	for name, c := range map[string]struct {
		kind, uid, object string
		want              []string // parts of the error; nil: there is none
	}{
		"it failed": {"Job", "j", `{"status":{"conditions":[{"type":"Failed","status":"True","reason":"BackoffLimitExceeded"}]}}`,
			[]string{"Job app-submit, which launches the driver, has failed (BackoffLimitExceeded)", root.Name()}},
		"it is done":         {"Job", "j", `{"status":{"conditions":[{"type":"Complete","status":"True"}]}}`, nil},
		"another one failed": {"Job", "k", `{"status":{"conditions":[{"type":"Failed","status":"True"}]}}`, nil},
		"the operator gave up": {"SparkApplication", "j", `{"status":{"applicationState":{"state":"FAILED","errorMessage":"no such class"}}}`,
			[]string{"has failed (no such class)"}},
		"its image is missing": {"Pod", "p", pod("j", "ErrImageNeverPull"),
			[]string{"app-submit, which launches the driver, cannot start: image example.com/app:1 on node n1: ErrImageNeverPull: no such image"}},
		"its image is pulled":        {"Pod", "p", pod("j", "ContainerCreating"), nil},
		"another's image is missing": {"Pod", "p", pod("k", "ErrImageNeverPull"), nil},
	} {
		m := model.New()
		encoded, err := json.Marshal(launched)
		if err != nil {
			t.Fatal(err)
		}
		m.Observe(&history.Event{Seq: 1, Source: history.Harness, Type: history.WorkloadLaunched, Data: encoded})
		m.Observe(&history.Event{Seq: 2, Source: history.Kubernetes, Type: history.Modified, Object: &history.Object{Kind: c.kind, UID: c.uid},
			Data: json.RawMessage(c.object)})
		got := s.launcherFails(m, launched)
		if (got == nil) != (c.want == nil) {
			t.Errorf("%s: got %v, want %q", name, got, c.want)
		}
		for _, want := range c.want {
			if got == nil || !strings.Contains(got.Error(), want) {
				t.Errorf("%s: got %v, want %q in it", name, got, want)
			}
		}
	}
}

// TestAnApplicationWithoutDriverIsDescribed checks that an operator's reason is told without the log of spark-submit before it.
func TestAnApplicationWithoutDriverIsDescribed(t *testing.T) {
	t.Parallel()
	by := history.Object{Kind: "SparkApplication", Name: "app"}
	for name, c := range map[string]struct{ trouble, want string }{
		"nothing is wrong": {"", "no driver pod; SparkApplication app is SUBMITTED"},
		"one line":         {"no such image", "no driver pod; SparkApplication app is SUBMITTED: no such image"},
		"a stack": {"failed to run spark-submit: 26/01/01 WARN x\nException in thread \"main\" java.lang.Error: no class\n\tat a.b(c)\x1b[1m",
			`no driver pod; SparkApplication app is SUBMITTED: "main" java.lang.Error: no class at a.b(c)`},
		"too much": {strings.Repeat("é", troubleShown), "no driver pod; SparkApplication app is SUBMITTED: " +
			strings.Repeat("é", troubleShown/2) + "…"},
	} {
		got := withoutDriver(by, &model.Job{State: "SUBMITTED", Trouble: c.trouble})
		if !strings.HasPrefix(got, c.want) || len(got) > troubleShown+100 || strings.Contains(got, "\x1b") {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
