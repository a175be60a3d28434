package witness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// fakeReport keeps the problems that a server reports.
type fakeReport struct {
	mu       sync.Mutex
	problems []history.ProblemData
}

func (f *fakeReport) add(p history.ProblemData) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.problems = append(f.problems, p)
}

func post(t *testing.T, s *Server, body io.Reader) (int, Receipt) {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("POST", RecordsPath, body))
	var receipt Receipt
	if err := json.Unmarshal(w.Body.Bytes(), &receipt); err != nil {
		t.Fatalf("status %d, answer %q: %v", w.Code, w.Body, err)
	}
	return w.Code, receipt
}

func TestServerTakesRecordsOnce(t *testing.T) {
	t.Parallel()
	var sink fakeHistory
	var report fakeReport
	s := NewServer(NewInbox(sink.add), report.add)
	first := text(t, record("a", 1), record("a", 2))
	again := text(t, record("a", 2), record("b", 2), record("a", 3))
	if code, receipt := post(t, s, strings.NewReader(first)); code != 200 || receipt.Accepted != 2 {
		t.Errorf("first post: status %d, %+v; want 200 and 2 accepted", code, receipt)
	}
	if code, receipt := post(t, s, strings.NewReader(again)); code != 200 || receipt.Accepted != 2 || receipt.Duplicates != 1 {
		t.Errorf("second post: status %d, %+v; want 200, 2 accepted, 1 duplicate", code, receipt)
	}
	want := []history.WitnessRecord{record("a", 1), record("a", 2), record("b", 2), record("a", 3)}
	for i := range want {
		want[i].Via = ViaHTTP
	}
	if diff := cmp.Diff(want, sink.records); diff != "" {
		t.Errorf("records handed on (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Stats{Requests: 2, Accepted: 4, Duplicates: 1}, s.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	if len(report.problems) > 0 {
		t.Errorf("problems reported: %+v, want none", report.problems)
	}
}

func TestServerReportsBadLinesAndTakesTheOthers(t *testing.T) {
	t.Parallel()
	var sink fakeHistory
	var report fakeReport
	s := NewServer(NewInbox(sink.add), report.add)
	body := "{\n" + text(t, record("a", 1)) + `{"seq":2}` + "\n" + text(t, record("a", 3)) + strings.Repeat("[]\n", 20)
	code, receipt := post(t, s, strings.NewReader(body))
	if code != 400 || receipt.Accepted != 2 || receipt.Rejected != 22 {
		t.Errorf("status %d, %+v; want 400, 2 accepted, 22 rejected", code, receipt)
	}
	if len(receipt.Problems) != maxNamedProblems {
		t.Errorf("%d problems spelt out, want %d", len(receipt.Problems), maxNamedProblems)
	}
	if len(sink.records) != 2 {
		t.Errorf("%d records handed on, want 2", len(sink.records))
	}
	if len(report.problems) != 1 {
		t.Fatalf("%d problems reported, want 1: %+v", len(report.problems), report.problems)
	}
	problem := report.problems[0]
	if !strings.Contains(problem.What, "2 records taken, 22 lines refused") || !strings.Contains(problem.Error, "line 1: not a JSON") ||
		!strings.Contains(problem.Error, "line 3: wallMicros is 0") {
		t.Errorf("problem %+v does not say what was wrong", problem)
	}
}

func TestServerRefusesTheRestOfATooLargeBody(t *testing.T) {
	t.Parallel()
	var sink fakeHistory
	var report fakeReport
	s := NewServer(NewInbox(sink.add), report.add)
	padding := strings.Repeat(strings.Repeat(" ", 1023)+"\n", MaxBodyBytes>>10)
	code, receipt := post(t, s, strings.NewReader(text(t, record("a", 1))+padding+text(t, record("a", 2))))
	if code != 413 || receipt.Accepted != 1 || receipt.Rejected != 1 {
		t.Errorf("status %d, %+v; want 413, 1 accepted, 1 rejected", code, receipt)
	}
	if len(report.problems) != 1 || !strings.Contains(report.problems[0].Error, "body larger than") {
		t.Errorf("problems %+v, want the size of the body named", report.problems)
	}
}

func TestServerAsksForRecordsAgainThatCouldNotBeHandedOn(t *testing.T) {
	t.Parallel()
	sink := fakeHistory{err: errors.New("disk full")}
	var report fakeReport
	s := NewServer(NewInbox(sink.add), report.add)
	body := text(t, record("a", 1), record("a", 2))
	if code, receipt := post(t, s, strings.NewReader(body)); code != 503 || receipt.Accepted != 0 {
		t.Errorf("status %d, %+v; want 503 and nothing accepted", code, receipt)
	}
	if len(report.problems) != 1 || !strings.Contains(report.problems[0].Error, "disk full") {
		t.Errorf("problems %+v, want the sink's error", report.problems)
	}
	sink.err = nil
	if code, receipt := post(t, s, strings.NewReader(body)); code != 200 || receipt.Accepted != 2 {
		t.Errorf("sent again: status %d, %+v; want 200 and 2 accepted", code, receipt)
	}
}

func TestServerKeepsWhatCameBeforeTheCableWasCut(t *testing.T) {
	t.Parallel()
	var sink fakeHistory
	var report fakeReport
	s := NewServer(NewInbox(sink.add), report.add)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()

	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	whole := text(t, record("a", 1), record("a", 2))
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: witness\r\nContent-Length: %d\r\n\r\n%s", RecordsPath, len(whole), whole[:len(whole)-10])
	conn.Close()
	// A server that is told to end drops what it has not begun to serve.
	for s.Stats().Requests == 0 {
		time.Sleep(time.Millisecond)
	}

	resp, err := http.Post("http://"+l.Addr().String()+RecordsPath, "application/x-ndjson", strings.NewReader(text(t, record("b", 1))))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d after another client broke off, want 200", resp.StatusCode)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve = %v, want nil after its context ended", err)
	}
	if diff := cmp.Diff(Stats{Requests: 2, Accepted: 2, Interrupted: 1}, s.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	if len(report.problems) != 0 {
		t.Errorf("problems %+v, want none: a cut connection is what a fault does, and the disk has the rest", report.problems)
	}
}

func TestServerAnswersNothingElse(t *testing.T) {
	t.Parallel()
	s := NewServer(NewInbox(new(fakeHistory).add), new(fakeReport).add)
	for _, tc := range []struct {
		method, path string
		status       int
	}{
		{"GET", RecordsPath, 405},
		{"POST", "/v1/record", 404},
	} {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(tc.method, tc.path, nil))
		if w.Code != tc.status {
			t.Errorf("%s %s: status %d, want %d", tc.method, tc.path, w.Code, tc.status)
		}
	}
}
