package faults

import (
	"fmt"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Definition is what one fault's file says about it; A is the type of its arguments.
type Definition[A any] struct {
	Name, Doc string
	Instant   bool // nothing is left to be undone
	// Example are good arguments: the conformance test has the fault land with them.
	Example A
	Effects func(A) []history.Effect
	Check   func(A) []string // the problems of arguments; empty if they are good
	// The means by which the fault can be brought about, the preferred first; nil for those by which it cannot.
	Build       func(A) Fault // by what is built in
	ByChaosMesh func(A) Fault
	ByCloud     func(A) Fault // by the cloud that the nodes belong to, through Chaos Mesh
}

// Kind ties the definition's argument type to the catalogue's untyped one.
func (d Definition[A]) Kind() Kind {
	return Kind{
		Entry: scenario.Entry{
			Name: d.Name, Doc: d.Doc, Instant: d.Instant,
			Args:   func() any { return new(A) },
			Check:  d.problems,
			Phrase: d.phrase,
			Needs:  d.needs,
			By:     d.by(),
		},
		New:     d.newFault,
		Effects: d.effectsOf,
		Example: func() any {
			example := d.Example
			return &example
		},
	}
}

// Always returns the effects of a fault whose arguments do not change them.
func Always[A any](effects ...history.Effect) func(A) []history.Effect {
	return func(A) []history.Effect { return effects }
}

func (d Definition[A]) effectsOf(args any) []history.Effect {
	a, err := d.typed(args)
	if err != nil {
		return nil
	}
	return d.Effects(a)
}

func (d Definition[A]) typed(args any) (A, error) {
	a, ok := args.(*A)
	if !ok || a == nil {
		var zero A
		return zero, fmt.Errorf("arguments of %s are %T: expected a %T", d.Name, args, &zero)
	}
	return *a, nil
}

func (d Definition[A]) problems(args any) []string {
	a, err := d.typed(args)
	if err != nil {
		return []string{err.Error()}
	}
	return d.Check(a)
}

// by returns the means by which the fault can be brought about, the preferred first.
func (d Definition[A]) by() []string {
	var means []string
	if d.Build != nil {
		means = append(means, scenario.ByBuiltin)
	}
	if d.ByChaosMesh != nil {
		means = append(means, scenario.ByChaosMesh)
	}
	if d.ByCloud != nil {
		means = append(means, scenario.ByCloud)
	}
	return means
}

// make makes the fault by a means.
func (d Definition[A]) make(by string, a A) (Fault, error) {
	switch {
	case d.Build != nil && (by == "" || by == scenario.ByBuiltin):
		return d.Build(a), nil
	case d.ByChaosMesh != nil && (by == "" || by == scenario.ByChaosMesh):
		return d.ByChaosMesh(a), nil
	case d.ByCloud != nil && by == scenario.ByCloud:
		return d.ByCloud(a), nil
	default:
		return nil, fmt.Errorf("%s cannot be brought about by %q: expected one of %s", d.Name, by, strings.Join(d.by(), ", "))
	}
}

func (d Definition[A]) newFault(by string, args any) (Fault, error) {
	if problems := d.problems(args); len(problems) > 0 {
		return nil, fmt.Errorf("arguments of %s: %s", d.Name, strings.Join(problems, "; "))
	}
	a, err := d.typed(args)
	if err != nil {
		return nil, err
	}
	return d.make(by, a)
}

func (d Definition[A]) phrase(args any) string {
	a, err := d.typed(args)
	if err != nil {
		return d.Name
	}
	fault, err := d.make("", a)
	if err != nil {
		return d.Name
	}
	return fault.Describe()
}

func (d Definition[A]) needs(args any) []string {
	a, err := d.typed(args)
	if err != nil || d.Build == nil {
		return nil
	}
	var names []string
	for _, action := range d.Build(a).Needs() {
		names = append(names, string(action))
	}
	return names
}
