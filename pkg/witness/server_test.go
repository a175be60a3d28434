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

// testToken is the token of the servers under test.
const testToken = "token-of-the-tests"

func post(t *testing.T, s *Server, body io.Reader) (int, Receipt) {
	t.Helper()
	w := httptest.NewRecorder()
	request := httptest.NewRequest("POST", RecordsPath, body)
	Authorize(request, testToken)
	s.Handler().ServeHTTP(w, request)
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
	s := NewServer(NewInbox(sink.add), testToken, report.add)
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
	s := NewServer(NewInbox(sink.add), testToken, report.add)
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
	s := NewServer(NewInbox(sink.add), testToken, report.add)
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
	s := NewServer(NewInbox(sink.add), testToken, report.add)
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
	s := NewServer(NewInbox(sink.add), testToken, report.add)
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
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: witness\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", RecordsPath, testToken,
		len(whole), whole[:len(whole)-10])
	conn.Close()
	// A server that is told to end drops what it has not begun to serve.
	for s.Stats().Requests == 0 {
		time.Sleep(time.Millisecond)
	}

	request, err := http.NewRequest("POST", "http://"+l.Addr().String()+RecordsPath, strings.NewReader(text(t, record("b", 1))))
	if err != nil {
		t.Fatal(err)
	}
	Authorize(request, testToken)
	resp, err := http.DefaultClient.Do(request)
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
	s := NewServer(NewInbox(new(fakeHistory).add), testToken, new(fakeReport).add)
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

// unread fails the test when somebody reads it.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body of a request without the token was read")
	return 0, io.EOF
}

