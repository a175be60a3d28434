package cluster

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDo(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	seen := Observation{What: "off", How: "told"}
	tests := []struct {
		name   string
		action Action
		state  Node
		turn   error
		find   error
		do     func(context.Context, *Evidence) error
		want   string   // of the error
		steps  []string // what was done, in order
	}{
		{name: "done", action: PowerOff, state: Node{Power: On}, steps: []string{"turn", "find w", "do w", "end"}},
		{name: "an action that nobody can do", action: "explode", want: `unsupported action "explode"`},
		{name: "one that this cluster cannot", action: Freeze, want: `unsupported action "freeze"`},
		{name: "no turn", action: PowerOff, turn: broken, want: "broken", steps: []string{"turn"}},
		{name: "no such node", action: PowerOff, find: broken, want: "broken", steps: []string{"turn", "find w", "end"}},
		{name: "so already", action: PowerOff, state: Node{Power: Off}, want: "power-off of node w: it is off; nothing was changed",
			steps: []string{"turn", "find w", "end"}},
		{name: "a failure keeps what was seen before", action: PowerOff, state: Node{Power: On},
			do: func(context.Context, *Evidence) error { return broken }, want: "power-off of node w: broken", steps: []string{"turn", "find w",
				"do w", "end"}},
		{name: "an effect that does not come", action: PowerOff, state: Node{Power: On}, do: func(ctx context.Context, _ *Evidence) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}, want: "the effect was not seen within 20ms", steps: []string{"turn", "find w", "do w", "end"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var steps []string
			step := func(s string) { steps = append(steps, s) }
			doings := Doings[string]{PowerOff: {Limit: 20 * time.Millisecond, Do: func(ctx context.Context, worker string, e *Evidence) error {
				step("do " + worker)
				e.Observations = append(e.Observations, seen)
				if test.do == nil {
					return nil
				}
				return test.do(ctx, e)
			}}}
			turn := func(context.Context) (func(), error) {
				step("turn")
				return func() { step("end") }, test.turn
			}
			find := func(_ context.Context, name string) (string, Node, error) {
				step("find " + name)
				return name, test.state, test.find
			}
			e, err := doings.Do(t.Context(), test.action, "w", turn, find)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if diff := cmp.Diff(test.steps, steps); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			var observed []Observation
			for _, s := range test.steps {
				if s == "do w" {
					observed = []Observation{seen}
				}
			}
			if diff := cmp.Diff(observed, e.Observations); diff != "" {
				t.Errorf("observations (-want +got):\n%s", diff)
			}
		})
	}
}
