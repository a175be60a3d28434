package witness

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

func heartbeat(seq int64) history.WitnessRecord {
	return history.WitnessRecord{Seq: seq, WallMicros: 1, Type: history.Heartbeat, Role: "driver", PodUID: "d1", PodName: "driver-1", Node: "n1"}
}

func openStore(t *testing.T, path string) *Store {
	t.Helper()
	store, err := OpenStore(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// followed collects the numbers of the records that a follower handed over.
type followed struct {
	mu   sync.Mutex
	seqs []int64
	more chan struct{}
}

func newFollowed() *followed { return &followed{more: make(chan struct{}, 100)} }

func (f *followed) take(r history.WitnessRecord) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seqs = append(f.seqs, r.Seq)
	f.more <- struct{}{}
	return nil
}

func (f *followed) await(t *testing.T, want ...int64) {
	t.Helper()
	for {
		f.mu.Lock()
		diff := cmp.Diff(want, f.seqs)
		f.mu.Unlock()
		if diff == "" {
			return
		}
		select {
		case <-f.more:
		case <-time.After(30 * time.Second):
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
}

func TestFollowSurvivesTheStoresServer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "records.ndjson")
	store := openStore(t, path)
	var mu sync.Mutex
	server := httptest.NewServer(store)
	failures := make(chan error, 100)
	reach := func(context.Context) (string, func(), error) {
		mu.Lock()
		defer mu.Unlock()
		if server == nil {
			return "", nil, errors.New("nobody is ready")
		}
		return server.URL, func() {}, nil
	}
	got := newFollowed()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Follow(ctx, reach, NewInbox(got.take), func(err error) { failures <- err }) }()

	for seq := int64(1); seq <= 3; seq++ {
		if err := store.Keep(heartbeat(seq)); err != nil {
			t.Fatal(err)
		}
	}
	got.await(t, 1, 2, 3)

	mu.Lock()
	server.Close()
	server = nil
	mu.Unlock()
	<-failures // told once, however long it lasts
	// A torn line is what the end of the server's node leaves.
	torn, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := torn.WriteString(`{"seq":`); err != nil {
		t.Fatal(err)
	}
	if err := torn.Close(); err != nil {
		t.Fatal(err)
	}
	again := openStore(t, path)
	if err := again.Keep(heartbeat(4)); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	server = httptest.NewServer(again)
	mu.Unlock()
	got.await(t, 1, 2, 3, 4)

	// One that lost its volume begins anew; what is known is not handed over twice.
	empty := openStore(t, filepath.Join(t.TempDir(), "other.ndjson"))
	for _, seq := range []int64{4, 5} {
		if err := empty.Keep(heartbeat(seq)); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	server.Close()
	server = httptest.NewServer(empty)
	mu.Unlock()
	got.await(t, 1, 2, 3, 4, 5)
	stop()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	mu.Lock()
	server.Close()
	mu.Unlock()
}

func TestFollowEndsWithItsInbox(t *testing.T) {
	t.Parallel()
	store := openStore(t, filepath.Join(t.TempDir(), "records.ndjson"))
	if err := store.Keep(heartbeat(1)); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(store)
	defer server.Close()
	full := errors.New("disk full")
	inbox := NewInbox(func(history.WitnessRecord) error { return full })
	reach := func(context.Context) (string, func(), error) { return server.URL, func() {}, nil }
	if err := Follow(context.Background(), reach, inbox, func(error) {}); !errors.Is(err, full) {
		t.Errorf("got %v, want what the inbox failed with", err)
	}
}

func TestStoreAnswers(t *testing.T) {
	t.Parallel()
	store := openStore(t, filepath.Join(t.TempDir(), "records.ndjson"))
	if err := store.Keep(heartbeat(1)); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(store)
	defer server.Close()
	for query, want := range map[string]int{"from=0": http.StatusOK, "from=9999": http.StatusRequestedRangeNotSatisfiable, "from=-1": http.StatusBadRequest, "": http.StatusBadRequest} {
		response, err := http.Get(server.URL + StoredPath + "?" + query)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != want {
			t.Errorf("%q is answered by %d, want %d", query, response.StatusCode, want)
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}
