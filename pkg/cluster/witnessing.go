package cluster

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// lookEvery is how often an effect is looked for: it decides how exact the time of an observation is.
const lookEvery = 30 * time.Millisecond

// Await looks until a fact can be seen and notes it. When the context ends the error says what was seen instead.
func (e *Evidence) Await(ctx context.Context, what, how string, look func(context.Context) (seen bool, instead string)) error {
	if err := Poll(ctx, look); err != nil {
		return fmt.Errorf("expected to see that %s: %w", what, err)
	}
	e.Observations = append(e.Observations, Observation{What: what, How: how, At: time.Now()})
	return nil
}

// Poll asks until the answer is yes. When the context ends the error says what was seen last.
func Poll(ctx context.Context, ask func(context.Context) (ok bool, seen string)) error {
	var seen string
	err := wait.PollUntilContextCancel(ctx, lookEvery, true, func(ctx context.Context) (bool, error) {
		var ok bool
		ok, seen = ask(ctx)
		return ok, nil
	})
	if err != nil {
		return fmt.Errorf("%w; last seen: %s", context.Cause(ctx), seen)
	}
	return nil
}
