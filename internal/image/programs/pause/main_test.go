package main

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// TestMain lets the test's own binary play the program when it is asked to.
func TestMain(m *testing.M) {
	if os.Getenv("PAUSE_UNDER_TEST") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func pauseCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), "PAUSE_UNDER_TEST=1")
	return cmd
}

func TestVersion(t *testing.T) {
	t.Parallel()
	out, err := pauseCommand(t, "-v").Output()
	if err != nil || string(out) != version+"\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// TestReap leaves children behind, as orphans of a pod are left to its first process.
func TestReap(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		pid, err := syscall.ForkExec(self, []string{self, "-v"}, &syscall.ProcAttr{Env: []string{"PAUSE_UNDER_TEST=1"}})
		if err != nil {
			t.Fatal(err)
		}
		// Wait until it has ended, without reaping it.
		if _, _, errno := syscall.Syscall6(syscall.SYS_WAITID, 1, uintptr(pid), 0, syscall.WEXITED|syscall.WNOWAIT, 0, 0); errno != 0 {
			t.Fatal(errno)
		}
	}
	reap()
	if _, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("children are left: %v", err)
	}
}
