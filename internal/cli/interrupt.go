package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// secondCounts is how long after the first signal a second one is taken for the same: GNU timeout signals its child and then the
// process group that the child is in, and a terminal may repeat a key.
const secondCounts = 2 * time.Second

// interrupts ends a command on SIGINT and SIGTERM. The first one ends its context, so that it can undo what it did, and says at once
// what that is. Another one within secondCounts changes nothing; a later one ends the process without undoing.
type interrupts struct {
	cancel context.CancelCauseFunc
	exit   func(code int)
	now    func() time.Time

	first time.Time // of the first signal; only watch uses it

	mu   sync.Mutex
	say  func(format string, args ...any)
	work interruptible
}

// interruptible is the work that a signal interrupts.
type interruptible struct {
	undoing func() string // what is still to be undone, in words; empty for nothing
	left    func() string // the same, if nothing more is undone
	cleanUp string        // the command line that does it later
	leave   func()        // leaves the terminal as it was before the process ends at once; may be nil
}

// interruptsKey is that of the context's interrupts.
type interruptsKey struct{}

// catchInterrupts returns a context that ends with the first signal.
func catchInterrupts(parent context.Context, out io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	i := &interrupts{
		cancel: cancel, exit: os.Exit, now: time.Now,
		say: func(format string, args ...any) { fmt.Fprintf(out, "sparkchaos: "+format+"\n", args...) },
	}
	received := make(chan os.Signal, 16)
	signal.Notify(received, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go i.watch(received, done)
	return context.WithValue(ctx, interruptsKey{}, i), func() {
		signal.Stop(received)
		close(done)
		cancel(nil)
	}
}

// interruptsOf returns the interrupts of a command's context; nil without any.
func interruptsOf(ctx context.Context) *interrupts {
	i, _ := ctx.Value(interruptsKey{}).(*interrupts)
	return i
}

// during has signals answered with what the work is, until the returned function is called. A nil interrupts is never asked.
func (i *interrupts) during(work interruptible, say func(format string, args ...any)) (end func()) {
	if i == nil {
		return func() {}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	before, saidBy := i.work, i.say
	i.work, i.say = work, say
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.work, i.say = before, saidBy
	}
}

func (i *interrupts) watch(received <-chan os.Signal, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case sig := <-received:
			i.take(sig)
		}
	}
}

// take answers a signal.
func (i *interrupts) take(sig os.Signal) {
	i.mu.Lock()
	work, say := i.work, i.say
	i.mu.Unlock()
	switch {
	case i.first.IsZero():
		i.first = i.now()
		i.cancel(&interruptedError{signal: sig})
		doing := "ending what was begun"
		if work.undoing != nil {
			doing = cmp.Or(work.undoing(), "nothing was disturbed yet, ending")
		}
		say("interrupted: %s … press Ctrl-C again after %v to stop without undoing", doing, secondCounts)
	case i.now().Sub(i.first) < secondCounts:
	default:
		left := ""
		if work.left != nil {
			left = work.left()
		}
		if left == "" {
			say("interrupted again: ended at once")
		} else {
			say("interrupted again: ended at once, %s; `%s` undoes and removes what is left", left, work.cleanUp)
		}
		if work.leave != nil {
			work.leave()
		}
		i.exit(int(ExitInterrupted))
	}
}

// interruptedError is why the context of an interrupted command ended.
type interruptedError struct{ signal os.Signal }

// Error names the signal.
func (e *interruptedError) Error() string { return fmt.Sprintf("interrupted (%v)", e.signal) }

// Is makes errors.Is report it as a cancelled context.
func (e *interruptedError) Is(target error) bool { return target == context.Canceled }
