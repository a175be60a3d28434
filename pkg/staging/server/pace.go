package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// sendBuffer bounds what the kernel takes of a download before the client has it. With the megabytes that it takes by itself, a
// slow client would look like one that stands still.
const sendBuffer = 256 << 10

// pace moves a connection's deadlines on while bytes pass, up to the end of the transfer. A client that stands still, or is
// slower than the least rate for too long, holds its connection for a bounded time. Only time that is spent waiting for
// the client counts.
type pace struct {
	control *http.ResponseController
	stall   time.Duration
	end     time.Time

	rate  int64         // bytes a second
	most  time.Duration // of slack
	slack time.Duration // how long the client may still be waited for at this rate
}

func newPace(config Config, w http.ResponseWriter) pace {
	return pace{
		control: http.NewResponseController(w), stall: config.StallTime, end: time.Now().Add(config.TransferTime),
		rate: config.MinRate, most: config.SlowTime, slack: config.SlowTime,
	}
}

// next returns the deadline of an operation that begins now.
func (p *pace) next(now time.Time) time.Time {
	next := now.Add(min(p.stall, p.slack))
	if next.After(p.end) {
		return p.end
	}
	return next
}

// passed notes that bytes passed, and how long they were waited for.
func (p *pace) passed(n int, waited time.Duration) {
	// Bytes above what the most slack is worth say nothing more, and must not overflow.
	worth := min(float64(n)/float64(p.rate), p.most.Seconds())
	p.slack = min(p.most, p.slack-waited+time.Duration(worth*float64(time.Second)))
}

// tooSlow is the problem of a client that was slower than the least rate for too long.
func (p *pace) tooSlow() error {
	return fmt.Errorf("for %s it was slower than %d bytes a second: %w", p.most, p.rate, os.ErrDeadlineExceeded)
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
	if b.slack <= 0 {
		b.failed = b.tooSlow()
		return 0, b.failed
	}
	begun := time.Now()
	if err := supported(errors.Join(b.control.SetReadDeadline(b.next(begun)), b.control.SetWriteDeadline(b.end.Add(b.stall)))); err != nil {
		return 0, err
	}
	n, err := b.ReadCloser.Read(p)
	b.passed(n, time.Since(begun))
	if errors.Is(err, io.EOF) {
		// The server continues reading, to see a client leave; a deadline that it meets there would end the request.
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
	if r.slack <= 0 {
		return 0, r.tooSlow()
	}
	begun := time.Now()
	// Reading has a deadline too: the server watches whether the client leaves, and takes a deadline for that.
	if err := supported(errors.Join(r.control.SetWriteDeadline(r.next(begun)), r.control.SetReadDeadline(r.end.Add(r.stall)))); err != nil {
		return 0, err
	}
	n, err := r.w.Write(p)
	r.passed(n, time.Since(begun))
	return n, err
}

// boundBuffer bounds the send buffer of a connection that was accepted; it has the signature of http.Server.ConnContext.
func boundBuffer(ctx context.Context, conn net.Conn) context.Context {
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secure.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // a connection that is gone is seen when it is used
	}
	return ctx
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
