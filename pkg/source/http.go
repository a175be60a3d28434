package source

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"

	"github.com/sparkchaos/sparkchaos/internal/httpserver"
)

// MaxWordsPerRequest bounds one HTTP request; readers ask again for more.
const MaxWordsPerRequest = 100_000

// ServeHTTP serves the HTTP half of the protocol on l until ctx is done, and closes l. It returns nil when ctx is done.
func (s *Source) ServeHTTP(ctx context.Context, l net.Listener) error {
	return httpserver.Serve(ctx, "the word source (HTTP)", l, s.Handler())
}

// Handler returns the HTTP half of the protocol.
func (s *Source) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/words/end", s.serveEnd)
	mux.HandleFunc("GET /v1/words", s.serveWords)
	return mux
}

func (s *Source) serveEnd(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, strconv.AppendInt(nil, s.End(), 10), '\n')
}

func (s *Source) serveWords(w http.ResponseWriter, req *http.Request) {
	query := req.URL.Query()
	from, err := parseOffset(query.Get("from"))
	if err != nil {
		refuse(w, http.StatusBadRequest, "from: %v", err)
		return
	}
	to, err := parseOffset(query.Get("to"))
	if err != nil {
		refuse(w, http.StatusBadRequest, "to: %v", err)
		return
	}
	end := s.End()
	switch {
	case from > to:
		refuse(w, http.StatusBadRequest, "from is %d, beyond to, which is %d", from, to)
		return
	case to-from > MaxWordsPerRequest:
		refuse(w, http.StatusBadRequest, "%d words asked for, at most %d are served at once: read page by page", to-from, MaxWordsPerRequest)
		return
	case to > end:
		refuse(w, http.StatusRequestedRangeNotSatisfiable, "to is %d, beyond the end, which is %d: ask again later", to, end)
		return
	}
	words := make([]byte, 0, (to-from)*int64(len("w0000\n")))
	for offset := from; offset < to; offset++ {
		words = append(s.appendWord(words, offset), '\n')
	}
	answer(w, http.StatusOK, words)
}

// parseOffset reads a decimal number of 0 or more: digits and nothing else.
func parseOffset(text string) (int64, error) {
	if text == "" {
		return 0, fmt.Errorf("missing, want a decimal number of 0 or more")
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%q is not a decimal number of 0 or more", text)
		}
	}
	offset, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is beyond the last offset, 2^63-1", text)
	}
	return offset, nil
}

func refuse(w http.ResponseWriter, status int, format string, args ...any) {
	answer(w, status, fmt.Appendf(nil, format+"\n", args...))
}

func answer(w http.ResponseWriter, status int, body []byte, more ...byte) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	// A reader that is gone asks again: nothing is lost by not having been read.
	_, _ = w.Write(append(body, more...))
}
