package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"

	"github.com/sparkchaos/sparkchaos/internal/fakeworld"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// terminal is a terminal on which a test looks at what a person sees.
type terminal struct {
	tty  *os.File // what the program writes to
	done chan struct{}

	mu      sync.Mutex
	changed *sync.Cond
	screen  vt10x.Terminal
	frames  []string // all that could be seen
}

// openTerminal returns a terminal of the usual environment.
func openTerminal(t *testing.T, columns, rows int) *terminal {
	t.Helper()
	keyboard, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(keyboard, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)}); err != nil {
		t.Fatal(err)
	}
	term := &terminal{tty: tty, done: make(chan struct{}), screen: vt10x.New(vt10x.WithSize(columns, rows))}
	term.changed = sync.NewCond(&term.mu)
	t.Cleanup(func() { _ = keyboard.Close() })
	go func() {
		defer close(term.done)
		buffer := make([]byte, 64<<10)
		for {
			n, err := keyboard.Read(buffer)
			if err != nil { // the program has closed it
				return
			}
			term.mu.Lock()
			_, _ = term.screen.Write(buffer[:n])
			term.frames = append(term.frames, term.screen.String())
			term.changed.Broadcast()
			term.mu.Unlock()
		}
	}()
	return term
}

// await waits until a person sees something that has all the words.
func (term *terminal) await(t *testing.T, words ...string) {
	t.Helper()
	late := time.AfterFunc(time.Minute, func() { // wakes who waits
		term.mu.Lock()
		defer term.mu.Unlock()
		term.frames = append(term.frames, "late")
		term.changed.Broadcast()
	})
	defer late.Stop()
	term.mu.Lock()
	defer term.mu.Unlock()
	for !slices.ContainsFunc(term.frames, func(frame string) bool { return hasAll(frame, words) }) {
		if slices.Contains(term.frames, "late") {
			t.Fatalf("nobody saw %q; last seen:\n%s", words, term.screen)
		}
		term.changed.Wait()
	}
}

