// Package witness takes in what the Spark plugin reports of drivers and executors: by HTTP while the run goes on,
// and from the nodes' own disks after it. The disks are what a verdict rests on, since a fault may cut the HTTP way;
// both ways meet in an Inbox, which hands each record on exactly once.
package witness

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// The ways by which a record reaches the harness: the values of history.WitnessRecord.Via.
const (
	ViaHTTP = "http"
	ViaDisk = "disk"
)

// MaxLineBytes bounds one record; a longer line is refused as a whole. Most have some hundred bytes, but what an
// application commits to its ledger is carried in full.
const MaxLineBytes = 4 << 20

// ErrLineTooLong is the problem of a line longer than MaxLineBytes.
var ErrLineTooLong = errors.New("line too long")

// ParseRecord reads one line of the plugin. It refuses what cannot be identified or ordered in time (no pod UID,
// no sequence number, no time, no type, no role) and names all that is wrong. Fields and types that it does not know
// are no error: a newer plugin may report more.
func ParseRecord(line []byte) (history.WitnessRecord, error) {
	var r history.WitnessRecord
	if err := json.Unmarshal(line, &r); err != nil {
		return history.WitnessRecord{}, fmt.Errorf("not a JSON object of a witness record: %w", err)
	}
	var problems []error
	if r.Seq < 1 {
		problems = append(problems, fmt.Errorf("seq is %d, want 1 or more", r.Seq))
	}
	if r.WallMicros < 1 {
		problems = append(problems, fmt.Errorf("wallMicros is %d, want microseconds since the epoch", r.WallMicros))
	}
	if r.Type == "" {
		problems = append(problems, errors.New("type is missing"))
	}
	if r.Role != "driver" && r.Role != "executor" {
		problems = append(problems, fmt.Errorf("role is %q, want driver or executor", r.Role))
	}
	if r.PodUID == "" {
		problems = append(problems, errors.New("podUID is missing"))
	}
	if len(problems) > 0 {
		return history.WitnessRecord{}, errors.Join(problems...)
	}
	return r, nil
}

// line is one line of a body or of a file. Its bytes are valid until the next line is read.
type line struct {
	number   int
	bytes    []byte
	complete bool // it ended in a newline
	tooLong  bool
}

// record parses the line, with its number in the error.
func (l line) record() (history.WitnessRecord, error) {
	if l.tooLong {
		return history.WitnessRecord{}, fmt.Errorf("line %d: %w: more than %d bytes", l.number, ErrLineTooLong, MaxLineBytes)
	}
	r, err := ParseRecord(l.bytes)
	if err != nil {
		return history.WitnessRecord{}, fmt.Errorf("line %d: %w", l.number, err)
	}
	return r, nil
}

// lines yields the lines of r that are not blank; an error of reading comes last, beside what was read of the line it cut.
func lines(r io.Reader) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		in := bufio.NewReaderSize(r, 64<<10)
		var buffer []byte
		for number := 1; ; number++ {
			l, err := nextLine(in, buffer[:0])
			l.number = number
			buffer = l.bytes
			atEnd := err != nil
			if errors.Is(err, io.EOF) {
				err = nil
			}
			blank := !l.tooLong && len(bytes.TrimSpace(l.bytes)) == 0
			if (!blank || err != nil) && !yield(l, err) {
				return
			}
			if atEnd {
				return
			}
		}
	}
}

// nextLine reads up to the next newline into buffer; of a line that is too long it reads all and keeps only the beginning.
func nextLine(in *bufio.Reader, buffer []byte) (line, error) {
	l := line{bytes: buffer}
	for {
		part, err := in.ReadSlice('\n')
		part, l.complete = bytes.CutSuffix(part, []byte("\n"))
		if len(l.bytes)+len(part) > MaxLineBytes {
			l.tooLong = true
		}
		if !l.tooLong {
			l.bytes = append(l.bytes, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return l, err
		}
	}
}
