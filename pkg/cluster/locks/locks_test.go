package locks_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/clustertest"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/locks"
)

// holdHelper makes this program hold a cluster until it is killed; its value is the state directory.
const holdHelper = "SPARKCHAOS_TEST_HOLD"

func TestMain(m *testing.M) {
	if state := os.Getenv(holdHelper); state != "" {
		os.Exit(holdUntilKilled(state))
	}
	os.Exit(m.Run())
}

func holdUntilKilled(state string) int {
	by := holder()
	by.Run = "killed"
	if _, err := locks.In(state, "embedded").Hold(context.Background(), "lab", by, 0, func(cluster.Holder) {}); err != nil {
		return 1
	}
	_, _ = os.Stdout.WriteString("held\n")
	select {}
}

func holder() cluster.Holder {
	return cluster.Holder{What: "run of some-scenario", PID: os.Getpid(), Since: time.Now().Round(0).UTC()}
}

func unexpected(t *testing.T) func() {
	t.Helper()
	return func() { t.Error("waited for nobody") }
}

func TestChangesTakeTurns(t *testing.T) {
	t.Parallel()
	l := locks.In(t.TempDir(), "embedded")
	done, err := l.Change(t.Context(), "lab", unexpected(t))
	if err != nil {
		t.Fatal(err)
	}
	said := make(chan struct{})
	locked := make(chan error, 1)
	go func() {
		again, err := l.Change(context.Background(), "lab", func() { close(said) })
		if err == nil {
			again()
		}
		locked <- err
	}()
	<-said
	select {
	case err := <-locked:
		t.Fatalf("two changed one cluster at a time, %v", err)
	default:
	}
	done()
	if err := <-locked; err != nil {
		t.Error(err)
	}
	held, err := l.Change(t.Context(), "lab", unexpected(t))
	if err != nil {
		t.Fatal(err)
	}
	defer held()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Change(ended, "lab", func() {}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the caller: %v", err)
	}
	other, err := l.Change(t.Context(), "other", unexpected(t))
	if err != nil {
		t.Fatal(err)
	}
	other()
	kind, err := locks.In(t.TempDir(), "kind").Change(t.Context(), "lab", unexpected(t))
	if err != nil {
		t.Fatal(err)
	}
	kind()
}

func TestOneRunHoldsACluster(t *testing.T) {
	t.Parallel()
	l := locks.In(t.TempDir(), "embedded")
	expectHolder := func(run string) {
		t.Helper()
		now, err := l.Holder("lab")
		if err != nil || (now == nil) != (run == "") || now != nil && now.Run != run {
			t.Errorf("holder %+v, %v; want %q", now, err, run)
		}
	}
	expectHolder("")
	held, err := l.Hold(t.Context(), "lab", holder(), 0, func(cluster.Holder) { t.Error("waited for nobody") })
	if err != nil {
		t.Fatal(err)
	}
	if err := held.Note("r-1"); err != nil {
		t.Fatal(err)
	}
	expectHolder("r-1")
	_, err = l.Hold(t.Context(), "lab", holder(), 0, func(cluster.Holder) { t.Error("waited, though not asked to") })
	var refused *cluster.HeldError
	if !errors.As(err, &refused) || refused.Holder == nil || refused.Holder.Run != "r-1" || refused.Holder.PID != os.Getpid() ||
		refused.Holder.Since.IsZero() {
		t.Errorf("a second run: %v, want that r-1 is named, with its process and since when", err)
	}
	if err != nil && !strings.Contains(err.Error(), "run r-1 (process ") {
		t.Errorf("it is told %q", err)
	}
	if _, err := l.Act(t.Context(), "lab"); !errors.As(err, &refused) || refused.Holder == nil || refused.Holder.Run != "r-1" {
		t.Errorf("a command on the node of a cluster that is held: %v", err)
	}
	// One that waits is told whom it waits for, and gets the cluster when it is free.
	told := make(chan cluster.Holder, 1)
	got := make(chan error, 1)
	var next *locks.Held
	go func() {
		var err error
		next, err = l.Hold(context.Background(), "lab", holder(), time.Hour, func(h cluster.Holder) { told <- h })
		if err == nil {
			err = next.Note("r-2")
		}
		got <- err
	}()
	if h := <-told; h.Run != "r-1" {
		t.Errorf("waits for %+v, want r-1", h)
	}
	held.Release()
	if err := <-got; err != nil {
		t.Error(err)
	}
	expectHolder("r-2")
	if _, err := l.Hold(t.Context(), "lab", holder(), 700*time.Millisecond, func(cluster.Holder) {}); !errors.As(err, &refused) {
		t.Errorf("after its patience: %v, want a refusal", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Hold(ended, "lab", holder(), time.Hour, func(cluster.Holder) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the caller: %v", err)
	}
	next.Release()
	expectHolder("")
}

func TestARunWaitsForCommands(t *testing.T) {
	t.Parallel()
	l := locks.In(t.TempDir(), "embedded")
	first, err := l.Act(t.Context(), "lab")
	if err != nil {
		t.Fatal(err)
	}
	second, err := l.Act(t.Context(), "lab") // commands do not keep each other away
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		held, err := l.Hold(context.Background(), "lab", holder(), 0, func(cluster.Holder) {})
		if err == nil {
			held.Release()
		}
		got <- err
	}()
	first()
	select {
	case err := <-got:
		t.Fatalf("it did not wait for the second command: %v", err)
	case <-time.After(time.Second):
	}
	second()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// The record of a holder that was killed is taken for nobody's.
func TestTheHoldOfAKilledRunEnds(t *testing.T) {
	t.Parallel()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, next := range map[string]func(context.Context, locks.Locks) error{
		"by a run": func(ctx context.Context, l locks.Locks) error {
			held, err := l.Hold(ctx, "lab", holder(), 0, func(cluster.Holder) {})
			if err == nil {
				held.Release()
			}
			return err
		},
		"by a command": func(ctx context.Context, l locks.Locks) error {
			done, err := l.Act(ctx, "lab")
			if err == nil {
				done()
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := t.TempDir()
			l := locks.In(state, "embedded")
			other := exec.Command(executable)
			other.Env = append(os.Environ(), holdHelper+"="+state)
			out, err := other.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := other.Start(); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
				t.Fatalf("the other process: %q, %v", line, err)
			}
			if h, err := l.Holder("lab"); err != nil || h == nil || h.Run != "killed" {
				t.Errorf("holder %+v, %v", h, err)
			}
			if err := other.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = other.Wait() // killed is what it is to be
			if h, err := l.Holder("lab"); err != nil || h != nil {
				t.Errorf("after its end it is held by %+v, %v", h, err)
			}
			if err := next(t.Context(), l); err != nil {
				t.Error(err)
			}
			if h, err := l.Holder("lab"); err != nil || h != nil {
				t.Errorf("then it is held by %+v, %v", h, err)
			}
		})
	}
}

func TestNamesAreCheckedFirst(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	l := locks.In(filepath.Join(parent, "state"), "embedded")
	clustertest.RefusesNames(t, map[string]func(name string) error{
		"Change": func(name string) error { _, err := l.Change(t.Context(), name, func() {}); return err },
		"Hold": func(name string) error {
			_, err := l.Hold(t.Context(), name, holder(), 0, func(cluster.Holder) {})
			return err
		},
		"Act":    func(name string) error { _, err := l.Act(t.Context(), name); return err },
		"Holder": func(name string) error { _, err := l.Holder(name); return err },
	})
	if entries, err := os.ReadDir(parent); err != nil || len(entries) > 0 {
		t.Errorf("they made %v, %v", entries, err)
	}
}
