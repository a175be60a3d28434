package history

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func lines(seqs ...int64) string {
	var all strings.Builder
	for i, seq := range seqs {
		source, eventType, data := Harness, Problem, `{}`
		if i == 0 {
			eventType, data = RunStarted, `{"formatVersion":1}`
		}
		fmt.Fprintf(&all, `{"seq":%d,"offset":%d,"wall":"2026-01-02T03:04:05.000000006Z","source":%q,"type":%q,"data":%s}`+"\n",
			seq, seq*1000, source, eventType, data)
	}
	return all.String()
}

func readAll(r *Reader) ([]int64, error) {
	var seqs []int64
	for event, err := range r.All() {
		if err != nil {
			return seqs, err
		}
		seqs = append(seqs, event.Seq)
	}
	return seqs, nil
}

func TestReaderTellsDamage(t *testing.T) {
	t.Parallel()
	end := `{"seq":2,"offset":2000,"wall":"2026-01-02T03:04:05Z","source":"harness","type":"runEnded"}` + "\n"
	tests := []struct {
		name string
		in   string
		want []int64
		kind []ProblemKind
	}{
		{"sound", lines(1, 2, 3), []int64{1, 2, 3}, nil},
		{"empty", "", nil, []ProblemKind{Empty}},
		{"torn", lines(1, 2) + `{"seq":3,"off`, []int64{1, 2}, []ProblemKind{Torn}},
		{"whole line without its end", strings.TrimSuffix(lines(1, 2), "\n"), []int64{1}, []ProblemKind{Torn}},
		{"only a torn line", `{"seq":1`, nil, []ProblemKind{Torn, Empty}},
		{"hole", lines(1, 2, 5, 6), []int64{1, 2, 5, 6}, []ProblemKind{Hole}},
		{"swapped", lines(1, 3, 2, 4), []int64{1, 3, 2, 4}, []ProblemKind{Hole, OutOfOrder}},
		{"twice", lines(1, 2, 2), []int64{1, 2, 2}, []ProblemKind{OutOfOrder}},
		{"rubbish between", lines(1, 2) + "\x00\xff\n" + lines(3), []int64{1, 2, 3}, []ProblemKind{Unreadable}},
		{"blank line", lines(1) + "\n" + lines(2), []int64{1, 2}, []ProblemKind{Unreadable}},
		{"no start", end, []int64{2}, []ProblemKind{Hole, NoStart}},
		{"after the end", lines(1) + end + strings.Replace(lines(3), RunStarted, Problem, 1), []int64{1, 2, 3}, []ProblemKind{AfterEnd}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := NewReader(iotest.OneByteReader(strings.NewReader(tt.in)))
			got, err := readAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			var kinds []ProblemKind
			for _, p := range r.Problems() {
				kinds = append(kinds, p.Kind)
			}
			if diff := cmp.Diff(tt.kind, kinds); diff != "" {
				t.Errorf("problems (-want +got):\n%s\n%v", diff, r.Problems())
			}
			sum := sha256.Sum256([]byte(tt.in))
			if got, want := r.SHA256(), hex.EncodeToString(sum[:]); got != want {
				t.Errorf("SHA256() = %s, want %s", got, want)
			}
		})
	}
}

func TestReaderRefusesOtherVersions(t *testing.T) {
	t.Parallel()
	r := NewReader(strings.NewReader(strings.Replace(lines(1, 2), `"formatVersion":1`, `"formatVersion":7`, 1)))
	_, err := readAll(r)
	var version *VersionError
	if !errors.As(err, &version) || version.Found != 7 {
		t.Fatalf("reading version 7 = %v, want a VersionError naming it", err)
	}
	var event Event
	if again := r.Next(&event); !errors.Is(again, err) {
		t.Errorf("Next after the refusal = %v, want the same error", again)
	}
}

func TestReaderBoundsItsMemory(t *testing.T) {
	t.Parallel()
	t.Run("problems", func(t *testing.T) {
		t.Parallel()
		r := NewReader(strings.NewReader(strings.Repeat("rubbish\n", 1000)))
		if _, err := readAll(r); err != nil {
			t.Fatal(err)
		}
		if got := len(r.Problems()) + r.Omitted(); got != 1001 || len(r.Problems()) != maxProblems {
			t.Errorf("%d problems kept, %d omitted; want %d kept of 1001", len(r.Problems()), r.Omitted(), maxProblems)
		}
	})
	t.Run("endless line", func(t *testing.T) {
		t.Parallel()
		_, err := readAll(NewReader(endless{}))
		if err == nil || !strings.Contains(err.Error(), "longer than") {
			t.Errorf("an endless line = %v, want an error that says so", err)
		}
	})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestReaderHandsOnErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("input/output error")
	_, err := readAll(NewReader(io.MultiReader(strings.NewReader(lines(1, 2)), iotest.ErrReader(broken))))
	if !errors.Is(err, broken) {
		t.Errorf("reading from a broken disk = %v, want %v", err, broken)
	}
}

func TestReaderTakesLongLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("y", 2*readerBuffer)
	in := lines(1) + fmt.Sprintf(`{"seq":2,"offset":0,"wall":"2026-01-02T03:04:05Z","source":"node","type":"x","data":%q}`, long) + "\n" +
		lines(3)
	r := NewReader(strings.NewReader(in))
	var data []json.RawMessage
	for event, err := range r.All() {
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, event.Data)
	}
	if len(data) != 3 || string(data[1]) != `"`+long+`"` {
		t.Errorf("the long line was not read back; %d events", len(data))
	}
}

// FuzzLine holds the scan by hand against encoding/json.
func FuzzLine(f *testing.F) {
	f.Add([]byte(strings.TrimSpace(lines(1))))
	for _, line := range []string{
		`{"seq":1,"offset":2,"wall":"2026-01-02T03:04:05Z","source":"kubernetes","type":"added","object":{"kind":"Pod","namespace":"n",` +
			`"name":"a","uid":"u"},"data":{"a":[1,2,{"b":"}"}]}}`,
		`{"seq":1,"offset":2,"wall":"2026-01-02T03:04:05+01:00","source":"fault","type":"landed","object":{"kind":"Fault","name":"a"}}`,
		`{"seq":-9223372036854775808,"offset":9223372036854775807,"wall":"2026-01-02T03:04:05.123Z","source":"","type":"x"}`,
		`{"type":"x","seq":1e3}`, `{"seq":01}`, `null`,
		`{"seq":1,"offset":2,"wall":"2026-01-02T03:04:05Z","source":"\u0061","type":"é","data":null}`,
		`{"seq":1,"offset":2,"wall":"2026-01-02T03:04:05Z","source":"a","type":"b","data":{},"seq":{}}`,
		`{"seq":1,"offset":2,"wall":"2026-01-02T03:04:05Z","source":"a","type":"b","data": {} }`,
		`{"seq":9223372036854775808,"offset":-0,"wall":"2026-13-02T03:04:05Z","source":"a","type":"b"}`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.ContainsRune(line, '\n') {
			return // no line
		}
		var p parser
		var got, want Event
		gotErr := p.line(line, &got)
		wantErr := json.Unmarshal(line, &want)
		if gotErr == nil && got.Data != nil && !json.Valid(got.Data) {
			return // damage in data, or more fields after it: anyone who decodes the data finds out
		}
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("by hand: %v, by encoding/json: %v", gotErr, wantErr)
		}
		if gotErr != nil {
			return
		}
		if !got.Wall.Equal(want.Wall) {
			t.Errorf("wall %v, want %v", got.Wall, want.Wall)
		}
		got.Wall = want.Wall // equal times may differ in their location's pointer
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-encoding/json +by hand):\n%s", diff)
		}
	})
}

// FuzzReader feeds arbitrary files: no panic, no endless loop, and the digest is that of the file.
func FuzzReader(f *testing.F) {
	f.Add([]byte(lines(1, 2, 3)))
	f.Add([]byte(lines(1, 2) + `{"seq":3`))
	f.Add([]byte(lines(3, 2, 2)))
	f.Add([]byte("\n\n\x00"))
	f.Fuzz(func(t *testing.T, file []byte) {
		r := NewReader(bytes.NewReader(file))
		seqs, err := readAll(r)
		var version *VersionError
		if err != nil && !errors.As(err, &version) {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		if sum := sha256.Sum256(file); r.SHA256() != hex.EncodeToString(sum[:]) {
			t.Error("the digest is not that of the file")
		}
		if len(r.Problems()) > 0 {
			return
		}
		for i, seq := range seqs {
			if seq != int64(i+1) {
				t.Fatalf("no problem was told, but event %d has seq %d", i+1, seq)
			}
		}
	})
}

func FuzzWitnessDecoder(f *testing.F) {
	for _, record := range []string{
		`{"seq":1,"wallMicros":1767323045000000,"type":"heartbeat","role":"driver","podUID":"u","podName":"p","node":"n","via":"http"}`,
		`{"seq":2,"type":"taskEnded","jobID":0,"stageID":1,"attempt":0,"taskID":77,"partition":3,"batchID":-1,"incarnation":"u","appID":"a",` +
			`"executorID":"1","detail":{"result":"ok"}}`,
		`{"seq":2,"detail":{}}`, `{"seq":2,"detail":{"a":"b"},"detail":{"c":"d"}}`, `{"SEQ":2}`, `{"unknown":1}`, `{}`, `null`, `[]`,
		`{"seq":1.5}`, `{"seq":null,"podUID":null}`, `{"podName":"é\n"}`, `{"seq":1,}`, `{"seq":1}x`, `{"detail":{"a":1}}`, `{"jobID":null}`,
	} {
		f.Add([]byte(record))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var decoder WitnessDecoder
		var got, want WitnessRecord
		gotErr := decoder.Decode(data, &got)
		wantErr := json.Unmarshal(data, &want)
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("by hand: %v, by encoding/json: %v", gotErr, wantErr)
		}
		if diff := cmp.Diff(want, got); gotErr == nil && diff != "" {
			t.Errorf("(-encoding/json +by hand):\n%s", diff)
		}
	})
}
