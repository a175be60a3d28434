// Package witness receives what the Spark plugin reports about drivers and executors: by HTTP while the run continues,
// and from the nodes' own disks after it. The disks are what a verdict rests on, since a fault may cut the HTTP way, and
// any client that can reach the witness could lie to it. Both ways meet in an Inbox, which hands each record on exactly once, and
// a second time only if the disk has another version than the one that came by HTTP.
package witness

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"

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

// maxNameBytes bounds what identifies the writer of a record and what it is about. Kubernetes' names have 253 bytes at most.
const maxNameBytes = 512

// ErrLineTooLong is the problem of a line longer than MaxLineBytes, either as it came or as it would be written.
var ErrLineTooLong = errors.New("line too long")

// podUIDs are the UIDs of pods, which are UUIDs, and what the plugin makes up outside of a pod: a host's name with a process ID.
var podUIDs = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(` + regexp.QuoteMeta(history.ArtifactsWriter) + `)?$`)

// types are the types of records. New ones may come, but they are words.
var types = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,63}$`)

// ParseRecord reads one line of the plugin. It refuses what cannot be identified or ordered in time (no pod UID,
// no sequence number, no time, no type, no role), and names of absurd length, and names all that is wrong. Fields and types
// that it does not know are no error: a newer plugin may report more.
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
	switch {
	case r.Type == "":
		problems = append(problems, errors.New("type is missing"))
	case !types.MatchString(r.Type):
		problems = append(problems, fmt.Errorf("type is %s, want a word of at most 64 letters and digits", quoted(r.Type)))
	}
	if r.Role != history.RoleDriver && r.Role != history.RoleExecutor {
		problems = append(problems, fmt.Errorf("role is %s, want %s or %s", quoted(r.Role), history.RoleDriver, history.RoleExecutor))
	}
	switch {
	case r.PodUID == "":
		problems = append(problems, errors.New("podUID is missing"))
	case !podUIDs.MatchString(r.PodUID):
		problems = append(problems, fmt.Errorf(
			"podUID is %s, want a UUID, or at most 128 letters, digits, dots, dashes and underscores, then %s for an init container",
			quoted(r.PodUID), history.ArtifactsWriter))
	}
	for _, name := range []struct{ field, value string }{
		{"podName", r.PodName}, {"node", r.Node}, {"appID", r.AppID}, {"executorID", r.ExecutorID}, {"incarnation", r.Incarnation},
	} {
		if len(name.value) > maxNameBytes {
			problems = append(problems, fmt.Errorf("%s has %d bytes, want at most %d", name.field, len(name.value), maxNameBytes))
		}
	}
	if len(problems) > 0 {
		return history.WitnessRecord{}, errors.Join(problems...)
	}
	return r, nil
}

// quoted returns the beginning of a value from outside, in quotes.
func quoted(value string) string {
	const shown = 64
	if len(value) <= shown {
		return fmt.Sprintf("%q", value)
	}
	return fmt.Sprintf("%q and %d more bytes", value[:shown], len(value)-shown)
}

// encode writes a record without the way by which it came, as it is compared, bounded and kept. HTML's characters are not
// escaped: a record would become larger than the limit that it was held to when it came.
func encode(r history.WitnessRecord) ([]byte, error) {
	r.Via = ""
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		return nil, fmt.Errorf("encode record %d of pod %s: %w", r.Seq, r.PodUID, err)
	}
	if out.Len() > MaxLineBytes {
		return nil, fmt.Errorf("record %d of pod %s: %w: %d bytes when it is written, more than %d", r.Seq, r.PodUID, ErrLineTooLong, out.Len(),
			MaxLineBytes)
	}
	return out.Bytes(), nil
}

// line is one line of a body or of a file. Its bytes are valid until the next line is read.
type line struct {
	number   int
	bytes    []byte
	size     int64 // as it was read, with its newline, also of a line that is too long
	complete bool  // it ended in a newline
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
		for l, err := range allLines(r) {
			if (!l.blank() || err != nil) && !yield(l, err) {
				return
			}
		}
	}
}

// allLines is lines with those that are blank.
func allLines(r io.Reader) iter.Seq2[line, error] {
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
			if (l.size > 0 || err != nil) && !yield(l, err) {
				return
			}
			if atEnd {
				return
			}
		}
	}
}

func (l line) blank() bool { return !l.tooLong && len(bytes.TrimSpace(l.bytes)) == 0 }

// nextLine reads up to the next newline into buffer. Of a line that is too long it keeps only the beginning.
func nextLine(in *bufio.Reader, buffer []byte) (line, error) {
	l := line{bytes: buffer}
	for {
		part, err := in.ReadSlice('\n')
		l.size += int64(len(part))
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
