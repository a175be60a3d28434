package scenario

import (
	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
)

// Error is what Load returns for a file with problems: all of them, each with line and column.
type Error = strictyaml.Error

// Problem is one problem of a file.
type Problem = strictyaml.Problem

// Load reads a scenario. file is its name for messages only. It returns an *Error with every problem of the file, or
// a scenario as it was written, without defaults; see Default.
func Load(file string, data []byte, catalogue Catalogue) (*Scenario, error) {
	d := strictyaml.NewDecoder(Decoders(catalogue))
	var s Scenario
	d.Decode(data, &s)
	if s.Kind == Kind {
		validate(&s, catalogue, d.Problem)
	}
	if err := d.Err(file); err != nil {
		return nil, err
	}
	return &s, nil
}

// Marshal writes a scenario as YAML that Load reads as the same scenario.
func Marshal(s *Scenario) ([]byte, error) {
	return strictyaml.YAML(s, false)
}
