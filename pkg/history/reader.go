package history

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"time"
)

// VersionError is returned for a history of a format that this package does not read.
type VersionError struct {
	Found int // as the history says
}

// Error names both versions and what to do.
func (e *VersionError) Error() string {
	return fmt.Sprintf("the history has format version %d, this sparkchaos reads version %d: judge it with the release that recorded it",
		e.Found, FormatVersion)
}

// ProblemKind is a way in which a history is damaged.
type ProblemKind string

// The kinds of problems. None stops a reader, but a run whose history has one cannot pass.
const (
	Empty      ProblemKind = "empty"      // no event at all
	NoStart    ProblemKind = "noStart"    // the first event is not runStarted
	Torn       ProblemKind = "torn"       // the last line has no end, as a killed harness or a full disk leaves it
	Unreadable ProblemKind = "unreadable" // a line in the middle is no event; it was skipped
	Hole       ProblemKind = "hole"       // sequence numbers are missing
	OutOfOrder ProblemKind = "outOfOrder" // a sequence number is not above the one before, or the time is earlier
	AfterEnd   ProblemKind = "afterEnd"   // events follow runEnded
)

// HistoryProblem is one defect of a history.
type HistoryProblem struct {
	Kind ProblemKind
	Line int64  // counts from 1
	Text string // in words
}

// maxProblems is the number of problems that a reader keeps; a file that is not a history has one per line.
const maxProblems = 20

// Reader reads a history as a stream: its memory does not grow with the history. One goroutine may use it at a time.
type Reader struct {
	in       *bufio.Reader
	digest   hash.Hash
	parse    parser
	long     []byte // a line longer than in's buffer
	line     int64
	events   int64
	last     int64
	offset   time.Duration // of the event before
	ended    bool
	done     error
	problems []HistoryProblem
	omitted  int
}

// readerBuffer holds nearly every line, so that lines are used where they were read.
const readerBuffer = 1 << 20

// NewReader returns a Reader of the history in.
func NewReader(in io.Reader) *Reader {
	return &Reader{in: bufio.NewReaderSize(in, readerBuffer), digest: sha256.New()}
}

// Next decodes the next event into event. It returns io.EOF after the last one, a *VersionError for a history of
// another format, and the error of the underlying reader. Damage is collected in Problems instead.
//
// The event's Data is valid until the next call only; Clone keeps an event. Data is not checked here: decoding it may
// fail on a damaged history.
func (r *Reader) Next(event *Event) error {
	for r.done == nil {
		line, err := r.readLine()
		if err != nil {
			r.done = err
			break
		}
		if r.accept(line, event) {
			return r.done
		}
	}
	return r.done
}

// accept checks one whole line and reports whether it is an event.
func (r *Reader) accept(line []byte, event *Event) bool {
	if err := r.parse.line(line, event); err != nil {
		r.problem(Unreadable, "line %d is not an event and was skipped: %v", r.line, err)
		return false
	}
	r.events++
	r.checkOrder(event)
	if r.events == 1 {
		if err := r.checkStart(event); err != nil {
			r.done = err
		}
	}
	return true
}

func (r *Reader) checkOrder(event *Event) {
	switch {
	case event.Seq <= r.last:
		r.problem(OutOfOrder, "line %d has event %d after event %d", r.line, event.Seq, r.last)
	case event.Seq != r.last+1:
		r.problem(Hole, "line %d has event %d after event %d: %d events are missing", r.line, event.Seq, r.last, event.Seq-r.last-1)
	case event.Offset < r.offset:
		r.problem(OutOfOrder, "line %d has event %d at %s, the one before it is from %s: the clock of a run never goes back", r.line, event.Seq,
			event.Offset, r.offset)
	}
	r.offset = max(r.offset, event.Offset)
	if r.ended {
		r.problem(AfterEnd, "line %d has event %d (%s/%s) after the end of the run", r.line, event.Seq, event.Source, event.Type)
	}
	r.last = max(r.last, event.Seq)
	r.ended = r.ended || event.Source == Harness && event.Type == RunEnded
}

func (r *Reader) checkStart(event *Event) error {
	if event.Source != Harness || event.Type != RunStarted {
		r.problem(NoStart, "the history begins with %s/%s instead of %s/%s", event.Source, event.Type, Harness, RunStarted)
		return nil
	}
	var run struct {
		FormatVersion int `json:"formatVersion"`
	}
	if err := json.Unmarshal(event.Data, &run); err != nil {
		r.problem(NoStart, "the data of %s cannot be read: %v", RunStarted, err)
		return nil
	}
	if run.FormatVersion != FormatVersion {
		return &VersionError{Found: run.FormatVersion}
	}
	return nil
}

// readLine returns the next line without its end; it is valid until the next call.
func (r *Reader) readLine() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = r.readLongLine(line)
	}
	r.digest.Write(line)
	switch {
	case err == nil:
		r.line++
		return bytes.TrimSuffix(line, []byte("\n")), nil
	case errors.Is(err, io.EOF):
		r.finish(line)
		return nil, io.EOF
	default:
		return nil, fmt.Errorf("reading the history after line %d: %w", r.line, err)
	}
}

func (r *Reader) readLongLine(first []byte) ([]byte, error) {
	r.long = append(r.long[:0], first...)
	for {
		more, err := r.in.ReadSlice('\n')
		r.long = append(r.long, more...)
		if len(r.long) > maxLine {
			return nil, fmt.Errorf("line %d is longer than %d bytes", r.line+1, maxLine)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return r.long, err
		}
	}
}

func (r *Reader) finish(rest []byte) {
	if len(rest) > 0 {
		r.line++
		r.problem(Torn, "the last line, %d, is torn after %d bytes: the harness was killed or could not write", r.line, len(rest))
	}
	if r.events == 0 {
		r.problem(Empty, "the history has no event")
	}
}

func (r *Reader) problem(kind ProblemKind, format string, args ...any) {
	if len(r.problems) >= maxProblems {
		r.omitted++
		return
	}
	r.problems = append(r.problems, HistoryProblem{Kind: kind, Line: r.line, Text: fmt.Sprintf(format, args...)})
}

// Problems returns the defects of the history as far as it was read, at most the first 20.
func (r *Reader) Problems() []HistoryProblem { return r.problems }

// Omitted returns how many problems there were beyond those that Problems returns.
func (r *Reader) Omitted() int { return r.omitted }

// Events returns how many events were read.
func (r *Reader) Events() int64 { return r.events }

// SHA256 returns the digest, in hexadecimal, of all bytes read; of the whole file once Next returned io.EOF.
func (r *Reader) SHA256() string { return hex.EncodeToString(r.digest.Sum(nil)) }

// All returns the events of a history one after the other, each with memory of its own. An error comes last, together
// with a zero event; problems are in the reader.
func (r *Reader) All() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			var event Event
			err := r.Next(&event)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Event{}, err)
				return
			}
			if !yield(event.Clone(), nil) {
				return
			}
		}
	}
}
