package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Capabilities are what a cluster type can do, known before there is a cluster.
type Capabilities = cluster.Capabilities

// chooser is implemented by arguments that leave something to the seed.
type chooser interface {
	Choose(executors int, pick func(n int) int)
}

// New makes every choice that a scenario leaves open. The error lists all faults that the cluster cannot inject. The
// scenario is not changed.
func New(s *scenario.Scenario, seed uint64, can Capabilities, catalogue scenario.Catalogue) (*Plan, error) {
	whole, digest, err := complete(s, catalogue)
	if err != nil {
		return nil, err
	}
	spec := whole.Spec
	p := &Plan{
		APIVersion: APIVersion, Kind: Kind,
		Scenario: Origin{Name: whole.Metadata.Name, Digest: digest, Description: whole.Metadata.Description, Labels: whole.Metadata.Labels},
		Seed:     seed,
		Cluster: Cluster{
			Kind: can.Kind, Workers: spec.Cluster.Workers, Timing: timingName(spec.Cluster.Timing), Knobs: spec.Cluster.Timing.Resolve(),
		},
		Workload: spec.Workload, Baseline: spec.Baseline, Expect: spec.Expect, Control: spec.Control, Settle: spec.Settle,
	}
	var refused []error
	for _, fault := range spec.Faults {
		steps, err := decide(fault, whole, choices(seed, fault.Name), can, catalogue)
		refused = append(refused, err)
		p.Steps = append(p.Steps, steps...)
	}
	if err := errors.Join(refused...); err != nil {
		return nil, fmt.Errorf("scenario %s on cluster kind %s: %w", whole.Metadata.Name, can.Kind, err)
	}
	return p, nil
}

// complete returns a copy of the scenario with its defaults, and its digest.
func complete(s *scenario.Scenario, catalogue scenario.Catalogue) (*scenario.Scenario, string, error) {
	written, err := scenario.Marshal(s)
	if err != nil {
		return nil, "", fmt.Errorf("scenario %s: %w", s.Metadata.Name, err)
	}
	whole, err := scenario.Load(s.Metadata.Name, written, catalogue, scenario.AllowPlainSecrets())
	if err != nil {
		return nil, "", fmt.Errorf("scenario %s is not valid: %w", s.Metadata.Name, err)
	}
	scenario.Default(whole)
	defaulted, err := scenario.Marshal(whole)
	if err != nil {
		return nil, "", fmt.Errorf("scenario %s: %w", s.Metadata.Name, err)
	}
	sum := sha256.Sum256(defaulted)
	return whole, "sha256:" + hex.EncodeToString(sum[:]), nil
}

// choices returns the source of one fault's random choices. It is derived from the seed and the fault's name, so adding
// another fault to the scenario does not change them.
func choices(seed uint64, fault string) *rand.Rand {
	sum := sha256.Sum256([]byte(fault))
	var stream uint64
	for _, b := range sum[:8] {
		stream = stream<<8 | uint64(b)
	}
	return rand.New(rand.NewPCG(seed, stream))
}

// decide returns the steps of one fault.
func decide(fault scenario.Fault, s *scenario.Scenario, choices *rand.Rand, can Capabilities, catalogue scenario.Catalogue) ([]Step,
	error) {
	entry, known := scenario.Find(catalogue.Faults, fault.Inject.Name)
	if !known {
		return nil, fmt.Errorf("fault %s: %s is not in the catalogue of faults (%s)", fault.Name, fault.Inject.Name,
			strings.Join(scenario.Names(catalogue.Faults), ", "))
	}
	if chooser, ok := fault.Inject.Args.(chooser); ok {
		chooser.Choose(s.Spec.Workload.Executors.Instances, choices.IntN)
	}
	by, why, err := means(fault, entry, can)
	if err != nil {
		return nil, err
	}
	inject := Step{ID: stepID(fault.Name, Inject), Fault: fault.Name, Action: Inject, Do: fault.Inject, By: by, Why: why}
	inject.await(fault.When, fault.When.Delay, choices, catalogue)
	if entry.Instant {
		return []Step{inject}, nil
	}
	undo := Step{ID: stepID(fault.Name, Recover), Fault: fault.Name, Action: Recover, Do: fault.Inject, By: by, Why: why, AtEnd: true}
	if fault.Recover != nil {
		delay := fault.Recover.Delay
		if delay == (scenario.Span{}) {
			delay = fault.Recover.When.Delay
		}
		undo.AtEnd = false
		undo.await(fault.Recover.When, delay, choices, catalogue)
	}
	return []Step{inject, undo}, nil
}

