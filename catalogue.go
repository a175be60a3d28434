package sparkchaos

import (
	"github.com/sparkchaos/sparkchaos/internal/testbed"
	"github.com/sparkchaos/sparkchaos/pkg/anchor"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Vocabulary is the faults, anchors and invariants that scenarios may name, the shipped ones and one's own. It is a value: With returns
// another one.
type Vocabulary struct{ words testbed.Words }

// Addition is a fault, a kind of undo, an anchor or an invariant that With adds.
type Addition func(*Vocabulary)

// Catalogue returns what scenarios may name without anything of one's own.
func Catalogue() Vocabulary { return Vocabulary{} }

// With returns a catalogue that has the additions, too. In scenario files they are named like the shipped ones. A name that is taken is an
// error of the caller.
func (v Vocabulary) With(additions ...Addition) Vocabulary {
	v.words = v.words.Clone()
	for _, add := range additions {
		add(&v)
	}
	return v
}

// Entries returns all that a scenario may name.
func (v Vocabulary) Entries() scenario.Catalogue { return v.words.Own.Catalogue() }

// Invariant adds an invariant.
func Invariant(definition check.Definition) Addition {
	return func(v *Vocabulary) { v.words.AddInvariant(definition) }
}

// Fault adds a fault. What undoes it must be a shipped kind of undo, or one that Undo adds.
func Fault(kind faults.Kind) Addition { return func(v *Vocabulary) { v.words.AddFault(kind) } }

// Undo adds a way in which faults are undone. Runs that are killed are cleaned up after by programs whose catalogue has it.
func Undo(kind faults.UndoKind) Addition { return func(v *Vocabulary) { v.words.AddUndo(kind) } }

// Anchor adds an anchor.
func Anchor(kind anchor.Kind) Addition { return func(v *Vocabulary) { v.words.AddAnchor(kind) } }
