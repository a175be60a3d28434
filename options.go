package sparkchaos

import (
	"context"
	"io"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/testbed"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// Option changes how runs are carried out.
type Option func(*settings)

// settings are what options choose.
type settings struct{ testbed.Settings }

// Use has scenarios name what a catalogue has, and a clean-up undo by its kinds of undo.
func Use(catalogue Vocabulary) Option { return func(s *settings) { s.Words = catalogue.words } }

// RunsIn has run directories made in a directory; without it in "runs".
func RunsIn(directory string) Option { return func(s *settings) { s.Runs = directory } }

// Keep leaves a cluster running that was made.
func Keep() Option { return func(s *settings) { s.Keep = true } }

// Wait waits so long for a cluster that another run has, instead of failing.
func Wait(atMost time.Duration) Option { return func(s *settings) { s.Patience = atMost } }

// Log writes a line for each thing that happens, such as to GinkgoWriter.
func Log(out io.Writer) Option { return Progress(testbed.Log(out)) }

// Progress shows what happens.
func Progress(progress runner.Progress) Option { return func(s *settings) { s.Progress = progress } }

// Yes allows an existing cluster to be disturbed as shown, and a clean-up to do what is not proven to be right, without asking.
func Yes() Option {
	return func(s *settings) {
		s.Allow = func(context.Context, string, string) error { return nil }
		s.Confirm = func(string) error { return nil }
	}
}

// Allow is asked once whether an existing cluster may be disturbed as shown, and returns nil if it may. Without it nothing is done to an
// existing cluster.
func Allow(ask func(ctx context.Context, name, shown string) error) Option {
	return func(s *settings) { s.Allow = ask }
}

// Confirm is asked when what killed runs left can be cleaned up only in a way that is not proven to be right. Without it that is left.
func Confirm(ask func(question string) error) Option { return func(s *settings) { s.Confirm = ask } }

// AllowEnv names environment variables whose values scenarios may have.
func AllowEnv(names ...string) Option {
	return func(s *settings) { s.Allowances.Env = append(s.Allowances.Env, names...) }
}

// AllowFile names files outside of a scenario's directory that it may have the secret values of settings from.
func AllowFile(paths ...string) Option {
	return func(s *settings) { s.Allowances.Files = append(s.Allowances.Files, paths...) }
}

// AllowPlainSecrets accepts settings in clear text whose keys say that they are secrets.
func AllowPlainSecrets() Option { return func(s *settings) { s.Allowances.PlainSecrets = true } }

// CommandLine names what a run is for to others that find its cluster held, the flags that name the cluster again, and the command line
// that cleans up after a run that was killed.
func CommandLine(purpose string, flags []string, cleanUp string) Option {
	return func(s *settings) { s.Purpose, s.Flags, s.CleanUp = purpose, flags, cleanUp }
}

// Underway is called when a run begins, with what knows what there is to undo, and done when the run has ended.
func Underway(begins func(*runner.Underway) (done func())) Option {
	return func(s *settings) { s.Underway = begins }
}

// Getenv has the places of cache and state looked up in another environment than the process's.
func Getenv(getenv func(string) string) Option { return func(s *settings) { s.Getenv = getenv } }
