package main

import (
	"errors"
	"syscall"
	"testing"
	"time"
)

func TestDecommission(t *testing.T) {
	t.Parallel()
	late := make(chan time.Time)
	asked, done := make(chan syscall.Signal, 1), make(chan error)
	kill := func(pid int, signal syscall.Signal) error {
		if pid != javaProcess {
			t.Errorf("process %d was signalled, want %d", pid, javaProcess)
		}
		asked <- signal
		return nil
	}
	go func() { done <- decommission(kill, late) }()
	if signal := <-asked; signal != syscall.SIGPWR {
		t.Errorf("the executor got %v, want SIGPWR, on which Spark decommissions it", signal)
	}
	select {
	case err := <-done:
		t.Fatalf("the hook returned (%v) though the executor was at work and time was left", err)
	default:
	}
	close(late)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestDecommissionWithoutAnExecutor(t *testing.T) {
	t.Parallel()
	refuse := func(int, syscall.Signal) error { return syscall.ESRCH }
	if err := decommission(refuse, nil); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("got %v, want %v", err, syscall.ESRCH)
	}
}
