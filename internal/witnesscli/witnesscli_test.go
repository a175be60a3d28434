package witnesscli

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/witness"
)

func TestTheStreamBeginsOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), beganFile)
	first := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, now := range []time.Time{first, first.Add(time.Hour)} { // the second process is a pod's replacement
		if got, err := began(file, now); err != nil || !got.Equal(first) {
			t.Errorf("at %v: began %v, %v, want %v", now, got, err, first)
		}
	}
	if err := os.WriteFile(file, []byte("yesterday"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := began(file, first); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestWithoutATokenNothingIsServed(t *testing.T) {
	t.Parallel()
	command := New(func(string) string { return "" })
	command.SetArgs(nil)
	command.SilenceErrors, command.SilenceUsage = true, true
	if err := command.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), witness.TokenVariable) {
		t.Errorf("%v, want that %s is not set", err, witness.TokenVariable)
	}
}

func TestBothWaysWantTheToken(t *testing.T) {
	t.Parallel()
	store, err := witness.OpenStore(filepath.Join(t.TempDir(), recordsFile))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	handler := flags{token: "right"}.records(store, func(p history.ProblemData) { t.Errorf("problem %+v", p) })
	ask := func(method, path, token, body string) (int, string) {
		request := httptest.NewRequest(method, path, strings.NewReader(body))
		witness.Authorize(request, token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, request)
		return w.Code, w.Body.String()
	}
	first := `{"seq":1,"wallMicros":1,"type":"heartbeat","role":"driver","podUID":"u","podName":"p","node":"n"}` + "\n"
	forged := strings.Replace(first, `"n"`, `"elsewhere"`, 1)
	for _, step := range []struct {
		method, path, token, body string
		code                      int
		answer                    string
	}{
		{"POST", witness.RecordsPath, "wrong", first, http.StatusUnauthorized, "token"},
		{"GET", witness.StoredPath + "?from=0", "wrong", "", http.StatusUnauthorized, "token"},
		{"GET", witness.StoredPath + "?from=0", "right", "", http.StatusOK, ""},
		{"POST", witness.RecordsPath, "right", first, http.StatusOK, `"accepted":1`},
		{"POST", witness.RecordsPath, "right", first, http.StatusOK, `"duplicates":1`},
		// The harness is to see both versions, and finds the conflict.
		{"POST", witness.RecordsPath, "right", forged, http.StatusConflict, `"conflicts":1`},
		{"GET", witness.StoredPath + "?from=0", "right", "", http.StatusOK, first + forged},
	} {
		if code, answer := ask(step.method, step.path, step.token, step.body); code != step.code || !strings.Contains(answer, step.answer) {
			t.Errorf("%s %s with %s: %d %q, want %d and %q", step.method, step.path, step.token, code, answer, step.code, step.answer)
		}
	}
}
