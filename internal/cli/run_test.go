package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

func TestOutcomesNeverHideAViolation(t *testing.T) {
	t.Parallel()
	order := []ExitCode{ExitPass, ExitCleanUpLeftovers, ExitInconclusive, ExitUsage, ExitError, ExitViolation}
	for i, worse := range order {
		for _, better := range order[:i+1] {
			for _, pair := range [][2]ExitCode{{worse, better}, {better, worse}} {
				got := outcome{code: pair[0]}.or(outcome{code: pair[1], err: errors.New("said")})
				if got.code != worse || got.err == nil {
					t.Errorf("%d and %d: %d, %v; want %d and what was said", pair[0], pair[1], got.code, got.err, worse)
				}
			}
		}
	}
}

func TestOutcomeOf(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		verdict  check.Verdict
		report   error
		finished sparkchaos.Verdict
		code     ExitCode
		says     string
	}{
		"a pass":                            {verdict: check.Pass, code: ExitPass},
		"a violation":                       {verdict: check.Violation, code: ExitViolation},
		"a pass that could not be reported": {verdict: check.Pass, report: broken, code: ExitError, says: "broken"},
		"a violation that could not":        {verdict: check.Violation, report: broken, code: ExitViolation, says: "broken"},
		"nothing that could be judged":      {report: broken, code: ExitError, says: "broken"},
		"a run that failed is never a pass": {verdict: check.Pass, finished: sparkchaos.Verdict{Trouble: broken}, code: ExitError,
			says: "broken"},
		"a pass that left something": {verdict: check.Pass, finished: sparkchaos.Verdict{LeftBehind: broken},
			code: ExitCleanUpLeftovers, says: "sparkchaos cleanup"},
		"a violation that left something": {verdict: check.Violation, finished: sparkchaos.Verdict{LeftBehind: broken}, code: ExitViolation,
			says: "sparkchaos cleanup"},
		"what is inconclusive left something": {verdict: check.Inconclusive, finished: sparkchaos.Verdict{LeftBehind: broken},
			code: ExitInconclusive, says: "sparkchaos cleanup"},
		"a scenario that asks for what cannot be": {verdict: check.Error, finished: sparkchaos.Verdict{Trouble: cluster.Optionf("no tar")},
			code: ExitUsage, says: "no tar"},
		"what cannot be, beside a violation": {verdict: check.Violation, finished: sparkchaos.Verdict{Trouble: cluster.Optionf("no tar")},
			code: ExitViolation, says: "no tar"},
		"a run that failed left something, too": {verdict: check.Error, finished: sparkchaos.Verdict{Trouble: broken, LeftBehind: broken},
			code: ExitError, says: "sparkchaos cleanup"},
	} {
		tt.finished.RunVerdict.Verdict = tt.verdict
		got := outcomeOf(tt.finished, tt.report)
		if got.code != tt.code || (got.err != nil) != (tt.says != "") || got.err != nil && !strings.Contains(got.err.Error(), tt.says) {
			t.Errorf("%s: %d, %v; want %d and %q", name, got.code, got.err, tt.code, tt.says)
		}
		undone := strings.Contains(got.interrupted().Error(), "the faults were undone")
		if undone != (tt.finished.LeftBehind == nil) {
			t.Errorf("%s, interrupted: %v", name, got.interrupted())
		}
	}
}

// runCLI runs a command line that is refused before anything starts.
func runCLI(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	code := Main(args, Streams{In: strings.NewReader(""), Out: io.Discard, Err: &out})
	return code, out.String()
}

func TestRunRefusesBeforeAnythingStarts(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("apiVersion: sparkchaos.dev/v1alpha1\nkind: Scenario\nmetadata: {name: x}\nspec: {wrong: 1}\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	absent := writeFile(t, "absent.yaml", strings.ReplaceAll(secretScenario, "app.jar", "miss.jar"))
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"nothing":               {[]string{"run"}, "no scenario is given"},
		"both":                  {[]string{"run", "driver-node-power-off", "--plan", "p.yaml"}, "exclude each other"},
		"no repetition":         {[]string{"run", "driver-node-power-off", "--repeat", "0"}, "--repeat 0"},
		"an unknown scenario":   {[]string{"run", "driver-node-power-of"}, "did you mean"},
		"a bad scenario":        {[]string{"run", bad}, "bad.yaml:4:"},
		"an unknown cluster":    {[]string{"run", "driver-node-power-off", "--cluster", "cloud"}, "cloud"},
		"files for runs":        {[]string{"run", "driver-node-power-off", "--out", bad}, "it is a file; expected a directory"},
		"a jar that is absent":  {[]string{"run", absent}, "artifact miss.jar: there is no such file in the scenario's directory"},
		"a mistyped flag":       {[]string{"run", "driver-node-power-off", "--sed", "7"}, "did you mean --seed?"},
		"a seed in words":       {[]string{"run", "driver-node-power-off", "--seed", "abc"}, `--seed "abc": expected a whole number, 0 or more`},
		"a plan that is absent": {[]string{"run", "--plan", "/none/plan.yaml"}, "/none/plan.yaml"},
	} {
		code, out := runCLI(t, tt.args...)
		if code != int(ExitUsage) || !strings.Contains(out, tt.says) {
			t.Errorf("%s: exit %d, want %d; %q does not say %q", name, code, ExitUsage, out, tt.says)
		}
	}
}

// lockedBuffer is written by the ticking goroutine while the test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestProgressInPlainLines(t *testing.T) {
	t.Parallel()
	var out lockedBuffer
	p := newProgress(&out, noEnvironment, false)
	done := p.Await("the driver", time.Minute, func() string { return "nothing yet" })
	p.Say("fault %s has landed", "x")
	done()
	done() // twice is no harm
	p.Say("over")
	got := out.String()
	for _, want := range []string{"waiting for the driver (at most 1m0s)", "fault x has landed", "over"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
	if strings.ContainsRune(got, '\x1b') {
		t.Errorf("control sequences where there is no terminal: %q", got)
	}
}

func TestProgressSaysWhatIsAwaitedAndSeen(t *testing.T) {
	t.Parallel()
	var out lockedBuffer
	p := newProgress(&out, noEnvironment, false)
	defer p.Await("the driver", time.Minute, func() string { return "pod is Pending" })()
	p.mu.Lock()
	p.draw()
	p.mu.Unlock()
	if got := out.String(); !strings.Contains(got, "the driver, for 0s of at most 1m0s; seen: pod is Pending") {
		t.Errorf("%q", got)
	}
}

func TestProgressOfWhatHasNoBound(t *testing.T) {
	t.Parallel()
	var out lockedBuffer
	p := newProgress(&out, noEnvironment, false)
	defer p.Await("the phase cleanup", 0, func() string { return "removing namespace r" })()
	p.mu.Lock()
	p.draw()
	p.mu.Unlock()
	for _, want := range []string{"waiting for the phase cleanup\n", "the phase cleanup, for 0s; seen: removing namespace r"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q lacks %q", out.String(), want)
		}
	}
}

// noEnvironment has no variables.
func noEnvironment(string) string { return "" }
