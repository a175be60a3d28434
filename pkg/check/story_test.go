package check

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// args are an invariant's arguments as in YAML.
type args = map[string]any

// invariantCase tells a story with a twist and what one invariant has to say about it.
type invariantCase struct {
	name    string
	twist   func(*historytest.Story)
	args    args // instead of the test's own
	want    Verdict
	measure string // Measured; not compared if empty
	says    string // part of the message
	shows   []string
}

// runInvariant judges each case by one invariant.
func runInvariant(t *testing.T, invariant string, usual args, cases []invariantCase) {
	t.Helper()
	words := newSaid(t, t.Name())
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			given := usual
			if tt.args != nil {
				given = tt.args
			}
			story := historytest.PowerOff(historytest.Expect(invariant, given))
			if tt.twist != nil {
				tt.twist(story)
			}
			v, events := judgeStory(t, story)
			if len(v.Results) != 1 {
				t.Fatalf("%d results, want one: %+v", len(v.Results), v)
			}
			got := v.Results[0]
			words.add(tt.name, got)
			if got.Invariant != invariant || got.Verdict != tt.want {
				t.Fatalf("%s is %s, want %s: %s\n%+v", got.Invariant, got.Verdict, tt.want, got.Message, got.Assumptions)
			}
			if tt.measure != "" && got.Measured != tt.measure {
				t.Errorf("measured %q, want %q", got.Measured, tt.measure)
			}
			if !strings.Contains(got.Message, tt.says) {
				t.Errorf("message %q, want %q in it", got.Message, tt.says)
			}
			checkEvidence(t, got, events, tt.shows)
		})
	}
}

// checkEvidence holds a result's evidence against the events: it exists, each piece is told, and what must be shown is.
func checkEvidence(t *testing.T, r Result, events []history.Event, shows []string) {
	t.Helper()
	if (r.Verdict == Violation || r.Verdict == Pass) && len(r.Evidence) == 0 {
		t.Errorf("%s without evidence", r.Verdict)
	}
	if !slices.IsSorted(r.Evidence) {
		t.Errorf("evidence %v is not sorted", r.Evidence)
	}
	told := ""
	for _, line := range r.Narrative {
		if !slices.Contains(r.Evidence, line.Seq) {
			t.Errorf("the narrative mentions event %d, which is no evidence", line.Seq)
		}
		told += line.Text + "\n"
	}
	for _, seq := range r.Evidence {
		if seq < 1 || seq > int64(len(events)) {
			t.Errorf("evidence %d is no event of the history", seq)
		}
	}
	for _, want := range shows {
		if !strings.Contains(told, want) {
			t.Errorf("narrative %q, want %q in it", told, want)
		}
	}
	if r.Verdict == Pass {
		for _, assumption := range r.Assumptions {
			if !assumption.Held {
				t.Errorf("pass though this was not so: %s", assumption.What)
			}
		}
	}
}

func storyBytes(t *testing.T, story *historytest.Story) []byte {
	t.Helper()
	content, err := story.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func judgeStory(t *testing.T, story *historytest.Story) (RunVerdict, []history.Event) {
	t.Helper()
	content := storyBytes(t, story)
	var events []history.Event
	for event, err := range history.NewReader(bytes.NewReader(content)).All() {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
	}
	return judgeBytes(t, content), events
}

func judgeBytes(t *testing.T, content []byte) RunVerdict {
	t.Helper()
	v, err := Judge(t.Context(), history.NewReader(bytes.NewReader(content)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const second = time.Second

// withoutReplacement ends the story with the first driver.
func withoutReplacement(s *historytest.Story) {
	s.Drivers, s.Completed = s.Drivers[:1], 0
}

// withoutFault tells a story in which nothing was hit.
func withoutFault(s *historytest.Story) { s.Began = 0 }

// podGap loses sight of the pods for a while.
func podGap(s *historytest.Story) {
	s.Extra = func(b *historytest.Builder) {
		b.Add(20*second, history.Kubernetes, history.Gap, &history.Object{Kind: "Pod"}, history.GapData{Reason: "expired", For: second})
	}
}

// blindSince loses sight of pods and nodes for good: the API server is gone until the end of the record.
func blindSince(since time.Duration) func(*historytest.Story) {
	return func(s *historytest.Story) {
		const end = 60 * second
		s.Extra = func(b *historytest.Builder) {
			for _, kind := range []string{"Pod", "Node", "Job"} {
				b.Add(end, history.Kubernetes, history.Gap, &history.Object{Kind: kind},
					history.GapData{Reason: history.GapUntilEnd + ": connection refused", For: end - since})
			}
		}
	}
}

// unreadDisk fails to read the dead node's disk.
func unreadDisk(s *historytest.Story) { s.Collected[0].Errors = []string{"input/output error"} }

// zombie isolates the first driver instead: it lives on until a time.
func zombie(until time.Duration) func(*historytest.Story) {
	return func(s *historytest.Story) { s.FaultKind, s.Drivers[0].Silent = "nodeIsolate", until }
}

func encoded(t *testing.T, v RunVerdict) []byte {
	t.Helper()
	content, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// catalogueEvaluation judges by the invariants of the catalogue.
func catalogueEvaluation() *Evaluation {
	evaluation, err := NewEvaluation()
	if err != nil {
		panic(err)
	}
	return evaluation
}
