package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

// Directory is a run directory: everything that is known about a run.
type Directory string

// The parts of a run directory.
func (d Directory) file(name string) string { return filepath.Join(string(d), name) }

// History is the file with everything that was observed.
func (d Directory) History() string { return d.file(report.HistoryFile) }

// Plan is the file with the plan.
func (d Directory) Plan() string { return d.file(report.PlanFile) }

// Scenario is the file with the scenario.
func (d Directory) Scenario() string { return d.file("scenario.yaml") }

// Environment is the file that describes the machine, the cluster and all versions.
func (d Directory) Environment() string { return d.file(report.EnvironmentFile) }

// Logs is the directory of the logs of drivers, executors and the cluster's components.
func (d Directory) Logs() string { return d.file("logs") }

// EventLogs is the directory of the event logs of Spark's drivers, if the scenario asks for them.
func (d Directory) EventLogs() string { return d.file("eventlogs") }

// Spans is the file of the spans that the cluster's components exported, if they did.
func (d Directory) Spans() string { return d.file(report.SpansFile) }

// Undo is the directory of the undo records.
func (d Directory) Undo() string { return d.file("undo") }

// Baseline is the history of the run without faults, if one was needed.
func (d Directory) Baseline() string { return d.file("baseline.ndjson") }

// MakeDirectory makes a new run directory below runs and points runs/latest to it.
func MakeDirectory(runs string, p *plan.Plan, now time.Time) (Directory, error) {
	if err := os.MkdirAll(runs, 0o755); err != nil { // the run directories in it are private
		return "", fmt.Errorf("make the directory of runs: %w", err)
	}
	base := fmt.Sprintf("%s-%s-%d", now.UTC().Format("20060102T150405"), p.Scenario.Name, p.Seed)
	name := base
	for n := 2; ; n++ {
		err := os.Mkdir(filepath.Join(runs, name), 0o700)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("make the run directory: %w", err)
		}
		name = fmt.Sprintf("%s-%d", base, n)
	}
	absolute, err := filepath.Abs(filepath.Join(runs, name))
	if err != nil {
		return "", fmt.Errorf("make the run directory: %w", err)
	}
	return Directory(absolute), pointLatest(runs, name)
}

// pointLatest replaces the link atomically, so that it always points to a run.
func pointLatest(runs, name string) error {
	temporary := filepath.Join(runs, ".latest-"+name)
	if err := os.Symlink(name, temporary); err != nil {
		return fmt.Errorf("point latest to the run directory: %w", err)
	}
	if err := os.Rename(temporary, filepath.Join(runs, "latest")); err != nil {
		return fmt.Errorf("point latest to the run directory: %w", errors.Join(err, os.Remove(temporary)))
	}
	return nil
}

// runID is the value of the run's label and the name of its namespace: the scenario's name and a unique suffix.
func runID(scenario string, directory Directory) string {
	digest := sha256.Sum256([]byte(directory))
	return scenario + "-" + hex.EncodeToString(digest[:3])
}

// write stores the scenario and the plan.
func (d Directory) write(scenario []byte, p *plan.Plan) error {
	encoded, err := plan.Marshal(p)
	if err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	if err := os.WriteFile(d.Plan(), encoded, 0o600); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	if scenario == nil {
		return nil
	}
	if err := os.WriteFile(d.Scenario(), scenario, 0o600); err != nil {
		return fmt.Errorf("write the scenario: %w", err)
	}
	return nil
}

// scenarioSHA256 returns the digest of the scenario in the directory; empty if there is only a plan.
func (d Directory) scenarioSHA256() (string, error) {
	content, err := os.ReadFile(d.Scenario())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the scenario back: %w", err)
	}
	digest := sha256.Sum256(content)
	return hex.EncodeToString(digest[:]), nil
}