func hasAll(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// close ends the program's use of the terminal and returns what stands on it then, without blanks at the ends of lines.
func (term *terminal) close() []string {
	_ = term.tty.Close()
	<-term.done
	var lines []string
	for line := range strings.Lines(term.screen.String()) {
		if line = strings.TrimRight(line, " \n"); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// usual is the environment of a terminal.
func usual(name string) string { return map[string]string{"TERM": "xterm-256color"}[name] }

func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	term := openTerminal(t, 40, 12)
	p := newProgress(term.tty, usual, false)
	done := p.Await("the driver", time.Minute, func() string { return "pods: " + strings.Repeat("…", 50) + "\nand more" })
	p.Say("something happened")
	term.await(t, "something happened", "awaiting   the driver", "of 1m0s left; seen: …")
	done()
	p.Say("over")
	got := term.close()
	if len(got) != 2 || !strings.HasSuffix(got[0], "something happened") || !strings.HasSuffix(got[1], "over") {
		t.Errorf("%q: want the two lines of what happened alone", got)
	}
}

func TestProgressShowsAModel(t *testing.T) {
	t.Parallel()
	m := historytest.ObservedBytes(t, model.New(model.KeepProgress()),
		historytest.Unpack(t, filepath.Join("..", "..", "pkg", "check", "testdata", "recorded", "driver-node-power-off.ndjson.gz")))
	term := openTerminal(t, 100, 30)
	p := newProgress(term.tty, usual, false)
	done := p.Watch("run", func(use func(*model.Model)) { use(m) })
	term.await(t, "driver-node-power-off · run for", "fault      lose-driver-node", "driver     2 on ", "nodes ")
	before := p.Watch("run without faults", func(use func(*model.Model)) { use(model.New()) })
	term.await(t, "run without faults")
	before()
	show := p.Hide() // somebody is asked
	p.Say("may it be disturbed?")
	term.mu.Lock()
	term.frames = nil
	term.mu.Unlock()
	show()
	term.await(t, "may it be disturbed?", "nodes ")
	if err := pty.Setsize(term.tty, &pty.Winsize{Cols: 100, Rows: 5}); err != nil {
		t.Fatal(err)
	}
	term.await(t, "more lines")
	done()
	if got := term.close(); len(got) != 1 || !strings.HasSuffix(got[0], "may it be disturbed?") {
		t.Errorf("left on the terminal: %q", got)
	}
}

func TestWhereLinesDoNotChange(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		environment map[string]string
		plain       bool
	}{
		"asked for":  {map[string]string{"TERM": "xterm"}, true},
		"no colours": {map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, false},
		"CI":         {map[string]string{"TERM": "xterm", "CI": "true"}, false},
		"dumb":       {map[string]string{"TERM": "dumb"}, false},
		"unknown":    {nil, false},
	} {
		term := openTerminal(t, 80, 12)
		p := newProgress(term.tty, func(name string) string { return tt.environment[name] }, tt.plain)
		done := p.Await("the driver", time.Minute, func() string { return "nothing" })
		p.Watch("run", func(func(*model.Model)) { t.Errorf("%s: the model is looked at", name) })()
		p.Hide()()
		done()
		if got := term.close(); p.screen != nil || len(got) != 1 || !strings.Contains(got[0], "waiting for the driver (at most 1m0s)") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestAWholeRunOnATerminal looks at a run on a terminal, from its begin to its end or to an interrupt.
func TestAWholeRunOnATerminal(t *testing.T) {
	t.Parallel()
	for name, interrupted := range map[string]bool{"to its end": false, "interrupted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			term := openTerminal(t, 120, 40)
			options := wholeRun(t, newProgress(term.tty, usual, false))
			ended := make(chan error, 1)
			go func() {
				finished, err := runner.Run(ctx, options)
				ended <- errors.Join(err, finished.LeftBehind)
			}()
			term.await(t, "driver-node-power-off · run for", "phase faults for", "driver     1 on ", "executors ", " Ready: ")
			term.await(t, ": landed ", "off, ", "awaiting   ", " left; seen: ")
			if interrupted {
				cancel()
			} else {
				term.await(t, "driver     2 on ")
			}
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			got := term.close()
			if last := got[len(got)-1]; slices.ContainsFunc(got, func(line string) bool { return !isSaid(line) }) {
				t.Errorf("left on the terminal are other lines than those of what happened; the last is %q:\n%s", last, strings.Join(got, "\n"))
			}
		})
	}
}

// isSaid reports whether a line is one that stays: they begin with the time.
func isSaid(line string) bool {
	at, _, found := strings.Cut(strings.TrimSpace(line), "s  ")
	return found && strings.Trim(at, "0123456789.") == ""
}

// wholeRun are the options of a run of a shipped scenario on a cluster in memory.
func wholeRun(t *testing.T, show runner.Progress) runner.Options {
	t.Helper()
	world := fakeworld.New(t, fakeworld.Script{Working: fakeworld.UntilLost})
	s, err := loadScenario("driver-node-power-off")
	if err != nil {
		t.Fatal(err)
	}
	can, err := world.Kind().Can()
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(s, 7, can, catalogue())
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	return runner.Options{
		Task:  runner.Task{Plan: p},
		Place: runner.Place{ClusterName: "c", Clusters: world.Provider()},
		Supplies: runner.Supplies{
			Image: func(context.Context, scenario.Workload) (runner.Image, error) {
				return runner.Image{Reference: "image", Digest: "sha256:1"}, nil
			},
			WitnessJar: func(context.Context) ([]byte, error) { return bytes.Clone([]byte("jar")), nil },
		},
		Files: runner.Files{
			Runs: filepath.Join(directory, "runs"), Baselines: filepath.Join(directory, "baselines"),
			Active: runner.ActiveRuns{Dir: filepath.Join(directory, "active")},
		},
		Harness: runner.Harness{Progress: show, Version: "test", Underway: &runner.Underway{}},
	}
}
