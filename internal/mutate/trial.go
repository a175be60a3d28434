package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sparkchaos/sparkchaos/internal/mutate/selector"
)

// outcome is what became of a mutant.
type outcome string

const (
	killed     outcome = "killed"     // a test failed
	timedOut   outcome = "timedOut"   // a test continued for too long; this counts as killed
	survived   outcome = "survived"   // all tests that reach it passed
	notReached outcome = "notReached" // no test executes it; this counts as survived
)

// binary holds the tests of one package.
type binary struct {
	path  string
	dir   string   // of the package: tests find their testdata from there
	flags []string // that all calls get
}

// trial is the tests of one package or more, and what is known of them.
type trial struct {
	binaries []*binary
	scratch  string
	workers  int
	tests    []testCase
	memory   uint64        // bytes that a test may use; 0: as many as it likes
	longest  time.Duration // processor time of the longest test that is run; 0: all are
	left     []string      // tests that are longer
}

// testCase is one test function.
type testCase struct {
	name    string
	binary  *binary
	cpu     time.Duration // processor time that it takes without a mutant
	wall    time.Duration
	reached map[int]bool
}

// The limits of a mutant, in relation to what the tests need without it. Processor time decides, since the machine may be busy;
// the time on the clock is for tests that wait for ever.
const (
	cpuFactor   = 5
	cpuGrace    = 2 * time.Second
	wallFactor  = 10
	wallGrace   = 2 * time.Minute
	slowTest    = 100 * time.Millisecond
	memoryLimit = 6 << 30
)

// survey runs each test alone without any mutant and notes its time and the mutants that it reaches. Tests are run with
// -short: those that draw cases at random draw fewer.
func (t *trial) survey(ctx context.Context) error {
	for _, b := range t.binaries {
		names, err := b.list(ctx)
		if err != nil {
			return err
		}
		for _, name := range names {
			t.tests = append(t.tests, testCase{name: name, binary: b})
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(t.workers)
	for i := range t.tests {
		group.Go(func() error { return t.examine(ctx, &t.tests[i]) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if t.longest > 0 {
		t.tests = slices.DeleteFunc(t.tests, func(test testCase) bool {
			long := test.cpu > t.longest
			if long {
				t.left = append(t.left, test.name)
			}
			return long
		})
	}
	return nil
}

// list returns the names of the tests.
func (b *binary) list(ctx context.Context) ([]string, error) {
	out, err := b.command(ctx, nil, "-test.list", ".*").Output()
	if err != nil {
		return nil, fmt.Errorf("listing the tests: %w", err)
	}
	// A test that fails because of a mutant must leave nothing in the checkout.
	if help, _ := b.command(ctx, nil, "-help").CombinedOutput(); strings.Contains(string(help), "-rapid.nofailfile") {
		b.flags = append(b.flags, "-rapid.nofailfile")
	}
	var names []string
	for _, name := range strings.Fields(string(out)) {
		if strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz") || strings.HasPrefix(name, "Example") {
			names = append(names, name)
		}
	}
	return names, nil
}

func (t *trial) examine(ctx context.Context, test *testCase) error {
	file := filepath.Join(t.scratch, fmt.Sprintf("reached-%d-%s", slices.Index(t.binaries, test.binary), test.name))
	env := append(t.memoryLimit(), selector.ReachedVariable+"="+file)
	command := test.binary.command(ctx, env, "-test.short", "-test.run", exactly(test.name))
	begin := time.Now()
	out, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s fails without any mutant: %w\n%s", test.name, err, out)
	}
	test.wall = time.Since(begin)
	test.cpu = command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	test.reached, err = readReached(file)
	return err
}

func readReached(path string) (map[int]bool, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	reached := map[int]bool{}
	for _, line := range strings.Fields(string(data)) {
		id, err := strconv.Atoi(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		reached[id] = true
	}
	return reached, nil
}

func exactly(names ...string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = regexp.QuoteMeta(name)
	}
	return "^(" + strings.Join(quoted, "|") + ")$"
}

func (b *binary) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, b.path, append(slices.Clone(b.flags), args...)...)
	command.Dir = b.dir
	command.Env = append(os.Environ(), env...)
	command.WaitDelay = 5 * time.Second
	return command
}

// memoryLimit returns the environment that keeps a mutant from taking the machine's memory.
func (t *trial) memoryLimit() []string {
	if t.memory == 0 {
		return nil
	}
	return []string{selector.MemoryVariable + "=" + strconv.FormatUint(t.memory, 10)}
}

// verdicts runs the tests against each mutant and calls report, one call at a time, as each is done.
func (t *trial) verdicts(ctx context.Context, mutants []*mutant, report func(*mutant, outcome, time.Duration)) error {
	var reporting sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(t.workers)
	for _, m := range mutants {
		group.Go(func() error {
			begin := time.Now()
			found, err := t.try(ctx, m)
			if err != nil {
				return err
			}
			reporting.Lock()
			defer reporting.Unlock()
			report(m, found, time.Since(begin))
			return nil
		})
	}
	return group.Wait()
}

// try runs the tests that reach a mutant, the quick ones together and first, until one fails.
func (t *trial) try(ctx context.Context, m *mutant) (outcome, error) {
	found := notReached
	for _, batch := range t.batches(m.ID) {
		var err error
		if found, err = t.run(ctx, m, batch); err != nil || found != survived {
			return found, err
		}
	}
	return found, nil
}

// batches returns the tests that reach a mutant, in the order in which they are worth running. Those of a batch are of one binary.
func (t *trial) batches(id int) [][]testCase {
	var quick, slow [][]testCase
	for _, b := range t.binaries {
		var together []testCase
		for _, test := range t.tests {
			switch {
			case test.binary != b || !test.reached[id]:
			case test.cpu < slowTest:
				together = append(together, test)
			default:
				slow = append(slow, []testCase{test})
			}
		}
		if len(together) > 0 {
			quick = append(quick, together)
		}
	}
	slices.SortStableFunc(slow, func(a, b []testCase) int { return int(a[0].cpu - b[0].cpu) })
	return append(quick, slow...)
}

func (t *trial) run(ctx context.Context, m *mutant, tests []testCase) (outcome, error) {
	var cpu, wall time.Duration
	names := make([]string, len(tests))
	for i, test := range tests {
		names[i], cpu, wall = test.name, cpu+test.cpu, wall+test.wall
	}
	cpu, wall = cpuFactor*cpu+cpuGrace, wallFactor*wall+wallGrace
	limited, cancel := context.WithTimeout(ctx, wall)
	defer cancel()
	env := append(t.memoryLimit(),
		selector.ActiveVariable+"="+strconv.Itoa(m.ID), selector.CPUVariable+"="+strconv.Itoa(int(cpu.Seconds())))
	command := tests[0].binary.command(limited, env, "-test.short", "-test.run", exactly(names...), "-test.failfast", "-test.timeout", "0")
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err == nil:
		return survived, nil
	case limited.Err() != nil || errors.As(err, &exit) && exit.ExitCode() < 0:
		return timedOut, nil
	case errors.As(err, &exit):
		return killed, nil
	default:
		return "", fmt.Errorf("running the tests with mutant %s: %w", m, err)
	}
}
