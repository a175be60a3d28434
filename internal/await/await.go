// Package await waits for something to become true by looking again and again.
package await

import (
	"context"
	"fmt"
	"time"
)

// Result is what one look found. Done, NotYet and Failed make one. The zero value is a NotYet without a reason.
type Result struct {
	done   bool
	reason error // why it is not so yet; nil if it is not known
	failed error // why it never will be
}

// Done returns the result of a look that found what is awaited.
func Done() Result { return Result{done: true} }

// NotYet returns the result of a look after which it is worth to look again. The reason says what was seen instead.
func NotYet(reason error) Result { return Result{reason: reason} }

// Failed returns the result of a look after which there is no use in looking again.
func Failed(err error) Result { return Result{done: true, failed: err} }

// Succeeded returns Done if err is nil, and otherwise NotYet with err as the reason. It suits looks of which every failure may pass.
func Succeeded(err error) Result {
	if err != nil {
		return NotYet(err)
	}
	return Done()
}

// Reason returns why it is not so yet: what was seen instead. It is nil for a look that is Done or Failed.
func (r Result) Reason() error { return r.reason }

// Until looks at once and then every so often until a look is Done, for which it returns nil, or Failed, for which it returns that
// error. If the context ends first, it returns the last reason together with the context's error.
func Until(ctx context.Context, every time.Duration, look func(context.Context) Result) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		found := look(ctx)
		if found.done {
			return found.failed
		}
		select {
		case <-ctx.Done():
			if found.reason == nil {
				return ctx.Err()
			}
			return fmt.Errorf("%w (gave up: %w)", found.reason, ctx.Err())
		case <-ticker.C:
		}
	}
}