func TestStrangersAreRefusedBeforeAnythingIsRead(t *testing.T) {
	t.Parallel()
	var sink fakeHistory
	var report fakeReport
	s := NewServer(NewInbox(sink.add), testToken, report.add)
	headers := []string{"", "Bearer", "Bearer ", "Bearer wrong", "Bearer " + testToken + "x", "bearer " + testToken, "Basic " + testToken,
		testToken}
	for _, header := range headers {
		w := httptest.NewRecorder()
		request := httptest.NewRequest("POST", RecordsPath, unread{t})
		request.Header.Set("Authorization", header)
		s.Handler().ServeHTTP(w, request)
		if w.Code != http.StatusUnauthorized || strings.Contains(w.Body.String(), testToken) {
			t.Errorf("%q is answered %d %q, want 401 and no word of the token", header, w.Code, w.Body)
		}
	}
	if len(sink.records) > 0 || len(report.problems) > 0 {
		t.Errorf("records %+v and problems %+v of strangers, want none", sink.records, report.problems)
	}
	if diff := cmp.Diff(Stats{Strangers: len(headers)}, s.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

func TestNobodyHasAnEmptyToken(t *testing.T) {
	t.Parallel()
	request := httptest.NewRequest("GET", StoredPath, nil)
	Authorize(request, "")
	if authorized(request, "") {
		t.Error("an empty token opens a server that has none")
	}
	if a, b := NewToken(), NewToken(); a == b || len(a) < 26 {
		t.Errorf("tokens %q and %q, want two that nobody guesses", a, b)
	}
}

func TestOneHostileRecordCostsThatRecord(t *testing.T) {
	t.Parallel()
	huge := record("a", 2)
	huge.Detail = map[string]string{"text": strings.Repeat("x", MaxLineBytes)}
	// Below the limit as it is sent, above it as it is written: a control character becomes six bytes, a broken one three.
	grows := strings.Replace(text(t, record("a", 2)), `"incarnation":"a"`, `"detail":{"x":"`+strings.Repeat("\xff", MaxLineBytes/2)+`"}`, 1)
	fits := record("a", 2)
	fits.Detail = map[string]string{"html": strings.Repeat("<", MaxLineBytes-1000)}
	encoded, err := encode(fits)
	if err != nil {
		t.Fatal(err)
	}
	longUID := record("a", 1)
	longUID.PodUID = strings.Repeat("u", 3_900_000)
	longName := record("a", 2)
	longName.PodName = strings.Repeat("n", 1000)
	for name, tc := range map[string]struct {
		line     string
		code     int
		accepted int
		problem  string
	}{
		"HTML below the limit":      {string(encoded), 200, 3, ""},
		"longer than a line":        {text(t, huge), 413, 2, "line too long"},
		"longer when it is written": {grows, 413, 2, "bytes when it is written"},
		"a UID of megabytes":        {text(t, longUID), 400, 2, "podUID is"},
		"a UID that is a path":      {text(t, record("../../a", 1)), 400, 2, `podUID is "../../a"`},
		"a UID with a line feed":    {text(t, record("a\nb", 1)), 400, 2, `podUID is`},
		"a name of absurd length":   {text(t, longName), 400, 2, "podName has 1000 bytes"},
		"a number below 1":          {text(t, record("a", 0)), 400, 2, "seq is 0"},
		"no record":                 {"x\n", 400, 2, "not a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sink fakeHistory
			var report fakeReport
			s := NewServer(NewInbox(sink.add), testToken, report.add)
			code, receipt := post(t, s, strings.NewReader(text(t, record("a", 1))+tc.line+text(t, record("a", 3))))
			if code != tc.code || receipt.Accepted != tc.accepted || len(sink.records) != tc.accepted {
				t.Errorf("status %d, %d accepted, want %d and %d: %.300q", code, receipt.Accepted, tc.code, tc.accepted, receipt.Problems)
			}
			if tc.problem == "" {
				if len(report.problems) > 0 {
					t.Errorf("problems %.300v, want none", report.problems)
				}
				return
			}
			if len(report.problems) != 1 || !strings.Contains(report.problems[0].Error, tc.problem) {
				t.Fatalf("problems %.300v, want one with %q", report.problems, tc.problem)
			}
			if n := len(report.problems[0].What) + len(report.problems[0].Error); n > 2000 {
				t.Errorf("the problem has %d bytes: what a stranger chose is not to be repeated in full", n)
			}
		})
	}
}

func TestInitContainersReportAsWritersOfTheirOwn(t *testing.T) {
	t.Parallel()
	var sink fakeHistory
	s := NewServer(NewInbox(sink.add), testToken, new(fakeReport).add)
	uid := "0b07b0f1-aaaa-4bbb-8ccc-ddddeeeeffff"
	if code, receipt := post(t, s, strings.NewReader(text(t, record(uid, 1), record(uid+history.ArtifactsWriter, 1)))); code != 200 ||
		receipt.Accepted != 2 {
		t.Errorf("status %d, %+v, want both accepted", code, receipt)
	}
}

func TestWhatIsRefusedIsToldABoundedNumberOfTimes(t *testing.T) {
	t.Parallel()
	var report fakeReport
	s := NewServer(NewInbox(new(fakeHistory).add), testToken, report.add)
	for range 3 * maxTold {
		if code, _ := post(t, s, strings.NewReader("x\n")); code != 400 {
			t.Fatalf("status %d, want 400", code)
		}
	}
	if len(report.problems) != maxTold || !strings.Contains(report.problems[maxTold-1].What, "further ones are only counted") {
		t.Errorf("%d problems, the last one %+v; want %d and that there may be more", len(report.problems),
			report.problems[len(report.problems)-1], maxTold)
	}
	if stats := s.Stats(); stats.Rejected != 3*maxTold {
		t.Errorf("%d rejected, want all counted", stats.Rejected)
	}
}

func TestAQuotaIsToldOnceForEachPod(t *testing.T) {
	t.Parallel()
	var report fakeReport
	limits := DefaultLimits()
	limits.PodBytes = 1
	s := NewServer(NewInbox(new(fakeHistory).add, WithLimits(limits)), testToken, report.add)
	for seq := range int64(5) {
		if code, receipt := post(t, s, strings.NewReader(text(t, record("a", seq+1), record("b", seq+1)))); code != 429 || receipt.Rejected != 2 {
			t.Errorf("status %d, %+v; want 429 and both refused", code, receipt)
		}
	}
	if len(report.problems) != 1 {
		t.Errorf("problems %+v, want one for both pods, and no more", report.problems)
	}
}

func TestAConflictIsAnsweredAndTakenOnce(t *testing.T) {
	t.Parallel()
	var told fakeRecord
	var report fakeReport
	s := NewServer(NewInbox(told.add, WithConflicts(told.conflict)), testToken, report.add)
	forged := record("a", 1)
	forged.Node = "elsewhere"
	if code, receipt := post(t, s, strings.NewReader(text(t, record("a", 1), forged, record("a", 2)))); code != 409 || receipt.Accepted != 2 ||
		receipt.Conflicts != 1 {
		t.Errorf("status %d, %+v; want 409, 2 accepted, 1 conflict", code, receipt)
	}
	if diff := cmp.Diff([]string{"a 1 heartbeat http", "conflict a 1 on elsewhere", "a 2 heartbeat http"}, told.told); diff != "" ||
		len(report.problems) > 0 {
		t.Errorf("told (-want +got):\n%s\nproblems %+v", diff, report.problems)
	}
}
