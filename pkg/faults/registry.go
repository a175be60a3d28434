package faults

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Kind is one fault of a catalogue.
type Kind struct {
	scenario.Entry
	// New makes the fault, by one of Entry.By, of arguments that Entry.Args made and Entry.Check found good.
	New func(by string, args any) (Fault, error)
	// Effects returns what the fault does to what runs on its targets, whatever the means.
	Effects func(args any) []history.Effect
	// Example returns good arguments, which the caller may change.
	Example func() any
}

// Family is faults that are brought about, proven or undone alike.
type Family struct {
	// Kinds are its faults, in the order in which they are explained to a user.
	Kinds []Kind
	// Undos are the kinds of undo that it adds to those of other families.
	Undos UndoKinds
}

// Catalogue is the faults that a scenario can name, with how they are undone.
type Catalogue []Family

// Kinds returns all faults.
func (c Catalogue) Kinds() []Kind {
	var kinds []Kind
	for _, family := range c {
		kinds = append(kinds, family.Kinds...)
	}
	return kinds
}

// Undos returns how the faults are undone.
func (c Catalogue) Undos() UndoKinds {
	var undos UndoKinds
	for _, family := range c {
		undos = append(undos, family.Undos...)
	}
	return undos
}

// Entries returns what a scenario may name as a fault.
func (c Catalogue) Entries() []scenario.Entry {
	var entries []scenario.Entry
	for _, kind := range c.Kinds() {
		entries = append(entries, kind.Entry)
	}
	return entries
}

// New makes the fault of a kind, by a means that the kind's entry names or, if none is given, by the one that it prefers, with
// its arguments, a pointer of the type that the kind's Args returns.
func (c Catalogue) New(kind, by string, args any) (Fault, error) {
	found, err := c.find(kind)
	if err != nil {
		return nil, err
	}
	return found.New(by, args)
}

// EffectsOf returns the effects of a kind of fault with its arguments, a pointer of the type that the kind's Args returns.
func (c Catalogue) EffectsOf(kind string, args any) ([]history.Effect, error) {
	found, err := c.find(kind)
	if err != nil {
		return nil, err
	}
	effects := found.Effects(args)
	if len(effects) == 0 {
		return nil, fmt.Errorf("arguments of %s are %T: expected a %T", kind, args, found.Args())
	}
	return effects, nil
}

// Disturbance prepares the fault that a plan names: name is the scenario's, kind and args the catalogue's; by is the means,
// empty for the preferred one.
func (c Catalogue) Disturbance(name, kind, by string, args any, env Env) (*Disturbance, error) {
	fault, err := c.New(kind, by, args)
	if err != nil {
		return nil, fmt.Errorf("fault %s: %w", name, err)
	}
	d, err := NewDisturbance(name, kind, args, fault, env)
	if err != nil {
		return nil, err
	}
	if d.effects, err = c.EffectsOf(kind, args); err != nil {
		return nil, fmt.Errorf("fault %s: %w", name, err)
	}
	return d, nil
}

func (c Catalogue) find(kind string) (Kind, error) {
	kinds := c.Kinds()
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == kind })
	if i < 0 {
		var names []string
		for _, k := range kinds {
			names = append(names, k.Name)
		}
		return Kind{}, fmt.Errorf("fault %q is unknown: expected one of %s", kind, strings.Join(names, ", "))
	}
	return kinds[i], nil
}
