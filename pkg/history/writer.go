package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// maxLine is the longest line of a history in bytes, its end of line included. Most events are far below it; a reader needs a
// limit so that a damaged file cannot take all memory.
const maxLine = 16 << 20

// maxNamedObject bounds the names of an object that a Problem event takes over from an event that was refused.
const maxNamedObject = 4 << 10

// ErrRefused is wrapped by the error of Append if a single event cannot be written because it is too large or not JSON.
// A Problem event takes its place, and the history continues.
var ErrRefused = errors.New("the history does not have this event")

// ErrClosed is returned by Append once the history was closed.
var ErrClosed = errors.New("the history is closed")

// Clock returns the time. The clocks of k8s.io/utils/clock implement it.
type Clock interface {
	Now() time.Time
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now returns the machine's time with its monotonic reading.
func (SystemClock) Now() time.Time { return time.Now() }

// File is what a history is written to. *os.File is one.
type File interface {
	io.Writer
	io.Closer
	Sync() error
}

// Writer appends events to a history. It is safe for concurrent use. Append writes each event with a single write, so a
// SIGKILL leaves at most a torn last line. After the first error of the file (Err) nothing is written any more. An event that
// is refused by itself (ErrRefused) costs only that event: a Problem event reports it.
type Writer struct {
	// Writing ends with the first error, so that a history never has a hole in its middle and never gets the RunEnded event
	// without which no run passes.

	clock    Clock
	start    time.Time
	observer func(*Event) // nil: nobody

	mu     sync.Mutex
	file   File
	seq    int64
	err    error
	closed bool
	ended  chan struct{} // closed when no more events can be written
}

// Option changes how a Writer works.
type Option func(*Writer)

// Observed calls observe with each event once it was written, those that Append itself writes included, in the order of the history and
// before Append returns. It is called by one goroutine at a time and must neither wait nor use the Writer.
func Observed(observe func(*Event)) Option {
	return func(w *Writer) { w.observer = observe }
}

// Create creates a history at path. It fails if the file exists.
func Create(path string, clock Clock, options ...Option) (*Writer, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("creating the history: %w", err)
	}
	return NewWriter(file, clock, options...), nil
}

// NewWriter returns a Writer of a history in an empty file. Offsets count from this call.
func NewWriter(file File, clock Clock, options ...Option) *Writer {
	w := &Writer{clock: clock, start: clock.Now(), file: file, ended: make(chan struct{})}
	for _, option := range options {
		option(w)
	}
	return w
}

// Ended returns a channel that is closed when no more events can be written: the history was closed, or could not be written. Observers
// were called with all that was written before.
func (w *Writer) Ended() <-chan struct{} { return w.ended }

// Append writes an event and returns it as it was written. data is encoded as JSON; data and object may be nil. On error the
// event is not in the history; unless the error is ErrRefused, no later event will be either.
func (w *Writer) Append(source Source, eventType string, object *Object, data any) (Event, error) {
	encoded, encodeErr := encodeData(data)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return Event{}, fmt.Errorf("appending %s/%s to the history: %w", source, eventType, ErrClosed)
	}
	if w.err != nil {
		return Event{}, w.err
	}
	now := w.clock.Now()
	event := Event{
		Seq: w.seq + 1, Offset: now.Sub(w.start), Wall: now.Round(0).UTC(),
		Source: source, Type: eventType, Object: object, Data: encoded,
	}
	line, err := w.encodeLine(event, encodeErr)
	if err != nil {
		return Event{}, w.refuse(event, err)
	}
	if err := w.write(event, line); err != nil {
		return Event{}, err
	}
	return event, nil
}

// encodeData returns data as JSON; nil for nil.
func encodeData(data any) (json.RawMessage, error) {
	if data == nil {
		return nil, nil
	}
	return encode(data)
}

// encode is json.Marshal without the escaping of <, > and &, which takes six bytes for each.
func encode(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// encodeLine returns an event as a line of the history, or the reason why it cannot be written. encodeErr is the error
// of encoding its data.
func (w *Writer) encodeLine(event Event, encodeErr error) ([]byte, error) {
	if encodeErr != nil {
		return nil, fmt.Errorf("encoding its data: %w", encodeErr)
	}
	line, err := encode(event)
	if err != nil {
		return nil, err
	}
	line = append(line, '\n')
	if len(line) > maxLine {
		return nil, fmt.Errorf("it has %d bytes, and a line of a history has at most %d", len(line), maxLine)
	}
	return line, nil
}

// refuse writes a Problem event in place of one that cannot be written, and returns the error for Append.
func (w *Writer) refuse(event Event, why error) error {
	refused := fmt.Errorf("event %d, %s/%s%s: %w: %w", event.Seq, event.Source, event.Type, named(event.Object), ErrRefused, why)
	problem := ProblemData{What: fmt.Sprintf("an event could not be written to the history: %s/%s%s", event.Source, event.Type,
		named(event.Object)), Error: why.Error()}
	var err error
	event.Source, event.Type, event.Object = Harness, Problem, nil
	if event.Data, err = encode(problem); err != nil {
		return errors.Join(refused, w.fail(err))
	}
	line, err := w.encodeLine(event, nil)
	if err != nil { // a type of megabytes, say
		return errors.Join(refused, w.fail(fmt.Errorf("telling the history of an event that is missing: %w", err)))
	}
	if err := w.write(event, line); err != nil {
		return errors.Join(refused, err)
	}
	return refused
}

// named returns an object's name for messages, with a blank before it; "" if there is none, or if its names are too
// long.
func named(object *Object) string {
	if object == nil || len(object.Kind)+len(object.Namespace)+len(object.Name)+len(object.UID) > maxNamedObject {
		return ""
	}
	name := object.Name
	if object.Namespace != "" {
		name = object.Namespace + "/" + name
	}
	return fmt.Sprintf(" of %s %s", object.Kind, name)
}

// write appends a line to the file and counts it.
func (w *Writer) write(event Event, line []byte) error {
	n, err := w.file.Write(line)
	if err != nil {
		return w.fail(fmt.Errorf("writing event %d (%s/%s) to the history, %d of %d bytes written; the record ends here: %w",
			event.Seq, event.Source, event.Type, n, len(line), err))
	}
	w.seq++
	if w.observer != nil {
		w.observer(&event)
	}
	return nil
}

// fail keeps the first error, with which the record ends.
func (w *Writer) fail(err error) error {
	if w.err == nil && !w.closed {
		close(w.ended)
	}
	w.err = err
	return err
}

// Err returns the error that ended the record, nil as long as everything was written.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Close brings the history to the disk and ends it. It returns the error that ended the record before, if there was one.
// Closing again returns the same.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return w.err
	}
	w.closed = true
	if w.err == nil {
		close(w.ended)
	}
	if err := w.file.Sync(); err != nil {
		w.err = errors.Join(w.err, fmt.Errorf("bringing the history to the disk: %w", err))
	}
	if err := w.file.Close(); err != nil {
		w.err = errors.Join(w.err, fmt.Errorf("closing the history: %w", err))
	}
	return w.err
}
