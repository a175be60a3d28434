package witness

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// record is a valid record number seq of a pod.
func record(podUID string, seq int64) history.WitnessRecord {
	return history.WitnessRecord{
		Seq: seq, WallMicros: 1_700_000_000_000_000 + seq*100_000, Type: history.Heartbeat, Role: "driver",
		PodUID: podUID, PodName: "wordcount-driver-" + podUID, Node: "worker-1", AppID: "spark-1", Incarnation: podUID,
	}
}

// text is r as the plugin writes it, newline included.
func text(t *testing.T, records ...history.WitnessRecord) string {
	t.Helper()
	var b strings.Builder
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	return b.String()
}

func TestParseRecordReadsAllFields(t *testing.T) {
	t.Parallel()
	number := func(n int64) *int64 { return &n }
	want := history.WitnessRecord{
		Seq: 7, WallMicros: 1763888523000001, Type: "taskEnded", Role: "driver", PodUID: "u-1", PodName: "d", Node: "worker-2",
		AppID: "spark-42", ExecutorID: "1", StageID: number(0), Attempt: number(2), TaskID: number(11), Partition: number(3),
		Incarnation: "u-1", Detail: map[string]string{"result": "success"},
	}
	// As the plugin writes it, and with a field of a plugin to come.
	got, err := ParseRecord([]byte(`{"seq":7,"wallMicros":1763888523000001,"type":"taskEnded","role":"driver","podUID":"u-1","podName":"d",` +
		`"node":"worker-2","appID":"spark-42","executorID":"1","stageID":0,"attempt":2,"taskID":11,"partition":3,"incarnation":"u-1",` +
		`"detail":{"result":"success"},"later":[1,{"a":null}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func TestParseRecordNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		line string
		want []string
	}{
		{``, []string{"not a JSON object"}},
		{`[]`, []string{"not a JSON object"}},
		{`{"seq":1`, []string{"not a JSON object"}},
		{`{"seq":1.5}`, []string{"not a JSON object"}},
		{`{"seq":"1"}`, []string{"not a JSON object"}},
		{`null`, []string{"seq is 0", "wallMicros is 0", "type is missing", `role is ""`, "podUID is missing"}},
		{`{"seq":-1,"wallMicros":-5,"role":"boss"}`,
			[]string{"seq is -1", "wallMicros is -5", "type is missing", `role is "boss"`, "podUID is missing"}},
	} {
		_, err := ParseRecord([]byte(tc.line))
		if err == nil {
			t.Errorf("ParseRecord(%s): no error, want %q", tc.line, tc.want)
			continue
		}
		for _, want := range tc.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("ParseRecord(%s) = %v, want it to say %q", tc.line, err, want)
			}
		}
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	type seen struct {
		Number   int
		Text     string
		Complete bool
		TooLong  bool
	}
	long := strings.Repeat("x", MaxLineBytes)
	for _, tc := range []struct {
		name, text string
		want       []seen
	}{
		{"empty", "", nil},
		{"one", "a\n", []seen{{1, "a", true, false}}},
		{"last without newline", "a\nb", []seen{{1, "a", true, false}, {2, "b", false, false}}},
		{"blank lines are counted and left out", "\n \r\na\n\n", []seen{{3, "a", true, false}}},
		{"longest", long + "\nb\n", []seen{{1, long, true, false}, {2, "b", true, false}}},
		{"too long", long + "x\nb\n", []seen{{1, "", true, true}, {2, "b", true, false}}},
		{"too long at the end", "b\n" + long + "x", []seen{{1, "b", true, false}, {2, "", false, true}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got []seen
			for l, err := range lines(strings.NewReader(tc.text)) {
				if err != nil {
					t.Fatal(err)
				}
				s := seen{l.number, string(l.bytes), l.complete, l.tooLong}
				if l.tooLong {
					s.Text = ""
				}
				got = append(got, s)
			}
			if !cmp.Equal(tc.want, got) {
				t.Errorf("lines differ from what was written: got %d, want %d", len(got), len(tc.want))
			}
		})
	}
}

func TestLinesEndWithTheReadersError(t *testing.T) {
	t.Parallel()
	broken := errors.New("cable cut")
	var got []string
	for l, err := range lines(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken))) {
		got = append(got, fmt.Sprintf("%s %v", l.bytes, err))
	}
	if diff := cmp.Diff([]string{"a <nil>", "b cable cut"}, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"seq":1,"wallMicros":2,"type":"heartbeat","role":"driver","podUID":"u"}`))
	f.Add([]byte(`{"seq":1,"wallMicros":2,"type":"ledger","role":"executor","podUID":"u","detail":{"a":"b"},"jobID":null}`))
	f.Add([]byte(`{"seq":1e400}`))
	f.Add([]byte("\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ParseRecord(line)
		if err != nil {
			return
		}
		if r.Seq < 1 || r.WallMicros < 1 || r.PodUID == "" || r.Type == "" {
			t.Fatalf("ParseRecord(%q) took a record that cannot be identified: %+v", line, r)
		}
		written, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseRecord(written)
		if err != nil {
			t.Fatalf("a record that was taken is refused when written again: %v\n%s", err, written)
		}
		if diff := cmp.Diff(r, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("record written and read again (-first +second):\n%s", diff)
		}
	})
}
