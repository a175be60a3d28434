package source

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHTTPAnswers(t *testing.T) {
	t.Parallel()
	s, clock := newSource(t, Options{WordsPerSecond: 1000})
	clock.Step(200 * time.Second)
	for _, tc := range []struct {
		name, method, target string
		status               int
		body                 string // the whole body of a 200, a part of another
	}{
		{"end", "GET", "/v1/words/end", 200, "200000\n"},
		{"words", "GET", "/v1/words?from=1&to=4", 200, "w0000\nw0079\nw0044\n"},
		{"order of parameters", "GET", "/v1/words?to=2&from=1", 200, "w0000\n"},
		{"none", "GET", "/v1/words?from=7&to=7", 200, ""},
		{"none at the end", "GET", "/v1/words?from=200000&to=200000", 200, ""},
		{"last", "GET", "/v1/words?from=199999&to=200000", 200, s.Word(199999) + "\n"},
		{"beyond the end", "GET", "/v1/words?from=199999&to=200001", 416, "beyond the end, which is 200000"},
		{"too many", "GET", "/v1/words?from=0&to=100001", 400, "at most 100000"},
		{"backwards", "GET", "/v1/words?from=2&to=1", 400, "from is 2, beyond to"},
		{"no from", "GET", "/v1/words?to=1", 400, "from: missing"},
		{"no to", "GET", "/v1/words?from=1", 400, "to: missing"},
		{"negative", "GET", "/v1/words?from=-1&to=1", 400, `from: "-1" is not`},
		{"plus", "GET", "/v1/words?from=%2B1&to=1", 400, `from: "+1" is not`},
		{"hex", "GET", "/v1/words?from=0&to=0x10", 400, `to: "0x10" is not`},
		{"overflow", "GET", "/v1/words?from=0&to=9223372036854775808", 400, "beyond the last offset"},
		{"unknown path", "GET", "/v1/word", 404, ""},
		{"method", "POST", "/v1/words/end", 405, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, httptest.NewRequest(tc.method, tc.target, nil))
			if w.Code != tc.status {
				t.Fatalf("status %d (%s), want %d", w.Code, w.Body, tc.status)
			}
			body := w.Body.String()
			if tc.status == 200 && body != tc.body || !strings.Contains(body, tc.body) {
				t.Errorf("body %q, want %q", body, tc.body)
			}
			if tc.status != 200 && strings.Count(body, "\n") != 1 {
				t.Errorf("body %q, want one line", body)
			}
		})
	}
}

func TestHTTPServesTheLargestPage(t *testing.T) {
	t.Parallel()
	s, clock := newSource(t, Options{WordsPerSecond: 1000})
	clock.Step(200 * time.Second)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/v1/words?from=5&to=100005", nil))
	words := strings.Split(strings.TrimSuffix(w.Body.String(), "\n"), "\n")
	if len(words) != MaxWordsPerRequest {
		t.Fatalf("%d words, want %d", len(words), MaxWordsPerRequest)
	}
	for i, got := range words {
		if want := s.Word(int64(i) + 5); got != want {
			t.Fatalf("word at offset %d = %s, want %s", i+5, got, want)
		}
	}
}

func TestServeHTTPOnASocket(t *testing.T) {
	t.Parallel()
	s, _ := newSource(t, Options{WordsPerSecond: 1})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.ServeHTTP(ctx, l) }()
	resp, err := http.Get("http://" + l.Addr().String() + "/v1/words/end")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "0\n" {
		t.Errorf("body %q, %v; want the end 0", body, err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("ServeHTTP = %v, want nil", err)
	}
}

func FuzzParseOffset(f *testing.F) {
	for _, seed := range []string{"", "0", "7", "-1", "+1", "9223372036854775807", "9223372036854775808", "1e3", "٣"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		offset, err := parseOffset(text)
		if err != nil {
			return
		}
		if offset < 0 || strings.Trim(text, "0123456789") != "" {
			t.Errorf("parseOffset(%q) = %d without an error", text, offset)
		}
	})
}
