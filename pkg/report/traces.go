package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/sparkchaos/sparkchaos/internal/otlp"
	"github.com/sparkchaos/sparkchaos/internal/regular"
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
	run := trace.New(record, verdict, phases)
	run.Exported, err = spansOf(info.Directory)
	run.Exported.LeftOut += record.Model.Exported.Dropped
	return run, err
}

// SpansFile has the spans that the cluster's components exported, in the run directory of a run that kept them.
const SpansFile = "traces.pb"

// spansOf returns the spans of the cluster's components; none if the run kept none.
func spansOf(directory string) (otlp.Kept, error) {
	file, err := regular.Open(filepath.Join(directory, SpansFile))
	if directory == "" || errors.Is(err, fs.ErrNotExist) {
		return otlp.Kept{}, nil
	}
	if err != nil {
		return otlp.Kept{}, fmt.Errorf("read the components' spans: %w", err)
	}
	defer func() { _ = file.Close() }() // opened for reading only
	return otlp.Read(file)
}
