package await_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/await"
)

func TestUntil(t *testing.T) {
	t.Parallel()
	missing, broken := errors.New("not there"), errors.New("broken")
	for name, tt := range map[string]struct {
		looks []await.Result // what the looks find, the last one again and again
		times int            // how many looks there are; 0 if that depends on the time
		is    []error        // what the error is; none: there is no error
		says  string
	}{
		"at once":           {looks: []await.Result{await.Done()}, times: 1},
		"at the third look": {looks: []await.Result{await.NotYet(missing), await.NotYet(nil), await.Done()}, times: 3},
		"failed": {looks: []await.Result{await.NotYet(missing), await.Failed(broken)}, times: 2, is: []error{broken},
			says: "broken"},
		"never, with a reason": {looks: []await.Result{await.NotYet(missing)}, is: []error{missing, context.DeadlineExceeded},
			says: "not there (gave up: context deadline exceeded)"},
		"never, the last reason": {looks: []await.Result{await.NotYet(broken), await.NotYet(missing)},
			is: []error{missing, context.DeadlineExceeded}},
		"never, without any reason": {looks: []await.Result{{}}, is: []error{context.DeadlineExceeded}, says: "context deadline exceeded"},
		"an error that may pass":    {looks: []await.Result{await.Succeeded(missing), await.Succeeded(nil)}, times: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			if tt.times > 0 {
				ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
			}
			defer cancel()
			looked := 0
			err := await.Until(ctx, time.Millisecond, func(context.Context) await.Result {
				looked++
				return tt.looks[min(looked, len(tt.looks))-1]
			})
			if tt.times > 0 && looked != tt.times {
				t.Errorf("looked %d times, want %d", looked, tt.times)
			}
			if (err == nil) != (len(tt.is) == 0) {
				t.Fatalf("got %v, want %v", err, tt.is)
			}
			for _, want := range tt.is {
				if !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
			}
			if tt.says != "" && err.Error() != tt.says {
				t.Errorf("got %q, want %q", err, tt.says)
			}
		})
	}
}

func TestReason(t *testing.T) {
	t.Parallel()
	missing := errors.New("not there")
	for name, tt := range map[string]struct {
		result await.Result
		want   error
	}{
		"done":           {await.Done(), nil},
		"failed":         {await.Failed(missing), nil},
		"not yet":        {await.NotYet(missing), missing},
		"may still pass": {await.Succeeded(missing), missing},
	} {
		if got := tt.result.Reason(); !errors.Is(got, tt.want) {
			t.Errorf("%s: the reason is %v, want %v", name, got, tt.want)
		}
	}
}

// TestUntilLooksOnceEvenIfTheTimeIsOver has the context end before the first look.
func TestUntilLooksOnceEvenIfTheTimeIsOver(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := await.Until(ctx, time.Hour, func(context.Context) await.Result { return await.Done() }); err != nil {
		t.Errorf("got %v, want that it was seen", err)
	}
}
