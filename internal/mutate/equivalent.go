package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"
)

// equivalent is an entry of the list of mutants that no test can kill, because they change nothing that matters.
type equivalent struct {
	File       string `yaml:"file"`
	Function   string `yaml:"function"`
	Before     string `yaml:"before"`
	After      string `yaml:"after"`      // empty: left out
	Occurrence int    `yaml:"occurrence"` // which one, if the function has the same change more than once; 0: all of them
	Reason     string `yaml:"reason"`
}

func (e equivalent) String() string {
	return fmt.Sprintf("%s %s: %s  →  %s", e.File, e.Function, e.Before, e.After)
}

func (e equivalent) matches(m *mutant) bool {
	return e.File == m.File && e.Function == m.Function && e.Before == m.Before && e.After == m.After &&
		(e.Occurrence == 0 || e.Occurrence == m.Occurrence)
}

// readEquivalents reads the list; a file that does not exist is an error, an entry without a reason too.
func readEquivalents(path string) ([]equivalent, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var list []equivalent
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var problems []error
	seen := map[key]bool{}
	for i, e := range list {
		if e.File == "" || e.Function == "" || e.Before == "" || e.Reason == "" {
			problems = append(problems, fmt.Errorf("%s: entry %d (%s) needs file, function, before and reason", path, i+1, e))
		}
		k := key{file: e.File, function: e.Function, before: e.Before, after: e.After, occurrence: e.Occurrence}
		if seen[k] {
			problems = append(problems, fmt.Errorf("%s: entry %d (%s) is there twice", path, i+1, e))
		}
		seen[k] = true
	}
	return list, errors.Join(problems...)
}

// sortOut returns the mutants that are listed as equivalent, and the entries about the files that match no mutant.
func sortOut(list []equivalent, mutants []*mutant, files map[string]bool) (listed map[int]equivalent, stale []equivalent) {
	listed = map[int]equivalent{}
	for _, e := range list {
		found := false
		for _, m := range mutants {
			if e.matches(m) {
				listed[m.ID], found = e, true
			}
		}
		if !found && files[e.File] {
			stale = append(stale, e)
		}
	}
	return listed, stale
}
