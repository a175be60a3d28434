package sparkchaos

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

// Vocabulary is the faults, anchors and invariants that scenarios may name, the shipped ones and one's own. It is a value: With returns
// another one.
type Vocabulary struct {
	own runner.Own
	err error // of an addition that cannot be made
}

// Addition is a fault, a kind of undo, an anchor or an invariant that With adds.
type Addition func(*Vocabulary)

// Catalogue returns what scenarios may name without anything of one's own.
func Catalogue() Vocabulary { return Vocabulary{} }

// With returns a catalogue that has the additions, too. In scenario files they are named like the shipped ones. A name that is taken is an
// error of whoever uses the catalogue.
func (v Vocabulary) With(additions ...Addition) Vocabulary {
	v.own.Faults, v.own.Undos = slices.Clone(v.own.Faults), slices.Clone(v.own.Undos)
	v.own.Anchors, v.own.Invariants = slices.Clone(v.own.Anchors), slices.Clone(v.own.Invariants)
	for _, add := range additions {
		add(&v)
	}
	return v
}

// Invariant adds an invariant.
func Invariant(definition check.Definition) Addition {
	return func(v *Vocabulary) {
		v.refuseTaken("invariant", definition.Name, scenario.Names(v.own.Catalogue().Invariants))
		v.own.Invariants = append(v.own.Invariants, definition)
	}
}

// Fault adds a fault. What undoes it must be a shipped kind of undo, or one that Undo adds.
func Fault(kind faults.Kind) Addition {
	return func(v *Vocabulary) {
		v.refuseTaken("fault", kind.Name, scenario.Names(v.own.Catalogue().Faults))
		v.own.Faults = append(v.own.Faults, kind)
	}
}

// Undo adds a way in which faults are undone. Runs that are killed are cleaned up after by programs whose catalogue has it.
func Undo(kind faults.UndoKind) Addition {
	return func(v *Vocabulary) {
		v.refuseTaken("kind of undo", kind.Name, v.own.UndoNames())
		v.own.Undos = append(v.own.Undos, kind)
	}
}

// Anchor adds an anchor.
func Anchor(kind anchor.Kind) Addition {
	return func(v *Vocabulary) {
		v.refuseTaken("anchor", kind.Name, scenario.Names(v.own.Catalogue().Anchors))
		v.own.Anchors = append(v.own.Anchors, kind)
	}
}

func (v *Vocabulary) refuseTaken(what, name string, taken []string) {
	if name == "" || slices.Contains(taken, name) {
		v.err = errors.Join(v.err, fmt.Errorf("%s %q cannot be added to the catalogue: the name is taken, or empty", what, name))
	}
}

// Entries returns all that a scenario may name.
func (v Vocabulary) Entries() scenario.Catalogue { return v.own.Catalogue() }

// with returns the catalogue with an invariant that a run expects, unless it has it already.
func (v Vocabulary) with(definition check.Definition) Vocabulary {
	if _, known := scenario.Find(v.own.Catalogue().Invariants, definition.Name); known {
		return v
	}
	return v.With(Invariant(definition))
}
