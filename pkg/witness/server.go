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

// RecordsPath is the path to which the plugin posts its records, one JSON object per line.
const RecordsPath = "/v1/records"

// MaxBodyBytes bounds one request. The plugin sends the records of a few hundred milliseconds, some kilobytes.
const MaxBodyBytes = 8 << 20

// maxNamedProblems is the number of bad lines that one report quotes; all are counted.
const maxNamedProblems = 10

// Receipt is the answer to a request: what happened to its lines.
type Receipt struct {
	Accepted   int      `json:"accepted"`
	Duplicates int      `json:"duplicates"`          // known already, by either way
	Conflicts  int      `json:"conflicts,omitempty"` // known already, with other content; told, and not taken
	Rejected   int      `json:"rejected"`            // no witness records, or too large, or too many; sending them again is no use
	Problems   []string `json:"problems,omitempty"`
}

// Stats counts what a Server has received.
type Stats struct {
	Requests    int // all requests to RecordsPath that had the token
	Strangers   int // those that had not
	Accepted    int // records handed on
	Duplicates  int // records known already
	Conflicts   int // records known already with other content
	Rejected    int // lines that are no records, or records that were refused
	Interrupted int // requests cut off within the body, as a fault does; the disk has what was lost
	Failed      int // requests that the sink failed
}

// Server receives records by HTTP.
type Server struct {
	inbox  *Inbox
	token  string
	teller teller

	mu    sync.Mutex
	stats Stats
}

// NewServer returns a server that puts records into inbox and tells report of requests with lines that it had to refuse or
// could not hand on, a bounded number of times: what holders of the token send may be evidence that is lost. Of what comes without
// the token nothing is read or reported. report may be called by several goroutines at a time.
func NewServer(inbox *Inbox, token string, report func(history.ProblemData)) *Server {
	return &Server{inbox: inbox, token: token, teller: teller{report: report}}
}

// Stats returns the counts so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Serve answers on l until ctx is done and closes it. It returns nil when ctx is done.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return httpserver.Serve(ctx, "the witness", l, s.Handler())
}

// Handler returns the witness's HTTP interface: POST to RecordsPath. Every answer but 401 (no token) carries a Receipt.
//
//	200  every line was taken, or is known already
//	400  a line is no record
//	409  a record differs from the one that is known under its number
//	413  a record, or the body, is too large; of a body, what came before the limit is taken
//	429  there is no room for more
//	503  a record could not be handed on: send it again
//
// With a code from 400 to 429 all other lines were taken.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST "+RecordsPath, Guard(s.token, http.HandlerFunc(s.receive), s.stranger))
	return mux
}

func (s *Server) stranger() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Strangers++
}

func (s *Server) receive(w http.ResponseWriter, req *http.Request) {
	b := s.takeAll(http.MaxBytesReader(w, req.Body, MaxBodyBytes))
	var tooLarge *http.MaxBytesError
	var sinkFailed *sinkError
	switch {
	case errors.As(b.ended, &tooLarge):
		b.refuse(fmt.Errorf("%w: body larger than %d bytes: the rest was not read", ErrLineTooLong, tooLarge.Limit), true)
	case errors.As(b.ended, &sinkFailed):
		b.problems = append(b.problems, b.ended.Error())
	}
	interrupted := b.ended != nil && tooLarge == nil && sinkFailed == nil
	s.count(b.Receipt, interrupted, sinkFailed != nil)
	if b.news > 0 || sinkFailed != nil && s.teller.isNew("sink") {
		s.teller.tell(history.ProblemData{
			What: fmt.Sprintf("the witness could not take everything that %s sent: %d records taken, %d lines refused",
				req.RemoteAddr, b.Accepted+b.Duplicates, b.Rejected),
			Error: strings.Join(b.problems, "; "),
		})
	}
	if interrupted {
		return
	}
	b.Problems = b.problems
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(b.status(sinkFailed != nil))
	// A client that is gone by now has its records taken all the same.
	_ = json.NewEncoder(w).Encode(b.Receipt)
}

// body is what happened to the lines of one request.
type body struct {
	Receipt
	problems          []string
	tooLarge, tooMany bool
	news              int   // refusals that are to be told
	ended             error // what ended the reading; nil if all lines were read
}

func (b *body) status(sinkFailed bool) int {
	switch {
	case sinkFailed:
		return http.StatusServiceUnavailable
	case b.tooLarge:
		return http.StatusRequestEntityTooLarge
	case b.tooMany:
		return http.StatusTooManyRequests
	case b.Rejected > 0:
		return http.StatusBadRequest
	case b.Conflicts > 0:
		return http.StatusConflict
	default:
		return http.StatusOK
	}
}

// refuse notes a line that is not taken; news reports whether such a line was never reported before.
func (b *body) refuse(err error, news bool) {
	b.Rejected++
	b.tooLarge = b.tooLarge || errors.Is(err, ErrLineTooLong) || errors.Is(err, history.ErrRefused)
	b.tooMany = b.tooMany || errors.Is(err, ErrQuota)
	if len(b.problems) < maxNamedProblems {
		b.problems = append(b.problems, err.Error())
	}
	if news {
		b.news++
	}
}

// sinkError distinguishes a failing sink from a failing connection.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return "the record could not be handed on: " + e.err.Error() }
func (e *sinkError) Unwrap() error { return e.err }

// refused reports whether an error of an Inbox is about one record alone and will not change.
func refused(err error) bool {
	return errors.Is(err, ErrLineTooLong) || errors.Is(err, ErrQuota) || errors.Is(err, history.ErrRefused)
}

// takeAll puts every record of a request into the inbox. It stops at the first error of reading or of the sink.
func (s *Server) takeAll(from io.Reader) *body {
	var b body
	for l, err := range lines(from) {
		if err != nil {
			b.ended = err
			return &b
		}
		record, err := l.record()
		if err != nil {
			b.refuse(err, true)
			continue
		}
		record.Via = ViaHTTP
		outcome, err := s.inbox.Take(record)
		switch {
		case refused(err):
			// A writer beyond its quota continues sending: its disk has what is refused here, so it is reported once.
			b.refuse(fmt.Errorf("line %d: %w", l.number, err), !errors.Is(err, ErrQuota) || s.teller.isNew(record.PodUID))
		case err != nil:
			b.ended = &sinkError{err}
			return &b
		case outcome == Accepted:
			b.Accepted++
		case outcome == Conflict:
			b.Conflicts++
		default:
			b.Duplicates++
		}
	}
	return &b
}

func (s *Server) count(r Receipt, interrupted, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Requests++
	s.stats.Accepted += r.Accepted
	s.stats.Duplicates += r.Duplicates
	s.stats.Conflicts += r.Conflicts
	s.stats.Rejected += r.Rejected
	if interrupted {
		s.stats.Interrupted++
	}
	if failed {
		s.stats.Failed++
	}
}
