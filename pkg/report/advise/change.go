package advise

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Change is what to write into a scenario, and into the settings of what it stands for.
type Change struct {
	Assignments []Assignment `json:"assignments"`
}

// Assignment gives a setting a value.
type Assignment struct {
	Field string `json:"field,omitempty"` // in the scenario, below spec; empty if no scenario can make the change
	Name  string `json:"name"`            // of the setting where it is set in production
	Now   string `json:"now"`
	Then  string `json:"then"`

	apply func(*scenario.Spec)
}

func (c Change) empty() bool { return len(c.Assignments) == 0 }

func (c Change) equal(other Change) bool {
	return slices.EqualFunc(c.Assignments, other.Assignments, func(a, b Assignment) bool { return a.Field == b.Field && a.Then == b.Then })
}

// InScenario reports whether a scenario can make the change: otherwise it is up to the operators of the cluster.
func (c Change) InScenario() bool {
	return !c.empty() && !slices.ContainsFunc(c.Assignments, func(a Assignment) bool { return a.apply == nil })
}

// Apply makes the change in a scenario, which has to be InScenario.
func (c Change) Apply(s *scenario.Scenario) {
	for _, a := range c.Assignments {
		a.apply(&s.Spec)
	}
}

// String returns the change as one line.
func (c Change) String() string {
	var all []string
	for _, a := range c.Assignments {
		all = append(all, fmt.Sprintf("%s: %s instead of %s", a.Name, a.Then, a.Now))
	}
	return strings.Join(all, "; ")
}

// wanted is a setting of Spark's with the value that is proposed for it.
type wanted struct {
	key  sparkKey
	then string
}

// confChange gives settings of Spark's those of the values that they do not have yet.
func (s settings) confChange(all ...wanted) Change {
	var change Change
	for _, w := range all {
		now, _ := s.text(w.key)
		if now == w.then {
			continue
		}
		change.Assignments = append(change.Assignments, Assignment{
			Field: "workload.conf." + w.key.name, Name: w.key.name, Now: now, Then: w.then,
			apply: func(spec *scenario.Spec) {
				if spec.Workload.Conf == nil {
					spec.Workload.Conf = map[string]scenario.ConfValue{}
				}
				spec.Workload.Conf[w.key.name] = scenario.Plain(w.then)
			},
		})
	}
	return change
}

// knob gives a setting of the cluster a value.
func knob(field, name string, now, then time.Duration, of func(*scenario.Knobs) *scenario.Duration) Assignment {
	return Assignment{
		Field: "cluster.timing." + field, Name: name, Now: now.String(), Then: then.String(),
		apply: func(spec *scenario.Spec) {
			timing := &spec.Cluster.Timing
			knobs := timing.Resolve()
			timing.Name, timing.Knobs = "", &knobs
			*of(timing.Knobs) = scenario.Duration(then)
		},
	}
}
