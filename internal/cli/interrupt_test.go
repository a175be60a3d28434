package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// childVariable makes the test binary a program that is interrupted.
const childVariable = "SPARKCHAOS_TEST_INTERRUPTED_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(interruptibly(interruptedChild(), []string{"work"}, Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	os.Exit(m.Run())
}

// interruptedChild works until it is interrupted, and then undoes what it did until its standard input ends.
func interruptedChild() *cobra.Command {
	root := newGroup("child", "")
	root.SilenceErrors, root.SilenceUsage = true, true
	root.AddCommand(&cobra.Command{Use: "work", RunE: func(command *cobra.Command, _ []string) error {
		ctx := command.Context()
		say := func(format string, args ...any) { fmt.Fprintf(command.ErrOrStderr(), format+"\n", args...) }
		defer interruptsOf(ctx).during(interruptible{
			undoing: func() string { return "undoing fault lose" },
			left:    func() string { return "fault lose not undone" },
			cleanUp: "sparkchaos cleanup --context=lab",
		}, say)()
		fmt.Fprintln(command.OutOrStdout(), "works")
		<-ctx.Done()
		if _, err := io.Copy(io.Discard, command.InOrStdin()); err != nil {
			return err
		}
		fmt.Fprintln(command.OutOrStdout(), "has undone everything")
		return fmt.Errorf("the run: %w", context.Cause(ctx))
	}})
	return root
}

// child is the program under signals.
type child struct {
	*exec.Cmd
	undo io.Closer // ends its undoing
	out  *bufio.Reader
	err  *lockedBuffer
}

func startChild(t *testing.T) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{Cmd: exec.Command(self), err: &lockedBuffer{}}
	c.Env = append(os.Environ(), childVariable+"=1")
	c.Stderr = c.err
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.undo, c.out = in, bufio.NewReader(out)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() }) // it has ended, unless the test failed
	if line, err := c.out.ReadString('\n'); err != nil || line != "works\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return c
}

// ended waits for its end and returns what it printed since, and its exit code.
func (c *child) ended(t *testing.T) (printed string, code int) {
	t.Helper()
	rest, err := io.ReadAll(c.out)
	if err != nil {
		t.Error(err)
	}
	err = c.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Error(err)
	}
	return string(rest), c.ProcessState.ExitCode()
}

// says waits until it has said something on its standard error.
func (c *child) says(t *testing.T, words string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !strings.Contains(c.err.String(), words) {
		if time.Now().After(deadline) {
			t.Fatalf("it says %q, want %q", c.err.String(), words)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestTwoSignalsAtOnceDoNotKillTheUndoing is GNU timeout, which signals its child and then the child's process group.
func TestTwoSignalsAtOnceDoNotKillTheUndoing(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		c := startChild(t)
		if err := errors.Join(c.Process.Signal(sig), syscall.Kill(-c.Process.Pid, sig)); err != nil {
			t.Fatal(err)
		}
		c.says(t, "interrupted: undoing fault lose … press Ctrl-C again after 2s to stop without undoing") // while it still undoes
		if err := c.undo.Close(); err != nil {
			t.Fatal(err)
		}
		printed, code := c.ended(t)
		if printed != "has undone everything\n" || code != int(ExitInterrupted) {
			t.Errorf("%v twice: printed %q, exit code %d, said %q", sig, printed, code, c.err)
		}
		if said := c.err.String(); strings.Count(said, "interrupted: ") != 1 || strings.Contains(said, "again: ") {
			t.Errorf("%v twice: said %q", sig, said)
		}
	}
}

// TestALaterSignalEndsTheProcessAtOnce has somebody lose patience.
func TestALaterSignalEndsTheProcessAtOnce(t *testing.T) {
	t.Parallel()
	c := startChild(t)
	began := time.Now()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
				_ = c.Process.Signal(os.Interrupt) // it has ended when that fails
			}
		}
	}()
	printed, code := c.ended(t) // its standard input does not end: only a signal can have ended it
	if printed != "" || code != int(ExitInterrupted) {
		t.Errorf("printed %q, exit code %d", printed, code)
	}
	if took := time.Since(began); took < secondCounts {
		t.Errorf("a signal ended it after %v already", took)
	}
	if want := "interrupted again: ended at once, fault lose not undone; `sparkchaos cleanup --context=lab` undoes and removes what is " +
		"left"; !strings.Contains(c.err.String(), want) {
		t.Errorf("said %q, want %q", c.err, want)
	}
}

func TestSignalsByTheClock(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		after []time.Duration // of the signals, since the first one
		exits int
	}{
		"one":                            {[]time.Duration{0}, 0},
		"two at once":                    {[]time.Duration{0, 0}, 0},
		"several within two seconds":     {[]time.Duration{0, time.Millisecond, time.Second, secondCounts - 1}, 0},
		"the second after two seconds":   {[]time.Duration{0, secondCounts}, 1},
		"the third after two seconds":    {[]time.Duration{0, time.Second, 3 * time.Second}, 1},
		"a second one after a long time": {[]time.Duration{0, time.Hour}, 1},
	} {
		var out bytes.Buffer
		now := time.Unix(1000, 0)
		var exits []int
		ctx, cancel := context.WithCancelCause(t.Context())
		i := &interrupts{cancel: cancel, now: func() time.Time { return now }, exit: func(code int) { exits = append(exits, code) }}
		i.say = func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
		for _, after := range tt.after {
			now = time.Unix(1000, 0).Add(after)
			i.take(os.Interrupt)
		}
		if len(exits) != tt.exits || tt.exits > 0 && exits[0] != int(ExitInterrupted) {
			t.Errorf("%s: exits %v", name, exits)
		}
		if err := context.Cause(ctx); !errors.Is(err, context.Canceled) || codeOf(fmt.Errorf("x: %w", err)) != ExitInterrupted {
			t.Errorf("%s: the context ended by %v", name, err)
		}
		if lines := strings.Count(out.String(), "\n"); lines != 1+tt.exits {
			t.Errorf("%s: said %q", name, out.String())
		}
	}
}

func TestWhatIsSaidGoesBackToTheWorkBefore(t *testing.T) {
	t.Parallel()
	var said []string
	note := func(by string) func(string, ...any) {
		return func(format string, args ...any) { said = append(said, by+fmt.Sprintf(format, args...)) }
	}
	i := &interrupts{cancel: func(error) {}, now: time.Now, exit: func(int) {}, say: note("main: ")}
	end := i.during(interruptible{undoing: func() string { return "" }}, note("run: "))
	end()
	i.take(os.Interrupt)
	i = &interrupts{cancel: func(error) {}, now: time.Now, exit: func(int) {}, say: note("main: ")}
	i.during(interruptible{undoing: func() string { return "" }}, note("run: "))
	i.take(os.Interrupt)
	want := []string{
		"main: interrupted: ending what was begun … press Ctrl-C again after 2s to stop without undoing",
		"run: interrupted: nothing was disturbed yet, ending … press Ctrl-C again after 2s to stop without undoing",
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Error(diff)
	}
	(*interrupts)(nil).during(interruptible{}, nil)() // of a context without any
	if interruptsOf(t.Context()) != nil {
		t.Error("interrupts of a context without any")
	}
}

// TestAnInterruptEndsAQuestion must not wait for an answer that nobody gives.
func TestAnInterruptEndsAQuestion(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	in, out := io.Pipe() // nothing comes from it
	defer func() { _ = out.Close() }()
	cancel(&interruptedError{signal: os.Interrupt})
	if err := confirm(ctx, "lab", in, io.Discard); codeOf(err) != ExitInterrupted {
		t.Errorf("got %v", err)
	}
}
