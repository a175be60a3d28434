package trace

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// chromeFile is a file of trace events ("Trace Event Format", the JSON object format), as chrome://tracing and Perfetto read it.
type chromeFile struct {
	Events []chromeEvent     `json:"traceEvents"`
	Unit   string            `json:"displayTimeUnit"`
	Other  map[string]string `json:"otherData"`
}

// chromeEvent is one event; times are microseconds since the begin of the run.
type chromeEvent struct {
	Phase    string         `json:"ph"` // X: a slice, i: a mark, C: a counter, M: a name
	Name     string         `json:"name"`
	Category string         `json:"cat,omitempty"`
	Process  int            `json:"pid"` // the group
	Thread   int            `json:"tid"` // the row
	At       float64        `json:"ts"`
	For      *float64       `json:"dur,omitempty"`
	Scope    string         `json:"s,omitempty"`
	Args     map[string]any `json:"args,omitempty"`
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// Chrome writes trace-event JSON.
func (r *Run) Chrome() ([]byte, error) {
	file := chromeFile{Unit: "ms", Other: map[string]string{
		"runID": r.Verdict.RunID, "scenario": r.Verdict.Scenario, "seed": fmt.Sprint(r.Verdict.Seed), "verdict": string(r.Verdict.Verdict),
		"began": r.began().UTC().Format(time.RFC3339Nano), "historySHA256": r.Verdict.HistorySHA256,
	}}
	named := func(kind string, process, thread int, args map[string]any) {
		file.Events = append(file.Events, chromeEvent{Phase: "M", Name: kind, Process: process, Thread: thread, Args: args})
	}
	groups := r.groups()
	for p, g := range groups {
		named("process_name", p+1, 0, map[string]any{"name": g.name})
		named("process_sort_index", p+1, 0, map[string]any{"sort_index": p + 1})
		for t, row := range g.rows {
			named("thread_name", p+1, t+1, map[string]any{"name": row.name})
			named("thread_sort_index", p+1, t+1, map[string]any{"sort_index": t + 1})
			for _, s := range row.slices {
				length := micros(s.to - s.from)
				file.Events = append(file.Events, chromeEvent{
					Phase: "X", Name: s.name, Category: g.name, Process: p + 1, Thread: t + 1, At: micros(s.from), For: &length,
					Args: map[string]any{"text": s.text, "events": s.events},
				})
			}
			for _, m := range row.marks {
				file.Events = append(file.Events, chromeEvent{
					Phase: "i", Name: m.Text, Category: g.name, Process: p + 1, Thread: t + 1, At: micros(m.At), Scope: "t",
					Args: map[string]any{"events": []int64{m.Event}},
				})
			}
		}
	}
	process := len(groups) + 1
	named("process_name", process, 0, map[string]any{"name": "figures"})
	for _, c := range r.counters() {
		c.changes(func(at time.Duration, value int) {
			file.Events = append(file.Events, chromeEvent{Phase: "C", Name: c.name, Process: process, At: micros(at),
				Args: map[string]any{"value": value}})
		})
	}
	return encode(file)
}

// encode writes JSON, one indented line for each value: the same run gives the same bytes.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("encode the trace: %w", err)
	}
	return out.Bytes(), nil
}
