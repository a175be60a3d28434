package child

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// parentVariable makes TestHelperParent, in a process of its own, a parent that a test can kill.
const parentVariable = "SPARKCHAOS_TEST_PARENT"

func TestHelperParent(t *testing.T) {
	if os.Getenv(parentVariable) == "" {
		return
	}
	command := exec.Command("sh", "-c", "echo started; exec sleep 600")
	command.Stdout = os.Stdout
	if err := Run(command); err != nil {
		t.Fatal(err)
	}
}

func TestCommandEndsWithItsParent(t *testing.T) {
	t.Parallel()
	parent := exec.Command(os.Args[0], "-test.run=^TestHelperParent$")
	parent.Env = append(os.Environ(), parentVariable+"=1")
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(output)
	for lines.Scan() && lines.Text() != "started" {
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// Returns when nobody holds the pipe any more.
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := parent.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the parent ended with %v, want that it was killed", err)
	}
}

func TestCommandOutlivesThreadsThatNobodyHolds(t *testing.T) {
	t.Parallel()
	command := exec.Command("cat")
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	command.Stdout = &said
	wait, err := Start(command)
	if err != nil {
		t.Fatal(err)
	}
	endIdleThreads()
	if _, err := input.Write([]byte("alive")); err != nil {
		t.Error(err)
	}
	if err := input.Close(); err != nil {
		t.Error(err)
	}
	if err := wait(); err != nil || said.String() != "alive" {
		t.Errorf("the command ended with %v and said %q, want that it said %q", err, said.String(), "alive")
	}
}

// endIdleThreads ends each thread of this process that no goroutine holds: many more goroutines than there are threads hold one each
// at one time and end without having given it back. The thread that started a command unheld would be among them.
func endIdleThreads() {
	const goroutines = 100
	var holding, ended sync.WaitGroup
	holding.Add(goroutines)
	var threads sync.Map
	for range goroutines {
		ended.Go(func() {
			runtime.LockOSThread()
			threads.Store(syscall.Gettid(), nil)
			holding.Done()
			holding.Wait()
		})
	}
	ended.Wait()
	threads.Range(func(thread, _ any) bool {
		// The first thread of a process never ends.
		for thread != os.Getpid() && !errors.Is(syscall.Tgkill(os.Getpid(), thread.(int), 0), syscall.ESRCH) {
			time.Sleep(time.Millisecond)
		}
		return true
	})
}

func TestCommandThatCannotBeStarted(t *testing.T) {
	t.Parallel()
	if err := Run(exec.Command("/nowhere/nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Run = %v, want that it does not exist", err)
	}
}
