package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Checker judges one invariant from the model of a history. It states what it assumes, and a violation needs events
// that prove it. It changes nothing in the model and may be asked at any moment of a run.
type Checker interface {
	Check(m *model.Model) Result
}

// Definition is one invariant of the catalogue.
type Definition struct {
	Name string // as in YAML
	Doc  string // one sentence
	// Baseline says that it is judged against a run without faults, which the scenario must then ask for.
	Baseline bool
	// Files says that it is judged from files of the workload's outputs, of which the scenario must then name one.
	Files bool
	// Witness says that it is judged by what drivers and executors report: without the witness it is inconclusive.
	Witness bool
	// Args returns a pointer to new arguments with their defaults.
	Args func() any
	// Problems returns what is wrong with decoded arguments; nil when nothing can be.
	Problems func(args any) []string
	// Bound returns until when a run must continue for the invariant to be judged; nil if it needs no more time than the application.
	Bound func(args any) scenario.Bound
	// New makes the checker for arguments that Args made and that have no problems.
	New func(args any) Checker
}

// CheckerFunc is a checker without arguments.
type CheckerFunc func(m *model.Model) Result

// Check calls f.
func (f CheckerFunc) Check(m *model.Model) Result { return f(m) }

// NoArgs are the arguments of an invariant that has none.
type NoArgs struct{}

// WithinArgs are the arguments of an invariant with one bound.
type WithinArgs struct {
	// Within is how long it may take at most.
	Within scenario.Duration `json:"within"`
}

func withinProblems(args any) []string {
	if args.(*WithinArgs).Within <= 0 {
		return []string{"within is missing: write how long it may take, like {within: 60s}"}
	}
	return nil
}

// boundSince returns the bound of WithinArgs, counted from an event.
func boundSince(since scenario.Since) func(args any) scenario.Bound {
	return func(args any) scenario.Bound {
		return scenario.Bound{Within: time.Duration(args.(*WithinArgs).Within), Since: since}
	}
}

// Definitions returns all invariants, in the order in which they are explained to a user.
func Definitions() []Definition {
	return []Definition{
		driverRescheduled(),
		driverKept(),
		byWitness(atMostOneDriver()),
		byWitness(executorNamesUnique()),
		applicationIdsUnique(),
		byWitness(staleExecutorsGone()),
		byWitness(stagedArtifactsSurvive()),
		byWitness(noStaleStandIn()),
		byWitness(executorsKept()),
		byWitness(executorReplaced()),
		byWitness(streamContinues()),
		byWitness(wordsCounted()),
		byWitness(shuffleSurvives()),
		byWitness(resultEqualsBaseline()),
		outputFilesOnce(),
		completes(),
		byWitness(recoveryWithin()),
		nothingLeftBehind(),
	}
}

// byWitness marks an invariant that is judged by what drivers and executors report.
func byWitness(d Definition) Definition {
	d.Witness = true
	return d
}

// Entries returns the invariants for a scenario's catalogue, one's own included.
func Entries(own ...Definition) []scenario.Entry {
	var entries []scenario.Entry
	for _, d := range slices.Concat(Definitions(), own) {
		entries = append(entries, d.Entry())
	}
	return entries
}

// Entry returns the invariant for a scenario's catalogue.
func (d Definition) Entry() scenario.Entry {
	return scenario.Entry{Name: d.Name, Doc: d.Doc, Args: d.Args, Check: d.Problems, Baseline: d.Baseline, Files: d.Files,
		Witness: d.Witness, Bound: d.Bound}
}

// expectation is one entry of a plan's expect list: the invariant's name and its arguments as JSON.
type expectation struct {
	name string
	args json.RawMessage
}

// needsFault reports whether an invariant may need a fault to be judged.
func (e expectation) needsFault(definitions []Definition) bool {
	for _, d := range definitions {
		if d.Name == e.name {
			return !d.Baseline && !d.Files && (d.Bound == nil || d.Bound(d.Args()).Since != scenario.SinceLaunch)
		}
	}
	return false
}

// needsWitness reports whether an invariant is judged by what drivers and executors report.
func (e expectation) needsWitness(definitions []Definition) bool {
	return slices.ContainsFunc(definitions, func(d Definition) bool { return d.Name == e.name && d.Witness })
}

// checker makes the checker that an expectation asks for.
func (e expectation) checker(definitions []Definition) (Checker, error) {
	for _, d := range definitions {
		if d.Name != e.name {
			continue
		}
		args := d.Args()
		decoder := json.NewDecoder(bytes.NewReader(e.args))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(args); err != nil {
			return nil, fmt.Errorf("the plan's arguments of %s cannot be read: %w", e.name, err)
		}
		if d.Problems != nil {
			if problems := d.Problems(args); len(problems) > 0 {
				return nil, fmt.Errorf("the plan's arguments of %s: %s", e.name, strings.Join(problems, "; "))
			}
		}
		return d.New(args), nil
	}
	return nil, fmt.Errorf("this sparkchaos has no invariant %q", e.name)
}
