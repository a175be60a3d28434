package when

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/entrytest"
	"github.com/sparkchaos/sparkchaos/pkg/anchor"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func TestEachAnchorOfTheCatalogueHasItsConstructor(t *testing.T) {
	t.Parallel()
	var choices []scenario.Choice
	for _, m := range []Moment{
		DriverInitializing(), DriverRunning(), ExecutorsRegistered(2), ExecutorsRegisteredWith(2, 1), AnyStageRunning(), StageRunning(3),
		TasksCompleted(10), BatchCompleted(4), DriverRescheduled(), FaultLanded("f"), FaultRecovered("f"), ApplicationCompleted(),
	} {
		choices = append(choices, m.Anchor)
		if _, err := anchor.New(m.Anchor); err != nil {
			t.Error(err)
		}
	}
	entrytest.Match(t, anchor.Entries(), choices)
}

func TestAMomentIsAValue(t *testing.T) {
	t.Parallel()
	plain := DriverRunning()
	got := plain.Then(2 * time.Second).Within(time.Minute).Moment
	want := scenario.Moment{Anchor: plain.Anchor, Delay: scenario.Exactly(2 * time.Second), Deadline: scenario.Duration(time.Minute)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("moment (-want +got):\n%s", diff)
	}
	if span := plain.ThenBetween(time.Second, 2*time.Second).Delay.String(); span != "1s..2s" || plain.Delay != (scenario.Span{}) {
		t.Errorf("the delay is %s, and the first moment's %s", span, plain.Delay)
	}
}
