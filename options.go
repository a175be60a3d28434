package sparkchaos

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// Option changes how runs are carried out.
type Option func(*settings)

// Use has scenarios name what a catalogue has.
func Use(catalogue Vocabulary) Option { return func(s *settings) { s.vocabulary = catalogue } }

// RunsIn has run directories made in a directory; without it in "runs".
func RunsIn(directory string) Option { return func(s *settings) { s.runs = directory } }

// Keep leaves a cluster running that was made.
func Keep() Option { return func(s *settings) { s.keep = true } }

// Wait waits so long for a cluster that another run has, instead of failing.
func Wait(atMost time.Duration) Option { return func(s *settings) { s.patience = atMost } }

// Log writes a line for each thing that happens, such as to GinkgoWriter.
func Log(out io.Writer) Option { return Progress(logger{out}) }

// Progress shows what goes on.
func Progress(progress runner.Progress) Option { return func(s *settings) { s.progress = progress } }

// Allow is asked once whether an existing cluster may be disturbed as shown, and returns nil if it may. Without it nothing is done to an
// existing cluster.
func Allow(ask func(ctx context.Context, name, shown string) error) Option {
	return func(s *settings) { s.allow = ask }
}

// Confirm is asked when what killed runs left can be cleaned up only in a way that is not proven to be right. Without it that is left.
func Confirm(ask func(question string) error) Option { return func(s *settings) { s.confirm = ask } }

// Secrets has scenarios read environment variables and files with secret values; beside is the directory of the scenario's file. Without it
// a scenario that names one fails.
func Secrets(variable func(name string) (string, error), file func(beside string) func(name string) (string, error)) Option {
	return func(s *settings) { s.variable, s.secretFile = variable, file }
}

// CommandLine names what a run is for to others that find its cluster held, the flags that name the cluster again, and the command line that
// cleans up after a run that was killed.
func CommandLine(purpose string, flags []string, cleanUp string) Option {
	return func(s *settings) { s.purpose, s.flags, s.cleanUp = purpose, flags, cleanUp }
}

// Underway is called when a run begins, with what knows what there is to undo, and done when the run has ended.
func Underway(begins func(*runner.Underway) (done func())) Option {
	return func(s *settings) { s.underway = begins }
}

// Getenv has the places of cache and state looked up in another environment than the process's.
func Getenv(getenv func(string) string) Option { return func(s *settings) { s.getenv = getenv } }

// waiting returns what shows that a cluster is waited for, and what ends showing it.
func (s settings) waiting(name string) (waiting func(cluster.Holder), done func()) {
	var holder atomic.Pointer[cluster.Holder]
	end := func() {}
	waiting = func(h cluster.Holder) {
		if holder.Swap(&h) == nil {
			end = s.progress.Await("cluster "+name, s.patience, func() string { return "held by " + holder.Load().String() })
		}
	}
	return waiting, func() { end() }
}

// silence shows nothing.
type silence struct{}

func (silence) Say(string, ...any) {}

func (silence) Await(string, time.Duration, func() string) func() { return func() {} }

// logger shows what happens, a line each.
type logger struct{ out io.Writer }

func (l logger) Say(format string, args ...any) {
	_, _ = fmt.Fprintln(l.out, printable.Lines(fmt.Sprintf(format, args...))) // for people: no verdict depends on it
}

func (l logger) Await(what string, atMost time.Duration, _ func() string) func() {
	l.Say("waiting for %s, for %v at most", what, atMost)
	return func() {}
}
