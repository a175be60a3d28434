package tell_test

import (
	"bytes"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/golden"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/report/tell"
)

var update = flag.Bool("update", false, "write the golden files again")

const corpus = "../../check/testdata"

func told(t *testing.T, content []byte) (tell.Story, check.RunVerdict) {
	t.Helper()
	verdict, err := check.Judge(t.Context(), history.NewReader(bytes.NewReader(content)))
	if err != nil {
		t.Fatal(err)
	}
	record, err := tell.Read(bytes.NewReader(content), nil)
	if err != nil {
		t.Fatal(err)
	}
	return tell.Of(record, verdict), verdict
}

func text(story tell.Story) string {
	var out strings.Builder
	for _, s := range story.Lead {
		fmt.Fprintln(&out, s)
	}
	for _, p := range story.Paragraphs {
		fmt.Fprintf(&out, "\n%s\n", p.Heading)
		for _, s := range p.Sentences {
			fmt.Fprintf(&out, "  %s\n", s)
		}
	}
	return out.String()
}

func TestStoriesOfRecordedHistories(t *testing.T) {
	t.Parallel()
	historytest.EachRecorded(t, filepath.Join(corpus, "recorded"), func(t *testing.T, name string, content []byte) {
		story, _ := told(t, content)
		golden.Compare(t, filepath.Join("testdata", name+".txt"), []byte(text(story)), *update)
	})
}

// Damaged and odd histories have stories, too: whole sentences, which cite events that exist.
func TestStoriesAreWholeSentencesWithKnownEvents(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(corpus, "*", "*.ndjson.gz"))
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			story, verdict := told(t, historytest.Unpack(t, file))
			if len(story.Lead) == 0 || len(story.Paragraphs) < 3 {
				t.Fatalf("%d sentences lead, %d paragraphs", len(story.Lead), len(story.Paragraphs))
			}
			all := story.Lead
			for _, p := range story.Paragraphs {
				all = append(all, p.Sentences...)
			}
			for _, s := range all {
				if !strings.HasSuffix(s.Text, ".") || strings.Contains(s.Text, "%!") || strings.Contains(s.Text, "  ") {
					t.Errorf("no sentence: %s", s)
				}
				for _, seq := range s.Events {
					if seq < 1 {
						t.Errorf("event %d is cited by: %s (the history has %d)", seq, s, verdict.Events)
					}
				}
			}
		})
	}
}

func TestEveryPrefixOfAHistoryHasAStory(t *testing.T) {
	t.Parallel()
	lines := bytes.SplitAfter(historytest.Unpack(t, filepath.Join(corpus, "recorded", "driver-node-power-off.ndjson.gz")), []byte("\n"))
	for n := 1; n < len(lines); n += 97 {
		story, verdict := told(t, bytes.Join(lines[:n], nil))
		if verdict.Verdict == check.Pass || !strings.Contains(text(story), "The history has no end") {
			t.Errorf("of %d lines: %s\n%s", n, verdict.Verdict, text(story))
		}
	}
}

func TestRecoveriesAddUp(t *testing.T) {
	t.Parallel()
	verdict := check.RunVerdict{Results: []check.Result{{Phases: []check.Phase{
		{Fault: "a", Name: "detection", Duration: 4 * time.Second, From: 1, To: 5},
		{Fault: "a", Name: "driver start", Duration: 6 * time.Second, From: 5, To: 9},
		{Fault: "a", Name: "executors back", Duration: 3 * time.Second, From: 9, To: 12},
		{Fault: "a", Name: "first progress", Duration: 2 * time.Second, From: 9, To: 11},
		{Fault: "b", Name: "detection", Duration: time.Second, From: 1, To: 2},
	}}}}
	got := tell.Recoveries(verdict)
	if len(got) != 2 || got[0].Total != 13*time.Second || got[1].Total != time.Second {
		t.Fatalf("%+v", got)
	}
	want := []struct{ start, adds time.Duration }{{0, 4}, {4, 6}, {10, 3}, {10, 0}}
	for i, p := range got[0].Phases {
		if p.Start != want[i].start*time.Second || p.Adds != want[i].adds*time.Second {
			t.Errorf("%s starts at %s and adds %s, want %d and %d", p.Name, p.Start, p.Adds, want[i].start, want[i].adds)
		}
	}
}

func TestCostAgainstTheBaseline(t *testing.T) {
	t.Parallel()
	content := historytest.Unpack(t, filepath.Join(corpus, "recorded", "driver-node-power-off.ndjson.gz"))
	with := bytes.Replace(content, []byte(`"type":"baselineResult","data":{`), []byte(`"type":"baselineResult","data":{"took":30000000000,`),
		1)
	if bytes.Equal(with, content) {
		t.Fatal("the history has no baseline")
	}
	story, _ := told(t, with)
	if got := text(story); !strings.Contains(got, "without faults it took 30s, so the faults cost ") {
		t.Errorf("the baseline is not told:\n%s", got)
	}
}
