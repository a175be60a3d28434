package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/sparkchaos/sparkchaos/internal/fakeworld"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// withImageArchive returns the options of a run whose image is in an archive.
func withImageArchive(t *testing.T, w *fakeworld.World, taken runner.Image, err error) runner.Options {
	t.Helper()
	o := optionsIn(t, w, planned(t, ""))
	o.Plan.Workload.ImageArchive = "billing.tar"
	type opener = func(context.Context, string) (*os.File, error)
	o.ImageArchive = func(_ context.Context, workload scenario.Workload, _ opener) (runner.Image, error) {
		if workload.ImageArchive != "billing.tar" {
			t.Errorf("taken from %q", workload.ImageArchive)
		}
		return taken, err
	}
	return o
}

func TestAWholeRunInAnImageOfAnArchive(t *testing.T) {
	t.Parallel()
	w := fakeworld.New(t, fakeworld.Script{Working: fakeworld.UntilLost})
	o := withImageArchive(t, w, runner.Image{Reference: "example.com/team/billing:1.0", Digest: "sha256:2"}, nil)
	finished, err := runner.Run(t.Context(), o)
	if err != nil || finished.Err != nil {
		t.Fatal(err, finished.Err)
	}
	checkPassed(t, o.Plan, finished.Directory)
	checkNothingIsLeft(t, w, o, finished)
	var launched int
	for _, event := range eventsOf(t, finished.Directory) {
		if event.Type != history.WorkloadLaunched {
			continue
		}
		var workload history.WorkloadData
		if err := json.Unmarshal(event.Data, &workload); err != nil {
			t.Fatal(err)
		}
		if workload.Image != "example.com/team/billing:1.0" || workload.ImageID != "sha256:2" {
			t.Errorf("launched in %s %s", workload.Image, workload.ImageID)
		}
		launched++
	}
	if launched == 0 {
		t.Error("nothing was launched")
	}
}

func TestARunInAnImageThatIsRefusedEndsBeforeItBegins(t *testing.T) {
	t.Parallel()
	w := fakeworld.New(t, fakeworld.Script{Working: fakeworld.UntilLost})
	refused := errors.New("it holds no Spark")
	o := withImageArchive(t, w, runner.Image{}, refused)
	finished, err := runner.Run(t.Context(), o)
	if err != nil || !errors.Is(finished.Err, refused) {
		t.Errorf("got %v, %v; want %v", err, finished.Err, refused)
	}
	checkNothingIsLeft(t, w, o, finished)
}
