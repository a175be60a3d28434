package check

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// thin names run directories, separated by commas, whose histories are to be kept in testdata/recorded.
var thin = flag.String("thin", "", "run directories whose histories are thinned into testdata/recorded, separated by commas")

// Histories of real runs get the verdict that they had when they were recorded, which people looked at.
func TestRecordedHistories(t *testing.T) {
	t.Parallel()
	if *thin != "" {
		for directory := range strings.SplitSeq(*thin, ",") {
			keepRecorded(t, directory)
		}
	}
	content, err := os.ReadFile("testdata/recorded/verdicts.tsv")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/recorded/*.ndjson.gz")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	if len(lines) != len(files) || len(files) == 0 {
		t.Fatalf("verdicts.tsv has %d lines for %d histories", len(lines), len(files))
	}
	for _, line := range lines {
		name, want, _ := strings.Cut(line, "\t")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := judgeBytes(t, historytest.Unpack(t, filepath.Join("testdata/recorded", name+".ndjson.gz")))
			if got := summary(v); got != want {
				t.Errorf("judged %s\nwant   %s\n%s", got, want, v.Reason)
			}
		})
	}
}

// summary is a run's verdict and that of each invariant, in one line.
func summary(v RunVerdict) string {
	parts := []string{string(v.Verdict)}
	for _, r := range v.Results {
		parts = append(parts, r.Invariant+"="+string(r.Verdict))
	}
	return strings.Join(parts, " ")
}

// keepRecorded thins the history of a run directory, and notes its verdict, which must be that of the whole history.
func keepRecorded(t *testing.T, directory string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(directory, "history.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	whole := judgeBytes(t, content)
	thinned := thinned(t, content)
	if v := judgeBytes(t, thinned); summary(v) != summary(whole) {
		t.Fatalf("%s: thinned it is %s, whole %s: %s", directory, summary(v), summary(whole), v.Reason)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(thinned); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("testdata/recorded", whole.Scenario+".ndjson.gz"), packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	path := "testdata/recorded/verdicts.tsv"
	lines := map[string]string{}
	if known, err := os.ReadFile(path); err == nil {
		for _, line := range strings.Split(strings.TrimSpace(string(known)), "\n") {
			name, verdict, _ := strings.Cut(line, "\t")
			lines[name] = verdict
		}
	}
	lines[whole.Scenario] = summary(whole)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		text.WriteString(name + "\t" + lines[name] + "\n")
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// thinned leaves out what no invariant looks at: renewals of leases and the like, and most of each object.
func thinned(t *testing.T, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	seq := int64(0)
	for event, err := range history.NewReader(bytes.NewReader(content)).All() {
		if err != nil {
			t.Fatal(err)
		}
		if event.Source == history.Kubernetes && event.Type != history.Gap && event.Type != history.Outage {
			if !slices.Contains([]string{"Pod", "Node", "Job", "Event"}, event.Object.Kind) {
				continue
			}
			event.Data = essence(t, event.Data)
		}
		seq++
		event.Seq = seq
		line, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(line, '\n'))
	}
	return out.Bytes()
}

// essence keeps of an object what a model reads.
func essence(t *testing.T, data json.RawMessage) json.RawMessage {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	kept := map[string]any{}
	for key, names := range map[string][]string{
		"metadata": {"uid", "name", "namespace", "labels", "creationTimestamp", "deletionTimestamp", "ownerReferences"},
		"spec":     {"nodeName", "unschedulable", "taints"},
		"status":   {"phase", "reason", "conditions", "completionTime", "nodeInfo", "containerStatuses"},
	} {
		part, _ := object[key].(map[string]any)
		few := map[string]any{}
		for _, name := range names {
			if value, ok := part[name]; ok {
				few[name] = value
			}
		}
		kept[key] = few
	}
	for _, name := range []string{"reason", "message", "involvedObject"} {
		if value, ok := object[name]; ok {
			kept[name] = value
		}
	}
	encoded, err := json.Marshal(kept)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}
