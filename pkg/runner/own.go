package runner

import (
	"github.com/sparkchaos/sparkchaos/pkg/anchor"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Own are faults, anchors and invariants of somebody's own, which scenarios may name beside those of the catalogue.
type Own struct {
	Faults     []faults.Kind
	Anchors    []anchor.Kind
	Invariants []check.Definition
}

// Catalogue returns all that a scenario may name.
func (o Own) Catalogue() scenario.Catalogue {
	all := scenario.Catalogue{Faults: faults.Entries(), Anchors: anchor.Entries(), Invariants: check.Entries()}
	for _, fault := range o.Faults {
		all.Faults = append(all.Faults, fault.Entry)
	}
	for _, anchor := range o.Anchors {
		all.Anchors = append(all.Anchors, anchor.Entry)
	}
	for _, invariant := range o.Invariants {
		all.Invariants = append(all.Invariants, invariant.Entry())
	}
	return all
}
