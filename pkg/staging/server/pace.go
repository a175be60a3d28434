package server

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// pace moves a connection's deadlines on while bytes pass, up to the end of the transfer: a client that stands still, or
// drips, holds its connection for a bounded time.
type pace struct {
	control *http.ResponseController
	stall   time.Duration
	end     time.Time
}

func newPace(config Config, w http.ResponseWriter) pace {
	return pace{http.NewResponseController(w), config.StallTime, time.Now().Add(config.TransferTime)}
}

// next is the deadline of the next operation.
func (p pace) next() time.Time {
	next := time.Now().Add(p.stall)
	if next.After(p.end) {
		return p.end
	}
	return next
}

// supported hides that a connection has no deadlines, as those that tests record into.
func supported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

type pacedBody struct {
	io.ReadCloser
	pace
	failed error // why reading ended before the end of the body
}

// paced bounds the reading of a request's body. The answer may be written as long after it as one stall lasts.
func paced(config Config, w http.ResponseWriter, body io.ReadCloser) *pacedBody {
	return &pacedBody{ReadCloser: body, pace: newPace(config, w)}
}

func (b *pacedBody) Read(p []byte) (int, error) {
	deadline := b.next()
	if err := supported(errors.Join(b.control.SetReadDeadline(deadline), b.control.SetWriteDeadline(b.end.Add(b.stall)))); err != nil {
		return 0, err
	}
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		// The server goes on reading, to see a client leave; a deadline that it meets there would end the request.
		_ = b.control.SetReadDeadline(b.end.Add(b.stall))
	} else if err != nil {
		b.failed = err
	}
	return n, err
}

type pacedResponse struct {
	w io.Writer
	pace
}

// pacedWriter bounds the writing of an answer's body.
func pacedWriter(config Config, w http.ResponseWriter) io.Writer {
	return &pacedResponse{w, newPace(config, w)}
}

func (r *pacedResponse) Write(p []byte) (int, error) {
	// Reading has a deadline too: the server watches whether the client leaves, and takes a deadline for that.
	if err := supported(errors.Join(r.control.SetWriteDeadline(r.next()), r.control.SetReadDeadline(r.end.Add(r.stall)))); err != nil {
		return 0, err
	}
	return r.w.Write(p)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
