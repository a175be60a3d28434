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
	Undos      faults.UndoKinds // by which Faults are undone, beside the shipped kinds
	Anchors    []anchor.Kind
	Invariants []check.Definition
}

// catalogue returns the faults that a scenario may name.
func (o Own) catalogue() faults.Catalogue {
	return append(catalogue.All(), faults.Family{Kinds: o.Faults, Undos: o.Undos})
}

// undos returns how the faults that a scenario may name are undone.
func (o Own) undos() faults.UndoKinds { return o.catalogue().Undos() }

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

// UndoNames returns the names of the kinds of undo that records may have.
func (o Own) UndoNames() []string {
	var names []string
	for _, kind := range o.undos() {
		names = append(names, kind.Name)
	}
	return names
}
