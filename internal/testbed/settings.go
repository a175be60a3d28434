package testbed

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// Target says which cluster is meant.
type Target struct {
	Kind    cluster.Kind
	Name    string
	Workers int // 0: as many as each scenario asks for
	Timing  cluster.Timing
}

// Settings are what the user of a testbed chooses. The zero value of a field forbids or hides what it is about.
type Settings struct {
	Words // that scenarios may use

	Getenv     func(string) string // has the places of cache and state
	Runs       string              // directory of run directories
	Keep       bool                // a cluster that was made
	Progress   runner.Progress
	Patience   time.Duration // how long a cluster is waited for that another run has
	Purpose    string        // what the cluster is held for, for others that find it held
	Flags      []string      // that name the cluster again on the command line
	CleanUp    string        // the command line that cleans up
	Allow      func(ctx context.Context, name, shown string) error
	Confirm    func(question string) error
	Allowances Allowances
	Underway   func(*runner.Underway) (done func())
}

// Defaults returns the settings of a program that chooses nothing.
func Defaults() Settings {
	return Settings{Getenv: os.Getenv, Runs: "runs", Progress: silence{}, Purpose: "a program that uses sparkchaos"}
}

func (s Settings) say(line string) { s.Progress.Say("%s", line) }

// waiting returns what shows that a cluster is waited for, and what ends showing it.
func (s Settings) waiting(name string) (waiting func(cluster.Holder), done func()) {
	var holder atomic.Pointer[cluster.Holder]
	end := func() {}
	waiting = func(h cluster.Holder) {
		if holder.Swap(&h) == nil {
			end = s.Progress.Await("cluster "+name, s.Patience, func() string { return "held by " + holder.Load().String() })
		}
	}
	return waiting, func() { end() }
}

// silence shows nothing.
type silence struct{}

func (silence) Say(string, ...any) {}

func (silence) Await(string, time.Duration, func() string) func() { return func() {} }

// Log returns a progress that writes a line for each thing that happens.
func Log(out io.Writer) runner.Progress { return logger{out} }

type logger struct{ out io.Writer }

func (l logger) Say(format string, args ...any) {
	_, _ = fmt.Fprintln(l.out, printable.Lines(fmt.Sprintf(format, args...))) // for people: no verdict depends on it
}

func (l logger) Await(what string, atMost time.Duration, _ func() string) func() {
	l.Say("waiting for %s, for %v at most", what, atMost)
	return func() {}
}
