package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/pkg/witness"
)

// fakeListening is a cluster whose pods reach this machine.
type fakeListening struct{ *fakeMachines }

func (fakeListening) Listen(context.Context) (net.Listener, error) {
	return net.Listen("tcp", "127.0.0.1:0")
}

// postRecords posts lines as a pod does, and returns the status.
func postRecords(t *testing.T, url, token, lines string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+witness.RecordsPath, strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	witness.Authorize(request, token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

func recordLine(seq int, node string) string {
	return fmt.Sprintf(`{"seq":%d,"wallMicros":%d,"type":"heartbeat","role":"driver","podUID":"d1","podName":"driver-1","node":%q}`+"\n",
		seq, 1_700_000_000_000_000+seq, node)
}

// TestNoStrangerAndNoForgerySurvivesTheDisks has somebody post without the token, and somebody with it forge the record that the driver is
// to write next.
func TestNoStrangerAndNoForgerySurvivesTheDisks(t *testing.T) {
	t.Parallel()
	directory := Directory(t.TempDir())
	machines := newFakeMachines("n1")
	machines.disks["n1"] = fstest.MapFS{
		"var/lib/sparkchaos/witness/r": &fstest.MapFile{Mode: fs.ModeDir},
		"var/lib/sparkchaos/witness/r/d1-17.ndjson": &fstest.MapFile{Data: []byte(recordLine(1, "n1") + recordLine(2, "n1") +
			recordLine(3, "n1"))},
	}
	r := runOn(t, newLimitedFile(t, directory), directory, machines, fakeAPI())
	started, err := startWitnessing(t.Context(), fakeListening{machines}, scenario.Workload{}, nil, r.log, "r", 1, r.session.problem)
	if err != nil {
		t.Fatal(err)
	}
	r.session.witness = started
	for _, step := range []struct {
		token, lines string
		code         int
	}{
		{"", recordLine(1, "stranger"), http.StatusUnauthorized},
		{"guessed", "x\n", http.StatusUnauthorized},
		{started.token, recordLine(1, "n1"), http.StatusOK},
		{started.token, recordLine(2, "forged"), http.StatusOK},
		{started.token, recordLine(2, "n1"), http.StatusConflict},
	} {
		if code := postRecords(t, started.url, step.token, step.lines); code != step.code {
			t.Errorf("%q is answered %d, want %d", step.lines, code, step.code)
		}
	}
	if err := r.session.collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	stored, err := os.Open(directory.History())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stored.Close() }()
	var got []string
	for event, err := range history.NewReader(stored).All() {
		if err != nil {
			t.Fatal(err)
		}
		switch event.Source {
		case history.Witness:
			var record history.WitnessRecord
			if err := json.Unmarshal(event.Data, &record); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%d of %s by %s", record.Seq, record.Node, record.Via))
		case history.Harness:
			var data history.ConflictData
			if err := json.Unmarshal(event.Data, &data); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s %d", event.Type, data.Seq))
		}
	}
	want := []string{"1 of n1 by http", "2 of forged by http", "recordConflict 2", "2 of n1 by disk", "3 of n1 by disk", "disksCollected 0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if said := strings.Join(r.Progress.(*fakeProgress).said, "\n"); !strings.Contains(said, "without the token") {
		t.Errorf("said %q, want that requests were refused", said)
	}
	// The token lies in no file of the run.
	err = filepath.WalkDir(string(directory), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), started.token) {
			t.Errorf("%s has the token", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheLongestRecordFitsIntoTheHistory(t *testing.T) {
	t.Parallel()
	directory := Directory(t.TempDir())
	r := runOn(t, newLimitedFile(t, directory), directory, newFakeMachines("n1"), fakeAPI())
	inbox := newInbox(r.log, &heartbeats{last: map[string]heartbeat{}})
	// What is longest to write, among what is short enough to be taken, fits into a line of the history.
	large := history.WitnessRecord{Seq: 1, WallMicros: 1, Type: history.Ledger, Role: "driver", PodUID: "d1",
		Detail: map[string]string{"value": strings.Repeat("<\u2028", witness.MaxLineBytes/7-100)}}
	for seq := int64(1); seq <= 3; seq++ {
		large.Seq = seq
		if outcome, err := inbox.Take(large); outcome != witness.Accepted || err != nil {
			t.Fatalf("record %d: %v, %.300v", seq, outcome, err)
		}
	}
	if err := r.log.Close(); err != nil {
		t.Error(err)
	}
}
