package report

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/report/trace"
)

// traceFormat is a trace of the run for a viewer.
func traceFormat(format Format, file string, write func(*trace.Run) ([]byte, error)) definition {
	return definition{format: format, file: file, asked: true, render: func(verdict check.RunVerdict, info RunInfo, _ Style) ([]byte, error) {
		run, err := traceOf(verdict, info)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", format, err)
		}
		return write(run)
	}}
}

// traceOf reads what the traces of a run are made of.
func traceOf(verdict check.RunVerdict, info RunInfo) (*trace.Run, error) {
	var phases []string
	record, err := info.needed(func(e *history.Event) {
		var phase history.PhaseData
		if e.Source == history.Harness && e.Type == history.PhaseStarted && json.Unmarshal(e.Data, &phase) == nil &&
			!slices.Contains(phases, phase.Phase) {
			phases = append(phases, phase.Phase)
		}
	})
	if err != nil {
		return nil, err
	}
	return trace.New(record, verdict, phases), nil
}
