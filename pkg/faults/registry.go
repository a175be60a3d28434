package faults

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Kind is one fault of the catalogue.
type Kind struct {
	scenario.Entry
	// New makes the fault, by one of Entry.By, of arguments that Entry.Args made and Entry.Check found good.
	New func(by string, args any) (Fault, error)
	// Effects returns what the fault does to what runs on its targets, whatever the means.
	Effects func(args any) []history.Effect
}

// Kinds returns all faults, in the order in which they are explained to a user.
func Kinds() []Kind {
	return []Kind{
		nodePowerOffKind(),
		nodeShutdownKind(),
		nodeIsolateKind(),
		nodeFreezeKind(),
		nodeOutOfServiceKind(),
		nodeCordonKind(),
		nodeDrainKind(),
		nodeTaintKind(),
		podKillKind(),
		podEvictKind(),
		podFailureKind(),
		containerKillKind(),
		networkPartitionKind(),
		networkDelayKind(),
		networkLossKind(),
		bandwidthKind(),
		clockSkewKind(),
		cpuStressKind(),
		memoryStressKind(),
	}
}

// Undos returns how the faults of the catalogue are undone.
func Undos() UndoKinds {
	return UndoKinds{machineUndoKind(), nodeObjectUndoKind(), chaosUndoKind()}
}

// Entries returns what a scenario may name as a fault.
func Entries() []scenario.Entry {
	var entries []scenario.Entry
	for _, kind := range Kinds() {
		entries = append(entries, kind.Entry)
	}
	return entries
}

// New makes the fault of a kind, by a means that the kind's entry names or, if none is given, by the one that it prefers, with
// its arguments, a pointer of the type that the kind's Args returns. own are kinds that are not in the catalogue.
func New(kind, by string, args any, own ...Kind) (Fault, error) {
	found, err := find(kind, own)
	if err != nil {
		return nil, err
	}
	return found.New(by, args)
}

// EffectsOf returns the effects of a kind of fault with its arguments, a pointer of the type that the kind's Args returns.
func EffectsOf(kind string, args any, own ...Kind) ([]history.Effect, error) {
	found, err := find(kind, own)
	if err != nil {
		return nil, err
	}
	effects := found.Effects(args)
	if len(effects) == 0 {
		return nil, fmt.Errorf("arguments of %s are %T: expected a %T", kind, args, found.Args())
	}
	return effects, nil
}

func find(kind string, own []Kind) (Kind, error) {
	kinds := append(Kinds(), own...)
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

// definition is what one fault's file says of it; A is the type of its arguments.
type definition[A any] struct {
	name, doc string
	instant   bool // nothing is left to be undone
	effects   func(A) []history.Effect
	check     func(A) []string
	build     func(A) Fault // by what is built in; nil if nothing is
	chaos     func(A) Fault // by Chaos Mesh; nil if it cannot
	cloud     func(A) Fault // by the cloud that the nodes belong to, through Chaos Mesh; nil if it cannot
}

// kind ties the definition's argument type to the catalogue's untyped one.
func (d definition[A]) kind() Kind {
	return Kind{
		Entry: scenario.Entry{
			Name: d.name, Doc: d.doc, Instant: d.instant,
			Args:   func() any { return new(A) },
			Check:  d.problems,
			Phrase: d.phrase,
			Needs:  d.needs,
			By:     d.by(),
		},
		New:     d.newFault,
		Effects: d.effectsOf,
	}
}

// always returns the effects of a fault whose arguments do not change them.
func always[A any](effects ...history.Effect) func(A) []history.Effect {
	return func(A) []history.Effect { return effects }
}

func (d definition[A]) effectsOf(args any) []history.Effect {
	a, err := d.typed(args)
	if err != nil {
		return nil
	}
	return d.effects(a)
}

func (d definition[A]) typed(args any) (A, error) {
	a, ok := args.(*A)
	if !ok || a == nil {
		var zero A
		return zero, fmt.Errorf("arguments of %s are %T: expected a %T", d.name, args, &zero)
	}
	return *a, nil
}

func (d definition[A]) problems(args any) []string {
	a, err := d.typed(args)
	if err != nil {
		return []string{err.Error()}
	}
	return d.check(a)
}

// by returns the means by which the fault can be brought about, the preferred first.
func (d definition[A]) by() []string {
	var means []string
	if d.build != nil {
		means = append(means, scenario.ByBuiltin)
	}
	if d.chaos != nil {
		means = append(means, scenario.ByChaosMesh)
	}
	if d.cloud != nil {
		means = append(means, scenario.ByCloud)
	}
	return means
}

// make makes the fault by a means.
func (d definition[A]) make(by string, a A) (Fault, error) {
	switch {
	case d.build != nil && (by == "" || by == scenario.ByBuiltin):
		return d.build(a), nil
	case d.chaos != nil && (by == "" || by == scenario.ByChaosMesh):
		return d.chaos(a), nil
	case d.cloud != nil && by == scenario.ByCloud:
		return d.cloud(a), nil
	default:
		return nil, fmt.Errorf("%s cannot be brought about by %q: expected one of %s", d.name, by, strings.Join(d.by(), ", "))
	}
}

func (d definition[A]) newFault(by string, args any) (Fault, error) {
	if problems := d.problems(args); len(problems) > 0 {
		return nil, fmt.Errorf("arguments of %s: %s", d.name, strings.Join(problems, "; "))
	}
	a, err := d.typed(args)
	if err != nil {
		return nil, err
	}
	return d.make(by, a)
}

func (d definition[A]) phrase(args any) string {
	a, err := d.typed(args)
	if err != nil {
		return d.name
	}
	fault, err := d.make("", a)
	if err != nil {
		return d.name
	}
	return fault.Describe()
}

func (d definition[A]) needs(args any) []string {
	a, err := d.typed(args)
	if err != nil || d.build == nil {
		return nil
	}
	var names []string
	for _, action := range d.build(a).Needs() {
		names = append(names, string(action))
	}
	return names
}
