package report

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// EventLine returns an event in one line: its number, when it came, what it is and what it is about.
func EventLine(event *history.Event) string {
	line := fmt.Sprintf("#%d  +%.2fs  %s %s", event.Seq, event.Offset.Seconds(), event.Source, event.Type)
	if o := event.Object; o != nil {
		line += fmt.Sprintf("  %s %s", o.Kind, o.Name)
	}
	if what := gist(event); what != "" {
		line += "  " + what
	}
	return clean(line)
}

// gist returns what is most telling in the data of an event; empty if that is nothing.
func gist(event *history.Event) string {
	var data struct {
		Phase   string          `json:"phase"`
		Error   string          `json:"error"`
		Step    string          `json:"step"`
		What    string          `json:"what"`
		Reason  string          `json:"reason"`
		Message string          `json:"message"`
		Role    string          `json:"role"`
		Status  json.RawMessage `json:"status"`
	}
	if json.Unmarshal(event.Data, &data) != nil {
		return ""
	}
	var status struct {
		Phase string `json:"phase"`
	}
	_ = json.Unmarshal(data.Status, &status) // of most data it has another shape, or there is none
	var parts []string
	for _, part := range []string{data.Phase, data.Step, data.What, data.Role, status.Phase, data.Reason, data.Message, data.Error} {
		if part != "" && part != event.Type {
			parts = append(parts, part)
		}
	}
	line := strings.Join(parts, ", ")
	if len([]rune(line)) > 160 {
		line = string([]rune(line)[:159]) + "…"
	}
	return line
}
