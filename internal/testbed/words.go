package testbed

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sparkchaos/sparkchaos/pkg/anchor"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Words are what scenarios may name: what is shipped, and what a program adds.
type Words struct {
	Own runner.Own
	Err error // of additions that cannot be made, because their names are taken
}

// Clone returns words that can be added to without changing these.
func (w Words) Clone() Words {
	w.Own.Faults, w.Own.Undos = slices.Clone(w.Own.Faults), slices.Clone(w.Own.Undos)
	w.Own.Anchors, w.Own.Invariants = slices.Clone(w.Own.Anchors), slices.Clone(w.Own.Invariants)
	return w
}

// AddFault adds a fault.
func (w *Words) AddFault(kind faults.Kind) {
	w.refuseTaken("fault", kind.Name, scenario.Names(w.Own.Catalogue().Faults))
	w.Own.Faults = append(w.Own.Faults, kind)
}

// AddUndo adds a kind of undo.
func (w *Words) AddUndo(kind faults.UndoKind) {
	w.refuseTaken("kind of undo", kind.Name, w.Own.UndoNames())
	w.Own.Undos = append(w.Own.Undos, kind)
}

// AddAnchor adds an anchor.
func (w *Words) AddAnchor(kind anchor.Kind) {
	w.refuseTaken("anchor", kind.Name, scenario.Names(w.Own.Catalogue().Anchors))
	w.Own.Anchors = append(w.Own.Anchors, kind)
}

// AddInvariant adds an invariant.
func (w *Words) AddInvariant(definition check.Definition) {
	w.refuseTaken("invariant", definition.Name, scenario.Names(w.Own.Catalogue().Invariants))
	w.Own.Invariants = append(w.Own.Invariants, definition)
}

func (w *Words) refuseTaken(what, name string, taken []string) {
	if name == "" || slices.Contains(taken, name) {
		w.Err = errors.Join(w.Err, fmt.Errorf("%s %q cannot be added to the catalogue: the name is taken, or empty", what, name))
	}
}

// having returns words that have the invariants as well, unless they have them already.
func (w Words) having(invariants []check.Definition) Words {
	w = w.Clone()
	for _, definition := range invariants {
		if _, known := scenario.Find(w.Own.Catalogue().Invariants, definition.Name); !known {
			w.AddInvariant(definition)
		}
	}
	return w
}
