package check

import "github.com/sparkchaos/sparkchaos/pkg/scenario"

// Expectation is an invariant with its arguments, which a run is to be judged by.
type Expectation struct {
	scenario.Expectation
	// Definition is that of an invariant that may not be in the catalogue; nil for a shipped one.
	Definition *Definition
}

// Expect returns the expectation of an invariant of one's own. args is a pointer of the type that the definition's Args returns.
func (d Definition) Expect(args any) Expectation {
	return Expectation{Expectation: scenario.Expectation{Name: d.Name, Args: args}, Definition: &d}
}
