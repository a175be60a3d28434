package witness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/sparkchaos/sparkchaos/internal/httpserver"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// RecordsPath is where the plugin posts its records, one JSON object a line.
const RecordsPath = "/v1/records"

// MaxBodyBytes bounds one request; the plugin sends what a few hundred milliseconds brought, some kilobytes.
const MaxBodyBytes = 8 << 20

// maxNamedProblems bounds how many bad lines one report spells out; all are counted.
const maxNamedProblems = 10

// Receipt is the answer to a request: what became of its lines.
type Receipt struct {
	Accepted   int      `json:"accepted"`
	Duplicates int      `json:"duplicates"` // known already, by either way
	Rejected   int      `json:"rejected"`   // no witness records; sending them again is no use
	Problems   []string `json:"problems,omitempty"`
}

// Stats counts what a Server received since it was made.
type Stats struct {
	Requests    int // all requests to RecordsPath
	Accepted    int // records handed on
	Duplicates  int // records known already
	Rejected    int // lines that are no records
	Interrupted int // requests cut off within the body, as a fault does; the disk has what was lost
	Failed      int // requests that the sink failed
}

// Server receives records by HTTP.
type Server struct {
	inbox  *Inbox
	report func(history.ProblemData)

	mu    sync.Mutex
	stats Stats
}

// NewServer returns a server that puts records into inbox and tells report of every request with lines that it had to
// refuse or could not hand on. report may be called by several goroutines at a time.
func NewServer(inbox *Inbox, report func(history.ProblemData)) *Server {
	return &Server{inbox: inbox, report: report}
}

// Stats returns the counts so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Serve answers on l until ctx ends and closes it; it returns nil when ctx ended.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return httpserver.Serve(ctx, "the witness", l, s.Handler())
}

// Handler returns the witness's HTTP interface: POST to RecordsPath. It answers with a Receipt and 200 when every line was a
// record, 400 when some were not (the others were taken), 413 when the body was too large (what came before was
// taken), 503 when a record could not be handed on (send it again).
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+RecordsPath, s.receive)
	return mux
}

func (s *Server) receive(w http.ResponseWriter, req *http.Request) {
	receipt, err := s.takeAll(http.MaxBytesReader(w, req.Body, MaxBodyBytes))
	status := http.StatusOK
	var tooLarge *http.MaxBytesError
	var sinkFailed *sinkError
	switch {
	case errors.As(err, &tooLarge):
		status = http.StatusRequestEntityTooLarge
		receipt.Rejected++
		receipt.Problems = append(receipt.Problems, fmt.Sprintf("body larger than %d bytes: the rest was not read", tooLarge.Limit))
	case errors.As(err, &sinkFailed):
		status = http.StatusServiceUnavailable
		receipt.Problems = append(receipt.Problems, err.Error())
	case receipt.Rejected > 0:
		status = http.StatusBadRequest
	}
	interrupted := err != nil && tooLarge == nil && sinkFailed == nil
	s.count(receipt, interrupted, sinkFailed != nil)
	if status != http.StatusOK {
		s.report(history.ProblemData{
			What: fmt.Sprintf("the witness could not take everything that %s sent: %d records taken, %d lines refused",
				req.RemoteAddr, receipt.Accepted+receipt.Duplicates, receipt.Rejected),
			Error: strings.Join(receipt.Problems, "; "),
		})
	}
	if interrupted {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that is gone by now has its records taken all the same.
	_ = json.NewEncoder(w).Encode(receipt)
}

// sinkError tells a failing sink from a failing connection.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return "the record could not be handed on: " + e.err.Error() }
func (e *sinkError) Unwrap() error { return e.err }

// takeAll puts every record of body into the inbox. It ends at the first error of reading or of the sink.
func (s *Server) takeAll(body io.Reader) (Receipt, error) {
	var receipt Receipt
	for l, err := range lines(body) {
		if err != nil {
			return receipt, err
		}
		record, err := l.record()
		if err != nil {
			receipt.Rejected++
			if len(receipt.Problems) < maxNamedProblems {
				receipt.Problems = append(receipt.Problems, err.Error())
			}
			continue
		}
		record.Via = ViaHTTP
		taken, err := s.inbox.Take(record)
		switch {
		case err != nil:
			return receipt, &sinkError{err}
		case taken:
			receipt.Accepted++
		default:
			receipt.Duplicates++
		}
	}
	return receipt, nil
}

func (s *Server) count(r Receipt, interrupted, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Requests++
	s.stats.Accepted += r.Accepted
	s.stats.Duplicates += r.Duplicates
	s.stats.Rejected += r.Rejected
	if interrupted {
		s.stats.Interrupted++
	}
	if failed {
		s.stats.Failed++
	}
}
