package history

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// written is a line of a history, with its end.
func written(seq int64, source Source, eventType, data string) string {
	return fmt.Sprintf(`{"seq":%d,"offset":1,"wall":"2026-01-02T03:04:05Z","source":%q,"type":%q,"data":%s}`+"\n", seq, source, eventType,
		data)
}

func started(seq int64) string { return written(seq, Harness, RunStarted, `{"formatVersion":1}`) }

// TestReaderTellsWhereDamageIs compares all that is said of a problem: kind, line and words.
func TestReaderTellsWhereDamageIs(t *testing.T) {
	t.Parallel()
	note := func(seq int64) string { return written(seq, Harness, Problem, `{}`) }
	tests := []struct {
		name   string
		in     string
		events int64
		want   []HistoryProblem
	}{
		{"one event is missing", started(1) + note(3), 2, []HistoryProblem{
			{Hole, 2, "line 2 has event 3 after event 1: 1 events are missing"}}},
		{"many are missing", started(1) + note(2) + note(9), 3, []HistoryProblem{
			{Hole, 3, "line 3 has event 9 after event 2: 6 events are missing"}}},
		{"out of order: what follows the highest is in order", started(1) + note(3) + note(2) + note(4), 4, []HistoryProblem{
			{Hole, 2, "line 2 has event 3 after event 1: 1 events are missing"},
			{OutOfOrder, 3, "line 3 has event 2 after event 3"}}},
		{"one byte is a torn line", started(1) + "{", 1, []HistoryProblem{
			{Torn, 2, "the last line, 2, is torn after 1 bytes: the harness was killed or could not write"}}},
		{"lines that are no events are counted", started(1) + "x\n" + note(2) + "y\n" + note(4), 3, []HistoryProblem{
			{Unreadable, 2, "line 2 is not an event and was skipped: invalid character 'x' looking for beginning of value"},
			{Unreadable, 4, "line 4 is not an event and was skipped: invalid character 'y' looking for beginning of value"},
			{Hole, 5, "line 5 has event 4 after event 2: 1 events are missing"}}},
		{"all that follows the end", started(1) + written(2, Harness, RunEnded, `{}`) + note(3) + written(4, Kubernetes, Added, `{}`), 4,
			[]HistoryProblem{
				{AfterEnd, 3, "line 3 has event 3 (harness/problem) after the end of the run"},
				{AfterEnd, 4, "line 4 has event 4 (kubernetes/added) after the end of the run"}}},
		{"the harness alone ends a run", started(1) + written(2, Witness, RunEnded, `{}`) + note(3), 3, nil},
		{"the harness alone starts a run", written(1, Witness, RunStarted, `{"formatVersion":1}`) + note(2), 2, []HistoryProblem{
			{NoStart, 1, "the history begins with witness/runStarted instead of harness/runStarted"}}},
		{"another event of the harness's is no start", note(1) + started(2), 2, []HistoryProblem{
			{NoStart, 1, "the history begins with harness/problem instead of harness/runStarted"}}},
		{"the version of a later runStarted is not asked for", started(1) + written(2, Harness, RunStarted, `{"formatVersion":7}`), 2, nil},
		{"a start that cannot be read", written(1, Harness, RunStarted, `[]`) + note(2), 2, []HistoryProblem{
			{NoStart, 1, "the data of runStarted cannot be read: json: cannot unmarshal array into Go value of type struct { FormatVersion int " +
				"\"json:\\\"formatVersion\\\"\" }"}}},
		{"nothing but rubbish", "x", 0, []HistoryProblem{
			{Torn, 1, "the last line, 1, is torn after 1 bytes: the harness was killed or could not write"},
			{Empty, 1, "the history has no event"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := NewReader(strings.NewReader(tt.in))
			if _, err := readAll(r); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, r.Problems()); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if r.Events() != tt.events || r.Omitted() != 0 {
				t.Errorf("%d events, %d problems omitted; want %d and none", r.Events(), r.Omitted(), tt.events)
			}
		})
	}
}

func TestReaderNamesBothVersions(t *testing.T) {
	t.Parallel()
	r := NewReader(strings.NewReader(written(1, Harness, RunStarted, `{"formatVersion":0}`)))
	var event Event
	err := r.Next(&event)
	want := "the history has format version 0, this sparkchaos reads version 1: judge it with the release that recorded it"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
}

// TestReaderTakesTheLongestLine reads a line of exactly as many bytes as are allowed, and refuses one more.
func TestReaderTakesTheLongestLine(t *testing.T) {
	t.Parallel()
	of := func(length int) string {
		frame := written(2, Harness, Problem, `""`)
		return written(2, Harness, Problem, `"`+strings.Repeat("x", length-len(frame))+`"`)
	}
	r := NewReader(strings.NewReader(started(1) + of(maxLine) + written(3, Harness, Problem, `{}`)))
	if seqs, err := readAll(r); err != nil || !cmp.Equal(seqs, []int64{1, 2, 3}) || len(r.Problems()) > 0 {
		t.Errorf("events %v, error %v, problems %v; want three events", seqs, err, r.Problems())
	}
	seqs, err := readAll(NewReader(strings.NewReader(started(1) + of(maxLine+1))))
	if want := fmt.Sprintf("reading the history after line 1: line 2 is longer than %d bytes", maxLine); err == nil || err.Error() != want {
		t.Errorf("got %v after events %v, want %q", err, seqs, want)
	}
}

// TestReaderTellsALongTornLine tears a line that is longer than the reader's buffer.
func TestReaderTellsALongTornLine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", readerBuffer+10)
	r := NewReader(strings.NewReader(started(1) + long))
	if _, err := readAll(r); err != nil {
		t.Fatal(err)
	}
	want := []HistoryProblem{{Torn, 2, fmt.Sprintf("the last line, 2, is torn after %d bytes: the harness was killed or could not write",
		len(long))}}
	if diff := cmp.Diff(want, r.Problems()); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestReaderStaysAtItsEnd asks for more after the last event.
func TestReaderStaysAtItsEnd(t *testing.T) {
	t.Parallel()
	r := NewReader(strings.NewReader(started(1) + "torn"))
	var event Event
	if err := r.Next(&event); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := r.Next(&event); err == nil || err.Error() != "EOF" {
			t.Errorf("Next at the end = %v, want io.EOF", err)
		}
	}
	if len(r.Problems()) != 1 {
		t.Errorf("problems %v, want the torn line once", r.Problems())
	}
}