func stepID(fault string, action Action) string { return fault + "/" + string(action) }

// means chooses how a fault is injected, and returns the reason. It refuses what the cluster cannot do.
func means(fault scenario.Fault, entry scenario.Entry, can Capabilities) (by, why string, err error) {
	known := entry.By
	if len(known) == 0 {
		known = []string{scenario.ByBuiltin}
	}
	if fault.By != "" && !slices.Contains(known, fault.By) {
		return "", "", fmt.Errorf("fault %s: %s cannot be brought about by %s: expected one of %s", fault.Name, entry.Name, fault.By,
			strings.Join(known, ", "))
	}
	var refused []error
	for i, by := range known {
		if fault.By != "" && by != fault.By {
			continue
		}
		err = nil
		switch {
		case by == scenario.ByBuiltin:
			err = able(fault, entry, can)
		case !can.ChaosMesh:
			err = fmt.Errorf("fault %s: %s needs Chaos Mesh, which this kind of cluster cannot have", fault.Name, entry.Name)
		case by == scenario.ByCloud && !can.Cloud:
			err = fmt.Errorf("fault %s: %s by the cloud needs nodes that are instances of one, and the Secret by which it is reached "+
				"(--cloud-secret)", fault.Name, entry.Name)
		}
		if err != nil {
			refused = append(refused, err)
			continue
		}
		switch {
		case fault.By != "":
			why = "the scenario asks for it"
		case i > 0:
			why = "the cluster cannot do it by itself"
		case len(known) == 1:
			why = "nothing else can do it"
		default:
			why = "nothing has to be installed for it"
		}
		return by, why, nil
	}
	return "", "", errors.Join(refused...)
}

// able refuses a fault that the cluster cannot inject and recover from.
func able(fault scenario.Fault, entry scenario.Entry, can Capabilities) error {
	if entry.Needs == nil {
		return nil
	}
	var missing []string
	for _, action := range entry.Needs(fault.Inject.Args) {
		if !slices.Contains(can.Actions, cluster.Action(action)) {
			missing = append(missing, action)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("fault %s: %s needs a cluster that can do %s to its nodes; this one can do %s",
		fault.Name, entry.Name, strings.Join(missing, " and "), actionNames(can.Actions))
}

func actionNames(actions []cluster.Action) string {
	if len(actions) == 0 {
		return "nothing"
	}
	names := make([]string, 0, len(actions))
	for _, action := range actions {
		names = append(names, string(action))
	}
	return strings.Join(names, ", ")
}

// await sets when a step begins.
func (s *Step) await(moment scenario.Moment, delay scenario.Span, choices *rand.Rand, catalogue scenario.Catalogue) {
	s.Anchor = &scenario.Choice{Name: moment.Anchor.Name, Args: moment.Anchor.Args}
	s.Delay = within(delay, choices)
	s.Deadline = moment.Deadline
	if entry, ok := scenario.Find(catalogue.Anchors, moment.Anchor.Name); ok && s.Deadline == 0 {
		s.Deadline = scenario.Duration(entry.Deadline)
	}
}

// within picks a duration from a range, to the millisecond.
func within(span scenario.Span, choices *rand.Rand) scenario.Duration {
	steps := int64(span.Max-span.Min) / int64(millisecond)
	if steps == 0 {
		return span.Min
	}
	return span.Min + scenario.Duration(choices.Int64N(steps+1))*millisecond
}

func timingName(t scenario.Timing) string {
	if t.Knobs != nil {
		return TimingCustom
	}
	return t.Name
}
