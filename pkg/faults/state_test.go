package faults

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTransitions(t *testing.T) {
	t.Parallel()
	legal := map[State][]State{
		Planned:      {Journaled, DidNotLand, CleanedUp},
		Journaled:    {Injecting, DidNotLand},
		Injecting:    {Landed, DidNotLand},
		Landed:       {Recovering},
		DidNotLand:   {Recovering, CleanedUp},
		Recovering:   {Recovered, NotRecovered},
		NotRecovered: {Recovering},
		Recovered:    {CleanedUp},
	}
	for _, from := range States() {
		for _, to := range States() {
			d := &Disturbance{name: "f", state: from}
			err := d.enter(to)
			want := from
			for _, state := range legal[from] {
				if state == to {
					want = to
				}
			}
			if got := d.State(); got != want {
				t.Errorf("%s → %s: state is %s, want %s", from, to, got, want)
			}
			if (err == nil) != (want == to && from != to) {
				t.Errorf("%s → %s: error %v", from, to, err)
			}
		}
	}
}

func TestTransitionErrorSaysWhatIsPossible(t *testing.T) {
	t.Parallel()
	err := &TransitionError{Fault: "lose-node", From: Landed, To: Injecting}
	want := "fault lose-node is landed: it cannot become injecting (possible: [recovering])"
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}
