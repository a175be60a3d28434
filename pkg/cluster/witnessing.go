package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/await"
)

// lookEvery is how often an effect is looked for: it decides how exact the time of an observation is.
const lookEvery = 30 * time.Millisecond

// Await looks until a fact can be seen and notes it. When the context ends the error says what was seen instead.
func (e *Evidence) Await(ctx context.Context, what, how string, look func(context.Context) (seen bool, instead string)) error {
	return e.AwaitEvery(ctx, lookEvery, what, how, look)
}

// AwaitEvery is Await with another time between two looks.
func (e *Evidence) AwaitEvery(
	ctx context.Context, every time.Duration, what, how string, look func(context.Context) (seen bool, instead string),
) error {
	if err := PollEvery(ctx, every, look); err != nil {
		return fmt.Errorf("expected to see that %s: %w", what, err)
	}
	e.Observations = append(e.Observations, Observation{What: what, How: how, At: time.Now()})
	return nil
}

// Poll asks until the answer is yes. When the context ends the error says what was seen last.
func Poll(ctx context.Context, ask func(context.Context) (ok bool, seen string)) error {
	return PollEvery(ctx, lookEvery, ask)
}

// PollEvery is Poll with another time between two looks.
func PollEvery(ctx context.Context, every time.Duration, ask func(context.Context) (ok bool, seen string)) error {
	var seen string
	err := await.Until(ctx, every, func(ctx context.Context) await.Result {
		var ok bool
		if ok, seen = ask(ctx); ok {
			return await.Done()
		}
		return await.NotYet(errors.New(seen))
	})
	if err != nil {
		return fmt.Errorf("%w; last seen: %s", context.Cause(ctx), seen)
	}
	return nil
}
