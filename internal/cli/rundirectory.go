package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/sparkchaos/sparkchaos/internal/regular"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

// Files of a run directory beside the history, which a reader of the verdict takes for what was run.
const planFile, scenarioFile = report.PlanFile, "scenario.yaml"

// strangers returns which files of a run directory are not those of its history. The verdict rests on the history alone, so a changed
// plan.yaml changes no verdict, but it would mislead a reader of the verdict.
func strangers(directory string) ([]string, error) {
	run, err := openingOf(filepath.Join(directory, historyFile))
	if err != nil {
		return nil, err
	}
	var all []string
	for _, compare := range []func(string, history.RunData) (string, error){comparePlan, compareScenario} {
		difference, err := compare(directory, run)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if difference != "" {
			all = append(all, difference)
		}
	}
	return all, nil
}

// openingOf returns what the first event of a history says; nothing if it says nothing that can be read, which the judgement reports.
func openingOf(path string) (history.RunData, error) {
	var run history.RunData
	file, err := regular.Open(path)
	if err != nil {
		return run, err
	}
	defer func() { _ = file.Close() }() // opened for reading only
	var event history.Event
	if err := history.NewReader(file).Next(&event); err != nil || event.Type != history.RunStarted {
		return run, nil
	}
	_ = json.Unmarshal(event.Data, &run) // see above
	return run, nil
}

func comparePlan(directory string, run history.RunData) (string, error) {
	path := filepath.Join(directory, planFile)
	content, err := os.ReadFile(path)
	if err != nil || len(run.Plan) == 0 {
		return "", err
	}
	stored, err := asJSON(content)
	if err != nil {
		return fmt.Sprintf("%s cannot be read: %v", path, err), nil
	}
	var recorded any
	if err := json.Unmarshal(run.Plan, &recorded); err != nil {
		return "", nil // a problem of the history, which the judgement reports
	}
	if part := differingPart(stored, recorded); part != "" {
		return fmt.Sprintf("%s is not the plan that the history was recorded with: they differ in %s", path, part), nil
	}
	return "", nil
}

// asJSON returns a YAML document as its JSON is read. Like the reader of plans it takes off for a text.
func asJSON(document []byte) (value any, err error) {
	if err := yaml.Unmarshal(document, &value); err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return value, json.Unmarshal(encoded, &value)
}

// differingPart returns the first field, in the order of names, in which two documents differ; empty if they are the same.
func differingPart(a, b any) string {
	if reflect.DeepEqual(a, b) {
		return ""
	}
	x, ok := a.(map[string]any)
	y, ok2 := b.(map[string]any)
	if !ok || !ok2 {
		return "everything"
	}
	for _, keys := range []map[string]any{x, y} {
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if !reflect.DeepEqual(x[key], y[key]) {
				return key
			}
		}
	}
	return "everything"
}

func compareScenario(directory string, run history.RunData) (string, error) {
	path := filepath.Join(directory, scenarioFile)
	content, err := os.ReadFile(path)
	if err != nil || run.ScenarioSHA256 == "" {
		return "", err
	}
	digest := sha256.Sum256(content)
	if got := hex.EncodeToString(digest[:]); got != run.ScenarioSHA256 {
		return fmt.Sprintf("%s is not the scenario of the run: its SHA-256 is %s, the history says %s", path, got, run.ScenarioSHA256), nil
	}
	return "", nil
}
