package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
	"github.com/sparkchaos/sparkchaos/pkg/staging/store"
)

// fakeOwners answers what it is told to.
type fakeOwners struct {
	owned bool
	err   error
	looks []string // the namespaces looked into
	then  func()   // called after each look
}

func (f *fakeOwners) Look(_ context.Context, namespace string) (Census, error) {
	f.looks = append(f.looks, namespace)
	census := fakeCensus{f.owned}
	if f.then != nil {
		f.then()
	}
	return census, f.err
}

type fakeCensus struct{ owned bool }

func (c fakeCensus) Find(staging.Owner) Finding { return Finding{Owned: c.owned, What: "as told"} }

// step is one sweep: the time since the bundle was stored, what the API server says, and whether the bundle is there afterwards.
type step struct {
	at    time.Duration
	owned bool
	err   error
	kept  bool
}

func TestSweep(t *testing.T) {
	t.Parallel()
	down := errors.New("API server down")
	const second, minute = time.Second, time.Minute
	for name, tc := range map[string]struct {
		downloaded, cluster bool
		steps               []step
	}{
		"an owner keeps a bundle": {true, true, []step{{second, true, nil, true}, {100 * minute, true, nil, true}}},
		"without owner, after the grace": {true, true,
			[]step{{0, false, nil, true}, {59 * second, false, nil, true}, {60 * second, false, nil, false}}},
		"one sweep is never enough": {true, true, []step{{24 * 60 * minute, false, nil, true}}},
		"an owner in between starts again": {true, true,
			[]step{{0, false, nil, true}, {30 * second, true, nil, true}, {90 * second, false, nil, true}, {150 * second, false, nil, false}}},
		"an error keeps, and starts again": {true, true,
			[]step{{0, false, nil, true}, {60 * second, false, down, true}, {90 * second, false, nil, true}, {150 * second, false, nil, false}}},
		"errors never end the clean-up": {true, true,
			[]step{{0, false, down, true}, {minute, false, down, true}, {2 * minute, false, nil, true}, {3 * minute, false, nil, false}}},
		"not downloaded, before its time": {false, true, []step{{0, false, nil, true}, {29 * minute, false, nil, true}}},
		"not downloaded, after its time":  {false, true, []step{{30 * minute, false, nil, true}, {31 * minute, false, nil, false}}},
		"not downloaded, but owned":       {false, true, []step{{30 * minute, true, nil, true}, {60 * minute, true, nil, true}}},
		"a freeze between two sweeps": {true, true,
			[]step{{0, false, nil, true}, {60 * minute, false, nil, true}, {60*minute + 30*second, false, nil, true},
				{61 * minute, false, nil, false}}},
		"no cluster, not downloaded":            {false, false, []step{{29 * minute, false, nil, true}, {30 * minute, false, nil, false}}},
		"no cluster, downloaded: kept for ever": {true, false, []step{{30 * minute, false, nil, true}, {1000 * minute, false, nil, true}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stored, err := store.Open(t.Context(), store.Memory)
			if err != nil {
				t.Fatal(err)
			}
			defer stored.Close()
			created := time.Now()
			id := bundle(t, stored, created)
			if tc.downloaded {
				if err := stored.MarkDownloaded(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			}
			var log logBuffer
			config := Config{Storage: Stored(stored), Log: slog.New(slog.NewTextHandler(&log, nil)), TransferTime: time.Hour}
			owners := &fakeOwners{}
			if tc.cluster {
				config.CleanUp.Owners = owners
			}
			s := newSweeper(config, newMetrics(), newRoom(config))
			for i, step := range tc.steps {
				owners.owned, owners.err = step.owned, step.err
				s.now = func() time.Time { return created.Add(step.at) }
				s.sweep(t.Context())
				_, err := stored.Entry(t.Context(), id)
				if kept := err == nil; kept != step.kept {
					t.Fatalf("sweep %d after %s: kept %t, want %t; log:\n%s", i, step.at, kept, step.kept, &log)
				}
				if !step.kept && !strings.Contains(log.String(), `msg="bundle removed"`) {
					t.Errorf("the log does not say that it was removed:\n%s", &log)
				}
				if step.err != nil && !strings.Contains(log.String(), step.err.Error()) {
					t.Errorf("the log does not tell the error:\n%s", &log)
				}
			}
		})
	}
}

// swept is a sweeper on a store in memory, with a clock that stands until it is moved.
type swept struct {
	*sweeper
	stored *store.Store
	owners *fakeOwners
	at     time.Time
}

func newSwept(t *testing.T, cleanUp CleanUp) *swept {
	t.Helper()
	stored, err := store.Open(t.Context(), store.Memory)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stored.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &swept{stored: stored, owners: &fakeOwners{}, at: time.Now()}
	cleanUp.Owners = s.owners
	config := Config{Storage: Stored(stored), Log: slog.New(slog.DiscardHandler), TransferTime: time.Hour, CleanUp: cleanUp}
	s.sweeper = newSweeper(config, newMetrics(), newRoom(config))
	s.sweeper.now = func() time.Time { return s.at }
	return s
}

// add stores bundles that are old enough to be looked at.
func (s *swept) add(t *testing.T, count int) {
	t.Helper()
	for range count {
		bundle(t, s.stored, s.at.Add(-time.Hour))
	}
}

func (s *swept) count(t *testing.T) int {
	t.Helper()
	n := 0
	for _, err := range s.stored.IDs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// A namespace is looked into once per sweep, however many bundles it has, and once more before bundles there are removed.
func TestASweepLooksIntoANamespaceOnce(t *testing.T) {
	t.Parallel()
	s := newSwept(t, CleanUp{})
	s.add(t, 50)
	s.sweep(t.Context())
	if diff := cmp.Diff([]string{"ns"}, s.owners.looks); diff != "" {
		t.Errorf("looks of the first sweep (-want +got):\n%s", diff)
	}
	s.owners.looks = nil
	s.at = s.at.Add(time.Minute)
	s.sweep(t.Context())
	if diff := cmp.Diff([]string{"ns", "ns"}, s.owners.looks); diff != "" {
		t.Errorf("looks of the sweep that removes (-want +got):\n%s", diff)
	}
	if n := s.count(t); n != 0 {
		t.Errorf("%d bundles are left, want none", n)
	}
}

// An owner that comes after a sweep looked still keeps its bundle.
func TestASweepLooksAgainBeforeItRemoves(t *testing.T) {
	t.Parallel()
	s := newSwept(t, CleanUp{})
	s.add(t, 1)
	s.sweep(t.Context())
	s.at = s.at.Add(time.Minute)
	s.owners.then = func() { s.owners.owned = true }
	s.sweep(t.Context())
	if n := s.count(t); n != 1 {
		t.Fatalf("%d bundles are left, want the one whose owner came", n)
	}
	// It has not been seen without an owner at every sweep.
	s.owners.owned, s.owners.then = false, nil
	s.at = s.at.Add(30 * time.Second)
	s.sweep(t.Context())
	if n := s.count(t); n != 1 {
		t.Errorf("%d bundles are left right after the owner left, want 1", n)
	}
}

// Removing takes time: a look that is old by then is made again.
func TestALongRemovalLooksAgain(t *testing.T) {
	t.Parallel()
	s := newSwept(t, CleanUp{})
	s.add(t, 3)
	s.sweep(t.Context())
	s.at, s.owners.looks = s.at.Add(time.Minute), nil
	s.sweeper.storage = slowRemoval{s.sweeper.storage, func() { s.at = s.at.Add(6 * time.Second) }}
	s.sweep(t.Context())
	if n := len(s.owners.looks); n != 1+3 {
		t.Errorf("%d looks for 3 removals of 6 s each, want one for the sweep and one for each removal", n)
	}
}

type slowRemoval struct {
	Storage
	takes func()
}

func (s slowRemoval) Remove(ctx context.Context, id string) error {
	s.takes()
	return s.Storage.Remove(ctx, id)
}

// A sweep is bounded, and each bundle has its turn.
func TestASweepIsBounded(t *testing.T) {
	t.Parallel()
	s := newSwept(t, CleanUp{MaxEntries: 10})
	s.add(t, 35)
	read := &countedEntries{Storage: s.sweeper.storage}
	s.sweeper.storage = read
	sweeps := 0
	for s.count(t) > 0 {
		if sweeps++; sweeps > 20 {
			t.Fatalf("after 20 sweeps %d of 35 bundles are left", s.count(t))
		}
		read.n = 0
		s.sweep(t.Context())
		// Those that wait for their grace, a minute or two periods, come on top.
		if read.n > 10+2*10 {
			t.Errorf("sweep %d looked at %d bundles, want at most 30", sweeps, read.n)
		}
		s.at = s.at.Add(30 * time.Second)
	}
	s.owners.owned = true
	s.add(t, 35)
	read.ids = map[string]bool{}
	for range 4 {
		s.sweep(t.Context())
	}
	if len(read.ids) != 35 {
		t.Errorf("4 sweeps of 10 saw %d of 35 bundles that have owners", len(read.ids))
	}
}

type countedEntries struct {
	Storage
	n   int
	ids map[string]bool
}

func (c *countedEntries) Entry(ctx context.Context, id string) (store.Entry, error) {
	c.n++
	if c.ids != nil {
		c.ids[id] = true
	}
	return c.Storage.Entry(ctx, id)
}

// A server with short transfers leaves alone what is being uploaded to another one on the same storage.
func TestUploadsToOtherServersAreLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	patient := labIn(t, dir, func(c *Config) { c.TransferTime = 10 * time.Hour })
	hasty := labIn(t, dir, func(c *Config) { c.TransferTime = time.Second })
	begun, release := make(chan struct{}), make(chan struct{})
	slow := io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20)), readerFunc(func([]byte) (int, error) {
		close(begun)
		<-release
		return 0, io.EOF
	}))
	ended := make(chan error, 1)
	go func() {
		_, err := patient.client.Upload(t.Context(), owner(), slow)
		ended <- err
	}()
	<-begun
	// The other server must have begun to store it: what it has not announced yet it has not written either.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		files, err := os.ReadDir(filepath.Join(dir, "partial"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) > 0 && patient.server.room.received() > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("after a minute nothing of the upload is stored")
		}
	}
	hasty.server.sweeper.now = func() time.Time { return time.Now().Add(10 * time.Hour) }
	hasty.server.sweeper.sweep(t.Context())
	close(release)
	if err := <-ended; err != nil {
		t.Errorf("the upload to the other server: %v", err)
	}
	patient.holds(t, 1)
}

func bundle(t testing.TB, stored *store.Store, created time.Time) string {
	t.Helper()
	u, err := stored.Begin(t.Context(), uuid.NewString())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	entry, err := u.Commit(t.Context(), store.Entry{Owner: owner(), Created: created, SecretSHA256: store.HashSecret("s")})
	if err != nil {
		t.Fatal(err)
	}
	return entry.ID
}
