package runner

import (
	"github.com/sparkchaos/sparkchaos/pkg/anchor"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/catalogue"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Own are faults, anchors and invariants of somebody's own, which scenarios may name beside those of the catalogue.
type Own struct {
	Faults     []faults.Kind
	Anchors    []anchor.Kind
	Invariants []check.Definition
}

// catalogue returns the faults that a scenario may name.
func (o Own) catalogue() faults.Catalogue {
	return append(catalogue.All(), faults.Family{Kinds: o.Faults})
}

// Catalogue returns all that a scenario may name.
func (o Own) Catalogue() scenario.Catalogue {
	all := scenario.Catalogue{Faults: o.catalogue().Entries(), Anchors: anchor.Entries(), Invariants: check.Entries()}
	for _, anchor := range o.Anchors {
		all.Anchors = append(all.Anchors, anchor.Entry)
	}
	for _, invariant := range o.Invariants {
		all.Invariants = append(all.Invariants, invariant.Entry())
	}
	return all
}
