package server

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
	"github.com/sparkchaos/sparkchaos/pkg/staging/store"
)

// fakeOwners answers what it is told to.
type fakeOwners struct {
	owned bool
	err   error
}

func (f *fakeOwners) Find(context.Context, staging.Owner) (Finding, error) {
	return Finding{Owned: f.owned, What: "as told"}, f.err
}

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
		"an owner keeps a bundle":               {true, true, []step{{second, true, nil, true}, {100 * minute, true, nil, true}}},
		"without owner, after the grace":        {true, true, []step{{0, false, nil, true}, {59 * second, false, nil, true}, {60 * second, false, nil, false}}},
		"one sweep is never enough":             {true, true, []step{{24 * 60 * minute, false, nil, true}}},
		"an owner in between starts anew":       {true, true, []step{{0, false, nil, true}, {30 * second, true, nil, true}, {90 * second, false, nil, true}, {150 * second, false, nil, false}}},
		"an error keeps, and starts anew":       {true, true, []step{{0, false, nil, true}, {60 * second, false, down, true}, {90 * second, false, nil, true}, {150 * second, false, nil, false}}},
		"errors never end the clean-up":         {true, true, []step{{0, false, down, true}, {minute, false, down, true}, {2 * minute, false, nil, true}, {3 * minute, false, nil, false}}},
		"not downloaded, before its time":       {false, true, []step{{0, false, nil, true}, {29 * minute, false, nil, true}}},
		"not downloaded, after its time":        {false, true, []step{{30 * minute, false, nil, true}, {31 * minute, false, nil, false}}},
		"not downloaded, but owned":             {false, true, []step{{30 * minute, true, nil, true}, {60 * minute, true, nil, true}}},
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
			s := newSweeper(config, newMetrics())
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
