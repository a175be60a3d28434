package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// This test's program behaves as the one under test when it is called by one of its names.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "nsexec", "pause", ward:
		main()
	}
	os.Exit(m.Run())
}

// A child that looks for its parent from another PID namespace does not find it; it must live all the same.
func TestTheCommandLivesInAnotherPIDNamespace(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can make PID namespaces")
	}
	outer := exec.Command("unshare", "--pid", "--fork", "--kill-child", "sleep", "60")
	if err := outer.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = outer.Process.Kill() // and its child with it
		_ = outer.Wait()
	}()
	nsexec := &exec.Cmd{
		Path: "/proc/self/exe",
		Args: []string{"nsexec", "-p", "/proc/" + child1(t, outer.Process.Pid) + "/ns/pid", "--", "sh", "-c", "echo lives; exit 7"},
	}
	output, err := nsexec.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 || strings.TrimSpace(string(output)) != "lives" {
		t.Errorf("the command printed %q and ended with %v, want \"lives\" and exit code 7", output, err)
	}
}

// child1 waits for the only child of a process.
func child1(t *testing.T, pid int) string {
	t.Helper()
	path := fmt.Sprintf("/proc/%d/task/%d/children", pid, pid)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if children, err := os.ReadFile(path); err == nil && len(strings.Fields(string(children))) == 1 {
			return strings.Fields(string(children))[0]
		}
	}
	t.Fatalf("%s names no child", path)
	return ""
}
