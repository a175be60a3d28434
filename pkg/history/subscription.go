package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// Subscription delivers every event of a history that is being written, from its first one, in order and without
// loss. It reads what it is behind from the file, so a slow or forgotten subscription costs no memory and holds
// nobody up. One goroutine may use it at a time, and closes it in the end.
type Subscription struct {
	writer *Writer
	read   int64 // bytes of the file that were consumed into buffer
	buffer []byte
	lines  []byte // rest of buffer that was not delivered
	parse  parser
	closed bool
}

// subscriptionBuffer is how much a subscription reads at a time when it is behind.
const subscriptionBuffer = 64 << 10

// Subscribe returns a subscription that begins with the first event. After Close of the writer it fails with ErrClosed.
func (w *Writer) Subscribe() (*Subscription, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, fmt.Errorf("subscribing to the history: %w", ErrClosed)
	}
	w.readers++
	return &Subscription{writer: w}, nil
}

// Close ends the subscription; Next must not be called any more. Closing again does nothing.
func (s *Subscription) Close() {
	if s.closed {
		return
	}
	s.closed = true
	s.writer.release()
}

// Next returns the next event and waits for it. It ends with io.EOF when the history was closed and all of it was
// delivered, with the writer's error when writing failed, or with the context's error.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	if s.closed {
		return Event{}, fmt.Errorf("reading a subscription: %w", ErrClosed)
	}
	for {
		if end := bytes.IndexByte(s.lines, '\n'); end >= 0 {
			line := s.lines[:end]
			s.lines = s.lines[end+1:]
			var event Event
			if err := s.parse.line(line, &event); err != nil {
				return Event{}, fmt.Errorf("reading back the history being written: %w", err)
			}
			return event.Clone(), nil
		}
		written, more, ended := s.writer.state()
		if s.read < written {
			if err := s.fill(written); err != nil {
				return Event{}, err
			}
			continue
		}
		if ended != nil {
			return Event{}, ended
		}
		select {
		case <-ctx.Done():
			return Event{}, ctx.Err()
		case <-more:
		}
	}
}

// Behind reports whether events are written that were not delivered yet.
func (s *Subscription) Behind() bool {
	written, _, _ := s.writer.state()
	return s.read < written || len(s.lines) > 0
}

func (s *Subscription) fill(written int64) error {
	want := min(written-s.read, subscriptionBuffer)
	rest := len(s.lines)
	next := make([]byte, 0, rest+int(want))
	if cap(s.buffer) >= rest+int(want) {
		next = s.buffer[:0]
	}
	next = append(next, s.lines...)
	s.buffer = next[:rest+int(want)]
	n, err := s.writer.file.ReadAt(s.buffer[rest:], s.read)
	if n < int(want) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("reading back the history being written, at byte %d: %w", s.read, err)
	}
	s.read += want
	s.lines = s.buffer
	return nil
}
