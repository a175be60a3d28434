package cli

import (
	"github.com/sparkchaos/sparkchaos/pkg/anchor"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// catalogue returns all that a scenario may name: what the packages that implement it say of themselves.
func catalogue() scenario.Catalogue {
	return scenario.Catalogue{
		Faults:     faults.Entries(),
		Anchors:    anchor.Entries(),
		Invariants: check.Entries(),
	}
}
