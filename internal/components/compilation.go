package components

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sparkchaos/sparkchaos/internal/child"
)

const (
	reportEvery = 15 * time.Second
	// killAfter is what "go" gets to end after an interrupt, before it is killed.
	killAfter = 5 * time.Second
)

// compilation is one call of the go command.
type compilation struct {
	component Component
	directory string // of the nested module
	bin       string // receives the binaries
	scratch   string // for the compiler's temporary files, so that they go when the work directory goes
}

// run compiles, and reports from time to time that it still does. When ctx is done, the compiler and all processes that
// it started end, too.
func (c compilation) run(ctx context.Context, report func(elapsed time.Duration, doing string)) error {
	copied, err := c.copySource(ctx)
	if err != nil {
		return err
	}
	arguments := c.component.arguments(c.component.Version)
	output := []string{"-o", c.bin + string(filepath.Separator)}
	if copied != nil {
		output = append(output, "-modfile="+copied.modfile)
	}
	return c.build(ctx, slices.Concat(arguments[:1], output, arguments[1:]), report)
}

// environment is the environment of the go command. The user's own settings must not change what is built. GOFLAGS is
// not empty, because an empty variable lets "go env -w" decide.
func (c compilation) environment() []string {
	environment := append(os.Environ(),
		"PWD="+c.directory, "GOFLAGS=-mod=readonly", "GOWORK=off", "GOTMPDIR="+c.scratch,
		"GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	return append(environment, c.component.environment()...)
}

func (c compilation) build(ctx context.Context, arguments []string, report func(elapsed time.Duration, doing string)) error {
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = c.directory
	command.Env = c.environment()
	output := &tail{}
	command.Stdout, command.Stderr = output, output
	// All that "go" starts can be signalled together.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return unix.Kill(-command.Process.Pid, unix.SIGINT) }
	command.WaitDelay = killAfter

	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	begun := time.Now()
	done := make(chan error, 1)
	go func() { done <- runGroup(ctx, command) }()
	for {
		select {
		case <-ticker.C:
			report(time.Since(begun), output.doing())
		case err := <-done:
			return c.explain(ctx, err, output)
		}
	}
}

// runGroup runs a command so that a compiler does not outlive a builder that was killed.
func runGroup(ctx context.Context, command *exec.Cmd) error {
	err := child.Run(command)
	if command.Process != nil && ctx.Err() != nil {
		// Compilers that "go" left behind if it had to be killed; an error says that there are none.
		_ = unix.Kill(-command.Process.Pid, unix.SIGKILL)
	}
	return err
}

func (c compilation) explain(ctx context.Context, err error, output *tail) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("building was interrupted, nothing of it is left: %w", context.Cause(ctx))
	default:
		return fmt.Errorf("\"go build\" in %s: %w; it said:\n%s", c.directory, err, output)
	}
}

// tail keeps the end of what a command said. It is safe for concurrent use.
type tail struct {
	mutex sync.Mutex
	text  []byte
}

const tailBytes = 8 << 10

// Write implements io.Writer.
func (t *tail) Write(data []byte) (int, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.text = append(t.text, data...)
	if excess := len(t.text) - tailBytes; excess > 0 {
		t.text = append([]byte(nil), t.text[excess:]...)
	}
	return len(data), nil
}

// String returns the text kept.
func (t *tail) String() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return strings.TrimRight(string(t.text), "\n")
}

// doing returns ": " and the last line, or nothing if there is none.
func (t *tail) doing() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	text := bytes.TrimRight(t.text, "\n")
	if len(text) == 0 {
		return ""
	}
	return ": " + string(text[bytes.LastIndexByte(text, '\n')+1:])
}
