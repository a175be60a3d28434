// Package plan turns a scenario into everything that a run will do, decided beforehand: the same scenario, seed and
// kind of cluster give the same plan, byte for byte. A plan is pure data and can be run and judged by itself.
package plan

import (
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// APIVersion and Kind open every plan.
const (
	APIVersion = "sparkchaos.dev/v1alpha1"
	Kind       = "Plan"
)

// Plan is a scenario in which every choice is made.
type Plan struct {
	APIVersion string                 `json:"apiVersion" enum:"sparkchaos.dev/v1alpha1"` // version of this format
	Kind       string                 `json:"kind" enum:"Plan"`                          // always Plan
	Scenario   Origin                 `json:"scenario"`                                  // what it was made from
	Seed       uint64                 `json:"seed"`                                      // by which the random choices were made
	Cluster    Cluster                `json:"cluster"`
	Workload   scenario.Workload      `json:"workload"` // every default filled in
	Baseline   bool                   `json:"baseline"` // run the workload once without faults first
	Steps      []Step                 `json:"steps,omitempty"`
	Expect     []scenario.Expectation `json:"expect" choice:"invariant"`
	Control    *scenario.Control      `json:"control,omitempty"`
	Settle     scenario.Duration      `json:"settle" min:"1s"` // how long the application may take to complete after the last fault
}

// Origin names the scenario that a plan was made from.
type Origin struct {
	Name string `json:"name" pattern:"^[a-z0-9]([-a-z0-9]{0,43}[a-z0-9])?$"`
	// of the scenario with its defaults, written as YAML: comments and layout do not count
	Digest      string            `json:"digest" pattern:"^sha256:[0-9a-f]{64}$"`
	Description string            `json:"description,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
}

// Cluster is the cluster that the plan is for.
type Cluster struct {
	Kind    string         `json:"kind"` // embedded, kind or existing
	Workers int            `json:"workers" min:"1" max:"50"`
	Timing  string         `json:"timing" enum:"fast|production|custom"` // the name of the knobs that follow
	Knobs   scenario.Knobs `json:"knobs"`
}

// TimingCustom is the name of a timing whose values the scenario lists one by one.
const TimingCustom = "custom"

// Action is what a step does with its fault.
type Action string

// The actions of steps.
const (
	Inject  Action = "inject"
	Recover Action = "recover"
)

// Step is one injection or recovery. The steps of one fault follow each other; those of different faults are
// independent.
type Step struct {
	ID     string          `json:"id"`    // fault and action, e.g. "lose-driver-node/inject"
	Fault  string          `json:"fault"` // the fault's name in the scenario
	Action Action          `json:"action" enum:"inject|recover"`
	Do     scenario.Choice `json:"do" choice:"fault"` // the fault's kind and its arguments, with the rule by which it finds its target
	// By is the means, Why the reason why it was chosen.
	By  string `json:"by,omitempty" enum:"builtin|chaosMesh|cloud"`
	Why string `json:"why,omitempty"`
	// Anchor is what is awaited, Delay the time after it, Deadline how long it is awaited at most.
	// A step AtEnd has none of them: it comes when the application has settled.
	Anchor   *scenario.Choice  `json:"anchor,omitempty" choice:"anchor"`
	Delay    scenario.Duration `json:"delay,omitempty"`
	Deadline scenario.Duration `json:"deadline,omitempty"`
	AtEnd    bool              `json:"atEnd,omitempty"`
}

// Kind is the fault's kind, e.g. nodePowerOff.
func (s Step) Kind() string { return s.Do.Name }

// Args are the fault's arguments, a pointer to the type of its catalogue entry.
func (s Step) Args() any { return s.Do.Args }
