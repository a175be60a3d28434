package runner

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// onFile is a history on a file, with its model.
func onFile(file history.File) (*history.Writer, *live) {
	l := newLive()
	l.log = history.NewWriter(file, history.SystemClock{}, history.Observed(l.observe))
	return l.log, l
}

// readBack returns the model of a history, and its events, as they are on the disk.
func readBack(t *testing.T, path string) (*model.Model, []history.Event) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return modelOf(t, content)
}

func modelOf(t *testing.T, content []byte) (*model.Model, []history.Event) {
	t.Helper()
	m := model.New(model.KeepProgress())
	var events []history.Event
	for event, err := range history.NewReader(bytes.NewReader(content)).All() {
		if err != nil {
			t.Fatal(err)
		}
		m.Observe(&event)
		events = append(events, event)
	}
	return m, events
}

func TestAwaitLooksAfterEachEvent(t *testing.T) {
	t.Parallel()
	log, live, err := createHistory(filepath.Join(t.TempDir(), "h"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append(history.Harness, "first", nil, nil); err != nil {
		t.Fatal(err)
	}
	late := errors.New("late")
	atDeadline := func() error { return late }
	var seen []int64
	go func() { _, _ = log.Append(history.Harness, "second", nil, nil) }()
	if err := live.await(t.Context(), func(m *model.Model) (bool, error) {
		seen = append(seen, m.Events)
		return m.Events == 2, nil
	}, atDeadline); err != nil {
		t.Fatal(err)
	}
	if seen[len(seen)-1] != 2 || len(seen) > 2 {
		t.Errorf("looked at the model after %v events, want at once and after the second", seen)
	}
	broken := errors.New("broken")
	if err := live.await(t.Context(), func(*model.Model) (bool, error) { return false, broken }, atDeadline); !errors.Is(err, broken) {
		t.Errorf("a look that fails: %v", err)
	}
	never := func(*model.Model) (bool, error) { return false, nil }
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := live.await(short, never, atDeadline); !errors.Is(err, late) {
		t.Errorf("at the deadline: %v", err)
	}
	interrupted, interrupt := context.WithCancelCause(t.Context())
	interrupt(errApplicationEnded)
	if err := live.await(interrupted, never, atDeadline); !errors.Is(err, errApplicationEnded) {
		t.Errorf("when cancelled: %v", err)
	}
	if err := live.await(interrupted, func(*model.Model) (bool, error) { return true, nil }, atDeadline); err != nil {
		t.Errorf("what is there already came too late: %v", err)
	}
	if len(live.waiting) != 0 {
		t.Errorf("%d waits are still looked after", len(live.waiting))
	}
}

func TestAwaitEndsWithTheHistory(t *testing.T) {
	t.Parallel()
	never := func(*model.Model) (bool, error) { return false, nil }
	for name, tt := range map[string]struct {
		end  func(*limitedFile, *history.Writer)
		want error
	}{
		"closed": {func(_ *limitedFile, log *history.Writer) { _ = log.Close() }, io.EOF},
		"the disk is full": {func(file *limitedFile, log *history.Writer) {
			file.fill()
			_, _ = log.Append(history.Harness, "second", nil, nil)
		}, errFull},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := newLimitedFile(t, Directory(t.TempDir()))
			log, live := onFile(file)
			go tt.end(file, log)
			if err := live.await(t.Context(), never, func() error { return nil }); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// TestAWatchKeepsWhatCame: what was there once has been reached, though it is gone when somebody waits for it.
func TestAWatchKeepsWhatCame(t *testing.T) {
	t.Parallel()
	log, live, err := createHistory(filepath.Join(t.TempDir(), "h"))
	if err != nil {
		t.Fatal(err)
	}
	watched := live.watch(func(m *model.Model) (bool, error) { return m.Events == 1, nil })
	defer watched.end()
	for range 3 {
		if _, err := log.Append(history.Harness, "event", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := watched.await(t.Context(), func() error { return errors.New("late") }); err != nil {
		t.Error(err)
	}
}

// TestLiveIsUsedByManyAtOnce is for the race detector.
func TestLiveIsUsedByManyAtOnce(t *testing.T) {
	t.Parallel()
	log, live, err := createHistory(filepath.Join(t.TempDir(), "h"))
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 4, 50
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for range each {
				if _, err := log.Append(history.Harness, "event", nil, nil); err != nil {
					t.Error(err)
				}
			}
		})
		group.Go(func() {
			if err := live.await(t.Context(), func(m *model.Model) (bool, error) { return m.Events == writers*each, nil }, nil); err != nil {
				t.Error(err)
			}
		})
		group.Go(func() {
			for range each {
				_, _ = targets{live: live}.Driver()
			}
		})
	}
	group.Wait()
}
