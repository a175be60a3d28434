package faults

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// insteadError is what was seen instead of an effect. Other errors of a look say that nothing could be seen.
type insteadError struct{ words string }

// Error says it.
func (e *insteadError) Error() string { return e.words }

// SeenInstead is the error of a Lasting.Holding that saw something else than the effect.
func SeenInstead(format string, values ...any) error {
	return &insteadError{words: fmt.Sprintf(format, values...)}
}

// watch looks again and again whether a fault that has landed still holds. To look only before the undoing would not do: an
// application that is not disturbed any more may be done by then, and its pods gone.
type watch struct {
	fault  Lasting
	env    Env
	target Target
	since  time.Time
	stop   context.CancelFunc
	lapsed chan string // what was seen instead, or empty; one value when the watch ends
}

// startWatch returns nil for a fault that cannot be asked. The watch ends with the context, too.
func startWatch(ctx context.Context, fault Fault, env Env, target Target) *watch {
	asked, ok := fault.(Lasting)
	if !ok {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	w := &watch{fault: asked, env: env, target: target, since: env.Now(), stop: stop, lapsed: make(chan string, 1)}
	if asked.Loud() {
		w.lapsed <- ""
		return w
	}
	go func() { w.lapsed <- w.run(ctx) }()
	return w
}

// run looks until the fault does not hold or the context ends.
func (w *watch) run(ctx context.Context) string {
	ticker := time.NewTicker(w.env.WatchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ""
		case <-ticker.C:
		}
		if why := w.look(ctx); why != "" {
			return why
		}
	}
}

// look says what is seen instead of the effect, and when; empty if nothing speaks against the effect, or the look was cut off.
func (w *watch) look(ctx context.Context) string {
	bounded, cancel := context.WithTimeout(ctx, w.env.HoldWithin)
	defer cancel()
	err := w.fault.Holding(bounded, w.env, w.target)
	var instead *insteadError
	if !errors.As(err, &instead) || ctx.Err() != nil {
		return ""
	}
	return fmt.Sprintf("%s (seen %v after it had landed)", instead.words, w.env.Now().Sub(w.since).Round(100*time.Millisecond))
}

// end ends the watch and looks once more. It returns what was seen instead of the effect, or empty.
func (w *watch) end(ctx context.Context) string {
	w.stop()
	if why := <-w.lapsed; why != "" {
		return why
	}
	return w.look(ctx)
}
