package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

func heartbeat(seq int64) history.WitnessRecord {
	return history.WitnessRecord{Seq: seq, WallMicros: 1, Type: history.Heartbeat, Role: "driver", PodUID: "d1", PodName: "driver-1",
		Node: "n1"}
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
	serve := func(store *Store) *httptest.Server { return httptest.NewServer(Guard(testToken, store, nil)) }
	server := serve(store)
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
	problems := make(chan history.ProblemData, 100)
	following := Following{Reach: reach, Token: testToken, Failed: func(err error) { failures <- err },
		Report: func(p history.ProblemData) { problems <- p }}
	go func() { ended <- Follow(ctx, following, NewInbox(got.take)) }()

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
	server = serve(again)
	mu.Unlock()
	got.await(t, 1, 2, 3, 4)

	// One that lost its volume begins again; what is known is not handed over twice.
	empty := openStore(t, filepath.Join(t.TempDir(), "other.ndjson"))
	for _, seq := range []int64{4, 5} {
		if err := empty.Keep(heartbeat(seq)); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	server.Close()
	server = serve(empty)
	mu.Unlock()
	got.await(t, 1, 2, 3, 4, 5)
	select {
	case p := <-problems:
		if !strings.Contains(p.What, "lost the records that it kept") {
			t.Errorf("problem %+v, want that the store lost its records", p)
		}
	default:
		t.Error("the history was not told that the store lost its records")
	}
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
	server := httptest.NewServer(Guard(testToken, store, nil))
	defer server.Close()
	full := errors.New("disk full")
	inbox := NewInbox(func(history.WitnessRecord) error { return full })
	reach := func(context.Context) (string, func(), error) { return server.URL, func() {}, nil }
	following := Following{Reach: reach, Token: testToken, Failed: func(error) {}, Report: func(history.ProblemData) {}}
	if err := Follow(context.Background(), following, inbox); !errors.Is(err, full) {
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
	for query, want := range map[string]int{"from=0": http.StatusOK, "from=9999": http.StatusRequestedRangeNotSatisfiable,
		"from=-1": http.StatusBadRequest, "": http.StatusBadRequest} {
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

// follow follows a handler until wanted is true, and returns the failures and problems that were told.
func follow(t *testing.T, handler http.Handler, inbox *Inbox,
	wanted func(failures []string, problems []history.ProblemData) bool) (failures []string, problems []history.ProblemData) {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	var mu sync.Mutex
	check := func() {
		if wanted(failures, problems) {
			stop()
		}
	}
	following := Following{
		Reach: func(context.Context) (string, func(), error) { return server.URL, func() {}, nil }, Token: testToken,
		Failed: func(err error) {
			mu.Lock()
			defer mu.Unlock()
			failures = append(failures, err.Error())
			check()
		},
		Report: func(p history.ProblemData) {
			mu.Lock()
			defer mu.Unlock()
			problems = append(problems, p)
			check()
		},
	}
	original := inbox.sink
	inbox.sink = func(r history.WitnessRecord) error {
		if err := original(r); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		check()
		return nil
	}
	if err := Follow(ctx, following, inbox); err != nil {
		t.Error(err)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("what was wanted did not come: failures %q, problems %+v", failures, problems)
	}
	return failures, problems
}

// TestOnePoisonedRecordCostsThatRecord has a store, damaged or filled by anyone who reached it, with lines that nobody can take between
// those that everybody can.
func TestOnePoisonedRecordCostsThatRecord(t *testing.T) {
	t.Parallel()
	for name, poison := range map[string]struct {
		lines    string
		problems int
	}{
		"no record":                 {"{}\n", 1},
		"blank lines":               {"\n \n\n", 0},
		"a hole that a disk left":   {strings.Repeat("\x00", 512) + "\n", 1},
		"longer than a line":        {strings.Repeat("<", MaxLineBytes+1) + "\n", 1},
		"longer than an answer":     {strings.Repeat("x", 2*MaxStoredBytes+5) + "\n", 1},
		"as long as an answer":      {strings.Repeat("x", MaxStoredBytes) + "\n", 1},
		"as long, with its newline": {strings.Repeat("x", MaxStoredBytes-1) + "\n", 1},
		"a UID of megabytes":        {text(t, heartbeatOf(strings.Repeat("u", 3<<20), 1)), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "records.ndjson")
			store := openStore(t, path)
			if err := store.Keep(heartbeat(1)); err != nil {
				t.Fatal(err)
			}
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			appendTo(t, path, poison.lines)
			store = openStore(t, path) // and it is no reason to cut anything off
			if err := store.Keep(heartbeat(2)); err != nil {
				t.Fatal(err)
			}
			got := newFollowed()
			failures, problems := follow(t, Guard(testToken, store, nil), NewInbox(got.take), func([]string, []history.ProblemData) bool {
				return slices.Equal(got.seqs, []int64{1, 2})
			})
			if len(failures) > 0 || len(problems) != poison.problems {
				t.Errorf("failures %q, problems %+v; want none, and %d", failures, problems, poison.problems)
			}
		})
	}
}

func heartbeatOf(podUID string, seq int64) history.WitnessRecord {
	r := heartbeat(seq)
	r.PodUID = podUID
	return r
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestAStoreKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	html := heartbeat(2)
	html.Detail = map[string]string{"html": strings.Repeat("<", MaxLineBytes-1000)}
	for name, torn := range map[string]string{
		"": "", "a torn record": `{"seq":`, "a torn record of megabytes": strings.Repeat("x", MaxLineBytes+5),
		"blocks that were never written": strings.Repeat("\x00", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "records.ndjson")
			store := openStore(t, path)
			for _, r := range []history.WitnessRecord{heartbeat(1), html, heartbeat(3)} {
				if err := store.Keep(r); err != nil {
					t.Fatal(err)
				}
			}
			id := store.id
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			appendTo(t, path, torn)
			store = openStore(t, path)
			after, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(before, after) || store.id != id {
				t.Errorf("the file has %d bytes after the store was opened again, want %d; its identity %q, want %q", len(after), len(before), store.id,
					id)
			}
			got := newFollowed()
			follow(t, Guard(testToken, store, nil), NewInbox(got.take),
				func([]string, []history.ProblemData) bool { return slices.Equal(got.seqs, []int64{1, 2, 3}) })
		})
	}
}

