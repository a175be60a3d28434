package components

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// builderVariable makes TestHelperBuilder, in a process of its own, a builder that a test can kill.
const builderVariable = "SPARKCHAOS_TEST_BUILDER"

type builderTask struct {
	Source, Cache string
	Components    []Component
}

func TestHelperBuilder(t *testing.T) {
	task := os.Getenv(builderVariable)
	if task == "" {
		return
	}
	var work builderTask
	if err := json.Unmarshal([]byte(task), &work); err != nil {
		t.Fatal(err)
	}
	if err := build(t.Context(), work.Components, Options{Source: work.Source, Cache: work.Cache, Progress: os.Stderr}); err != nil {
		t.Fatal(err)
	}
}

// fakeGo is a go command that writes the half of a binary, says its PID through a pipe, and then never ends.
const fakeGo = `#!/bin/sh
mkdir -p "$GOTMPDIR/b001"
echo half >"$3/hello" && chmod +x "$3/hello"
echo $$ >"$SPARKCHAOS_TEST_PIPE"
exec sleep 600
`

// withFakeGo returns the variables with which "go" is fakeGo, and a function that waits for it to start.
func withFakeGo(t *testing.T) (environment []string, started func() int) {
	t.Helper()
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, "go"), []byte(fakeGo), 0o755); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(directory, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	environment = []string{"PATH=" + directory + ":" + os.Getenv("PATH"), "SPARKCHAOS_TEST_PIPE=" + pipe}
	return environment, func() int {
		file, err := os.Open(pipe)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		line, err := bufio.NewReader(file).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
}

func (h *hello) startBuilder(t *testing.T, environment []string) *exec.Cmd {
	t.Helper()
	task, err := json.Marshal(builderTask{h.source, h.cache, h.components})
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(os.Args[0], "-test.run=^TestHelperBuilder$")
	command.Env = append(os.Environ(), environment...)
	command.Env = append(command.Env, builderVariable+"="+string(task))
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	return command
}

func TestAKilledBuilderLeavesNothingHalfMade(t *testing.T) {
	t.Parallel()
	h := newHello(t)
	environment, started := withFakeGo(t)
	builder := h.startBuilder(t, environment)
	compiler := started()
	if err := builder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := builder.Wait(); err == nil {
		t.Fatal("the builder ended well although it was killed")
	}

	if err := gone(t.Context(), compiler); err != nil {
		t.Errorf("the compiler outlived its builder: %v", err)
	}
	if len(h.leftovers(t)) != 1 {
		t.Fatalf("temporary directories %v, want the killed builder's, or this test proves nothing", h.leftovers(t))
	}
	if _, err := locate(h.components, h.cache); err == nil || !strings.Contains(err.Error(), "hello v1.2.3 is not built") {
		t.Errorf("locate = %v, want that nothing is built", err)
	}

	if progress, err := h.build(t.Context(), t); err != nil {
		t.Fatalf("the next build: %v\n%s", err, progress)
	}
	if _, err := locate(h.components, h.cache); err != nil {
		t.Error(err)
	}
	if left := h.leftovers(t); len(left) > 0 {
		t.Errorf("not swept: %v", left)
	}
}

func TestAnInterruptedBuildStopsTheCompilerAndCleansUp(t *testing.T) {
	h := newHello(t)
	environment, started := withFakeGo(t)
	for _, variable := range environment {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := h.build(ctx, t)
		done <- err
	}()
	compiler := started()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("build = %v, want context.Canceled", err)
	}
	if err := gone(t.Context(), compiler); err != nil {
		t.Error(err)
	}
	if left := h.leftovers(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := os.Stat(h.components[0].Directory(h.cache)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("stat of the build = %v, want that it does not exist", err)
	}
}

// gone waits until a process ended; a zombie counts as ended.
func gone(ctx context.Context, pid int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil || strings.Contains(string(status), "State:\tZ") {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("process %d still runs", pid)
		}
	}
}
