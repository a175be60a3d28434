// Package gate decides whether stored runs are good enough: by rules over all of them, each with its figure. Where nothing was judged,
// nothing passes.
package gate

import (
	"fmt"
	"path"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
)

// Rules is a file of rules.
type Rules struct {
	APIVersion string `json:"apiVersion" enum:"sparkchaos.dev/v1alpha1"`
	Kind       string `json:"kind" enum:"Rules"`
	Rules      []Rule `json:"rules"`
}

// Rule is one condition that runs must meet. Exactly one of its conditions is given.
type Rule struct {
	Name         string     `json:"name" like:"drivers come back"`
	Scenarios    []string   `json:"scenarios,omitempty"` // patterns of names, as of files; all scenarios if there are none
	Passed       *Least     `json:"passed,omitempty"`
	Inconclusive *Most      `json:"inconclusive,omitempty"`
	Violations   *MostRuns  `json:"violations,omitempty"`
	Runs         *LeastRuns `json:"runs,omitempty"`
	Invariant    *Invariant `json:"invariant,omitempty"`
	Phase        *Phase     `json:"phase,omitempty"`
}

// Least is the smallest share of the runs that must have passed.
type Least struct {
	AtLeast float64 `json:"atLeast"`
}

// Most is the largest share of the runs that may have been inconclusive, or ended in an error.
type Most struct {
	AtMost float64 `json:"atMost"`
}

// MostRuns is the number of runs that may have ended in a violation.
type MostRuns struct {
	AtMost int `json:"atMost" min:"0"`
}

// LeastRuns is the number of runs that must have been judged.
type LeastRuns struct {
	AtLeast int `json:"atLeast" min:"1"`
}

// Invariant must have held in a share of the runs that judged it.
type Invariant struct {
	Name    string  `json:"name" like:"atMostOneDriver"`
	AtLeast float64 `json:"atLeast"`
}

// Phase is a phase of recovery that must not take longer in any run.
type Phase struct {
	Name   string        `json:"name" enum:"detection|eviction|rescheduling|driver start|executors back|first progress"`
	Within time.Duration `json:"within"`
}

// Standard returns the rules that hold if no file is given: each run passed.
func Standard() Rules {
	return Rules{Rules: []Rule{{Name: "each run passed", Passed: &Least{AtLeast: 1}}}}
}

// Parse reads a file of rules. The error tells all that is wrong with it, with line and column.
func Parse(file string, content []byte) (Rules, error) {
	var rules Rules
	d := strictyaml.NewDecoder(nil)
	d.Decode(content, &rules)
	if len(d.Problems()) > 0 {
		return Rules{}, d.Err(file)
	}
	if len(rules.Rules) == 0 {
		d.Problem("rules", "there is no rule; give one or more")
	}
	names := map[string]bool{}
	for i, rule := range rules.Rules {
		at := fmt.Sprintf("rules[%d]", i)
		if names[rule.Name] {
			d.Problem(at+".name", "%q is the name of an earlier rule; choose another one", rule.Name)
		}
		names[rule.Name] = true
		rule.check(d, at)
	}
	if err := d.Err(file); err != nil {
		return Rules{}, err
	}
	return rules, nil
}

// check reports what the types do not say.
func (r Rule) check(d *strictyaml.Decoder, at string) {
	for i, pattern := range r.Scenarios {
		if _, err := path.Match(pattern, ""); err != nil {
			d.Problem(fmt.Sprintf("%s.scenarios[%d]", at, i), "%q is no pattern; write a name in which * stands for any text", pattern)
		}
	}
	given := 0
	for _, is := range []bool{r.Passed != nil, r.Inconclusive != nil, r.Violations != nil, r.Runs != nil, r.Invariant != nil, r.Phase != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		d.Problem(at, "it has %d conditions; give exactly one of passed, inconclusive, violations, runs, invariant, phase", given)
	}
	share := func(path string, share float64) {
		if share < 0 || share > 1 {
			d.Problem(at+path, "%g is no share; want a number from 0 to 1", share)
		}
	}
	if r.Passed != nil {
		share(".passed.atLeast", r.Passed.AtLeast)
	}
	if r.Inconclusive != nil {
		share(".inconclusive.atMost", r.Inconclusive.AtMost)
	}
	if r.Invariant != nil {
		share(".invariant.atLeast", r.Invariant.AtLeast)
	}
	if r.Phase != nil && r.Phase.Within <= 0 {
		d.Problem(at+".phase.within", "%s is no bound; want more than 0s", r.Phase.Within)
	}
}