func TestAStoreWithoutItsHead(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{"": "", `{"store":"ABC`: "", "garbage\n": "store's identity", "{}\n": "store's identity",
		strings.Repeat("x", 1000) + "\n": "store's identity"} {
		path := filepath.Join(t.TempDir(), "records.ndjson")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		store, err := OpenStore(path)
		if (want == "") != (err == nil) || err != nil && (!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path)) {
			t.Errorf("%.40q: %v, want %q", content, err, want)
		}
		if err != nil {
			if left, err := os.ReadFile(path); err != nil || string(left) != content {
				t.Errorf("%.40q: the file was changed", content)
			}
			continue
		}
		if store.id == "" || store.Close() != nil {
			t.Errorf("%.40q: a store without identity", content)
		}
	}
}

// TestAStoreThatLostItsVolumeAndGrewIsNoticed has a follower meet, at the position that it has reached, the middle of another file.
func TestAStoreThatLostItsVolumeAndGrewIsNoticed(t *testing.T) {
	t.Parallel()
	first, second := openStore(t, filepath.Join(t.TempDir(), "1")), openStore(t, filepath.Join(t.TempDir(), "2"))
	if err := first.Keep(heartbeat(1)); err != nil {
		t.Fatal(err)
	}
	for seq := int64(2); seq <= 9; seq++ {
		r := heartbeat(seq)
		r.PodName = "of another length, so that no line begins where one began"
		if err := second.Keep(r); err != nil {
			t.Fatal(err)
		}
	}
	got := newFollowed()
	var lost atomic.Bool
	handler := http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if lost.Load() {
			second.ServeHTTP(w, request)
			return
		}
		first.ServeHTTP(w, request)
	})
	_, problems := follow(t, handler, NewInbox(got.take), func([]string, []history.ProblemData) bool {
		lost.Store(slices.Contains(got.seqs, 1))
		return slices.Equal(got.seqs, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9})
	})
	if len(problems) != 1 || !strings.Contains(problems[0].What, "lost the records that it kept") {
		t.Errorf("problems %+v, want that the store lost its records", problems)
	}
}

func TestAnOutageIsToldOnce(t *testing.T) {
	t.Parallel()
	store := openStore(t, filepath.Join(t.TempDir(), "records.ndjson"))
	if err := store.Keep(heartbeat(1)); err != nil {
		t.Fatal(err)
	}
	for name, fail := range map[string]http.HandlerFunc{
		"status":      func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", http.StatusBadGateway) },
		"no identity": func(w http.ResponseWriter, _ *http.Request) {},
		"answers that break off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(StoreHeader, store.id)
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("{"))
		},
		"another token": Guard("another", store, nil).ServeHTTP,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := newFollowed()
			var asked atomic.Int32
			handler := http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				if asked.Add(1) > 4 {
					store.ServeHTTP(w, request)
					return
				}
				fail(w, request)
			})
			failures, problems := follow(t, handler, NewInbox(got.take), func([]string, []history.ProblemData) bool { return len(got.seqs) > 0 })
			if len(failures) != 1 || len(problems) > 0 {
				t.Errorf("failures %q, problems %+v; want one and none", failures, problems)
			}
		})
	}
}

func TestWhatTheHistoryRefusesIsSkipped(t *testing.T) {
	t.Parallel()
	store := openStore(t, filepath.Join(t.TempDir(), "records.ndjson"))
	for seq := int64(1); seq <= 3; seq++ {
		if err := store.Keep(heartbeat(seq)); err != nil {
			t.Fatal(err)
		}
	}
	var taken []int64
	inbox := NewInbox(func(r history.WitnessRecord) error {
		if r.Seq == 2 {
			return fmt.Errorf("too large: %w", history.ErrRefused)
		}
		taken = append(taken, r.Seq)
		return nil
	})
	_, problems := follow(t, store, inbox, func([]string, []history.ProblemData) bool { return slices.Equal(taken, []int64{1, 3}) })
	if len(problems) != 1 {
		t.Errorf("problems %+v, want one", problems)
	}
}

// FuzzStored has a follower read whatever a store may answer: it never fails, and reads on behind each line.
func FuzzStored(f *testing.F) {
	f.Add([]byte("{}\n"), []byte("x\n"))
	f.Add([]byte(`{"seq":1,"wallMicros":1,"type":"heartbeat","role":"driver","podUID":"u"}`+"\n\n \n"), []byte(`{"seq":2,`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		fl := follower{inbox: NewInbox(func(history.WitnessRecord) error { return nil }), teller: teller{report: func(history.ProblemData) {}}}
		content := append(append(slices.Clone(first), second...), '\n')
		for round := 0; fl.from < int64(len(content)); round++ {
			if round > len(content) {
				t.Fatalf("the follower stands still at byte %d of %d", fl.from, len(content))
			}
			if _, err := fl.take(bytes.NewReader(content[fl.from:])); err != nil {
				t.Fatal(err)
			}
			if at := fl.from; at > 0 && content[at-1] != '\n' {
				t.Fatalf("the follower stands at byte %d, in the middle of a line", at)
			}
		}
	})
}
