package runs_test

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/report/runs"
)

func put(t *testing.T, directory string, verdict check.RunVerdict, tier string) {
	t.Helper()
	if err := os.MkdirAll(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := report.WriteFiles(directory, verdict, report.RunInfo{Directory: directory}, report.JSON); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, report.PlanFile), []byte("scenario: {labels: {tier: "+tier+"}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func verdict(scenario string, v check.Verdict, took time.Duration) check.RunVerdict {
	return check.RunVerdict{Scenario: scenario, Verdict: v, Reason: "because <b>of</b> this",
		Results: []check.Result{{Invariant: "recoveryWithin", Verdict: v, Phases: []check.Phase{
			{Fault: "f", Name: "detection", Duration: took, From: 1, To: 2},
		}}}}
}

func directory(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	put(t, filepath.Join(top, "20260101T000000-a-1"), verdict("a", check.Pass, time.Second), "smoke")
	put(t, filepath.Join(top, "process-1", "20260102T000000-a-1"), verdict("a", check.Violation, 3*time.Second), "nightly")
	put(t, filepath.Join(top, "20260103T000000-b-1"), verdict("b", check.Pass, time.Second), "smoke")
	if err := os.MkdirAll(filepath.Join(top, "20260104T000000-b-1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(top, "20260104T000000-b-1", report.VerdictFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("20260103T000000-b-1", filepath.Join(top, "latest")); err != nil {
		t.Fatal(err)
	}
	return top
}

func TestList(t *testing.T) {
	t.Parallel()
	all, err := runs.List(os.DirFS(directory(t)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, run := range all {
		names = append(names, run.Path)
	}
	if got, want := strings.Join(names, " "), "20260104T000000-b-1 20260103T000000-b-1 process-1/20260102T000000-a-1 "+
		"20260101T000000-a-1"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if all[0].Problem == "" || all[1].Labels["tier"] != "smoke" || all[2].Verdict != check.Violation || all[2].Recovery() != 3*time.Second {
		t.Errorf("%+v", all)
	}
	if _, err := runs.List(os.DirFS(filepath.Join(t.TempDir(), "absent"))); err == nil {
		t.Error("a directory that is not there has runs")
	}
}

func serve(t *testing.T) *httptest.Server {
	t.Helper()
	top := directory(t)
	root, err := os.OpenRoot(top)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	s := httptest.NewServer(runs.Handler(top, root.FS(), "127.0.0.1"))
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, method, address, host string) (int, string, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		request.Host = host
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // read to its end
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content), response.Header
}

func TestHandler(t *testing.T) {
	t.Parallel()
	s := serve(t)
	code, page, header := get(t, http.MethodGet, s.URL+"/", "")
	for _, want := range []string{"4 of 4 runs", "✖ violation", "because &lt;b&gt;of&lt;/b&gt; this",
		"/run/process-1/20260102T000000-a-1/report.html", "polyline", "unreadable", "tier=nightly"} {
		if !strings.Contains(page, want) {
			t.Errorf("the list has no %q", want)
		}
	}
	if code != http.StatusOK || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("status %d, %v", code, header)
	}
	for query, want := range map[string]string{"scenario=a": "2 of 4", "verdict=pass": "2 of 4",
		"label=" + url.QueryEscape("tier=nightly"): "1 of 4", "scenario=%3Cscript%3E": "0 of 4"} {
		if _, page, _ := get(t, http.MethodGet, s.URL+"/?"+query, ""); !strings.Contains(page, want+" runs") ||
			strings.Contains(page, "<script") {
			t.Errorf("%s does not show %s runs", query, want)
		}
	}
	if code, page, _ := get(t, http.MethodGet, s.URL+"/run/process-1/20260102T000000-a-1/report.html", ""); code != http.StatusOK ||
		!strings.Contains(page, "VIOLATION") {
		t.Errorf("a run's report: status %d", code)
	}
}

func TestHandlerRefuses(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for name, tt := range map[string]struct {
		method, path, host string
		code               int
	}{
		"another file of a run":      {http.MethodGet, "/run/20260101T000000-a-1/verdict.json", "", http.StatusNotFound},
		"a directory above":          {http.MethodGet, "/run/..%2f..%2fetc/report.html", "", http.StatusNotFound},
		"a run that is not there":    {http.MethodGet, "/run/absent/report.html", "", http.StatusNotFound},
		"no run":                     {http.MethodGet, "/run/report.html", "", http.StatusNotFound},
		"writing":                    {http.MethodPost, "/", "", http.StatusMethodNotAllowed},
		"the name of a foreign page": {http.MethodGet, "/", "evil.example:80", http.StatusMisdirectedRequest},
	} {
		if code, _, _ := get(t, tt.method, s.URL+tt.path, tt.host); code != tt.code {
			t.Errorf("%s: status %d, want %d", name, code, tt.code)
		}
	}
}

func TestWalkFindsRunDirectories(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"a/verdict.json": {}, "a/inner/verdict.json": {}, "b/history.ndjson": {}, "c/d/plan.yaml": {}, "c/d/e.txt": {}, "f/g/h/verdict.json": {},
		"none/readme.txt": {}, "latest": {Mode: fs.ModeSymlink},
	}
	for deepest, want := range map[int]string{0: "a+ b c/d f/g/h+", 3: "a+ b c/d f/g/h+", 2: "a+ b c/d", 1: "a+ b"} {
		var found []string
		err := runs.Walk(files, deepest, func(directory string, judged bool, err error) error {
			found = append(found, directory+map[bool]string{true: "+"}[judged])
			return err
		})
		if got := strings.Join(found, " "); got != want || err != nil {
			t.Errorf("%d levels: got %s, %v; want %s", deepest, got, err, want)
		}
	}
}
